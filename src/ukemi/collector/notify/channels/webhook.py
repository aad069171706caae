"""Any URL of the user's: JSON, signed as Standard Webhooks (standardwebhooks.com), with an id that stays on every try."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook as Signer

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import Content
from ukemi.collector.notify.channels.base import iso
from ukemi.collector.notify.http import OutgoingClient


class SignedWebhook:
    def __init__(self, client: OutgoingClient, url: str, secret: str) -> None:
        """
        Args:
            secret: `whsec_` and base64, or base64 alone.

        Raises:
            ValueError: the secret is no base64.
        """
        try:
            self._signer = Signer(secret)
        except ValueError as error:
            raise ValueError(
                "The webhook's signing secret is no base64. It looks like whsec_ and 32 to 88 letters and digits; "
                "the receiver's settings show it."
            ) from error
        self._client, self._url = client, url

    def send(self, notification_id: str, content: Content, now_us: int) -> None:
        body = msgspec.json.encode(render(content))
        at = datetime.fromtimestamp(now_us // SECOND_US, UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notification_id,
            "webhook-timestamp": str(now_us // SECOND_US),
            "webhook-signature": self._signer.sign(notification_id, at, body.decode()),
        }
        self._client.post(self._url, body, headers, now_us=now_us)


def render(content: Content) -> dict[str, Any]:
    """The body: `type` and `timestamp` as Standard Webhooks recommend, the incident under `data`."""
    return {
        "type": f"incident.{content.reason.value}",
        "timestamp": iso(content.closed_us or content.opened_us),
        "data": {
            "incident": content.incident_id,
            "rule": content.rule,
            "severity": content.severity,
            "title": content.title,
            "because": content.because,
            "project": content.project,
            "environment": content.environment,
            "culprit": content.culprit,
            "link": content.link,
            "opened": iso(content.opened_us),
            "closed": iso(content.closed_us) if content.closed_us else None,
        },
    }
