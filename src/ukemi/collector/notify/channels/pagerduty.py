"""
PagerDuty, Events API v2: trigger when an incident opens, resolve when it closes, under one dedup key.

Source: developer.pagerduty.com/docs/events-api-v2, read 2026-11. Summary at most 1024 characters, 512 KB in all.
"""

from typing import Any, Final

import msgspec

from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.base import cut, iso
from ukemi.collector.notify.http import OutgoingClient

URL: Final = "https://events.pagerduty.com/v2/enqueue"
_SEVERITIES: Final = {"critical": "critical", "high": "error", "warning": "warning"}


class PagerDuty:
    def __init__(self, client: OutgoingClient, routing_key: str, url: str = URL) -> None:
        self._client, self._routing_key, self._url = client, routing_key, url

    def send(self, notification_id: str, content: Content, now_us: int) -> None:  # noqa: ARG002 - dedup_key does it
        body = msgspec.json.encode(render(content, self._routing_key))
        self._client.post(self._url, body, {"Content-Type": "application/json"}, now_us=now_us)


def render(content: Content, routing_key: str) -> dict[str, Any]:
    """The event. The incident's id is the dedup key, so a second delivery changes nothing."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "dedup_key": content.incident_id,
        "event_action": "trigger" if content.reason is Reason.OPENED else "resolve",
    }
    if content.reason is Reason.OPENED:
        event |= {
            "client": "ukemi",
            "client_url": content.link,
            "links": [{"href": content.link, "text": "Open in ukemi"}],
            "payload": {
                "summary": cut(content.title, 1024),
                "source": content.project,
                "severity": _SEVERITIES[content.severity],
                "timestamp": iso(content.opened_us),
                "component": cut(content.culprit, 255) or content.project,
                "group": content.environment or "all",
                "class": content.rule,
                "custom_details": {
                    "because": content.because,
                    "rule": content.rule,
                    "environment": content.environment,
                },
            },
        }
    return event
