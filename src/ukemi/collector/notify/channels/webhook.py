"""Any URL of the user's: JSON, signed as Standard Webhooks (standardwebhooks.com), with an id that stays on every try."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook as Signer

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import Content
from ukemi.collector.notify.channels.base import Telling, iso
from ukemi.collector.notify.errors import BadChannel
from ukemi.collector.notify.http import OutgoingClient


class SignedWebhook:
    key_id = ""

    def __init__(self, client: OutgoingClient, url: str, secret: str) -> None:
        """
        Args:
            secret: `whsec_` and base64, or base64 alone.

        Raises:
            BadChannel: the secret is no base64.
        """
        try:
            self._signer = Signer(secret)
        except ValueError as error:
            raise BadChannel(
                "The webhook's signing secret is no base64. It looks like whsec_ and 32 to 88 letters and digits; "
                "the receiver's settings show it."
            ) from error
        self._client, self._url = client, url

    def send(self, telling: Telling, now_us: int) -> str:
        body = msgspec.json.encode(render(telling.content))
        at = datetime.fromtimestamp(now_us // SECOND_US, UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": telling.id,
            "webhook-timestamp": str(now_us // SECOND_US),
            "webhook-signature": self._signer.sign(telling.id, at, body.decode()),
        }
        return self._client.post(self._url, body, headers, now_us=now_us).words


def render(content: Content) -> dict[str, Any]:
    """The body: `type` and `timestamp` as Standard Webhooks recommend, the incident under `data`."""
    return {
        "type": f"incident.{content.reason.value}" if content.incident_id else f"ukemi.{content.reason.value}",
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
            "incident_link": content.incident_link,
            "opened": iso(content.opened_us),
            "closed": iso(content.closed_us) if content.closed_us else None,
            "actor": content.actor or None,
            "acknowledged": content.is_acknowledged,
            "likely_cause": content.cause,
            "blast_radius": content.blast_radius,
            "lines": content.lines,
        },
    }
