"""
PagerDuty, Events API v2: trigger, acknowledge and resolve under one dedup key, the incident's id.

Source: developer.pagerduty.com/docs/events-api-v2, read 2026-11. Summary at most 1024 characters, 512 KB in all. An
acknowledge or a resolve with another routing key than the trigger's is dropped there, so an incident keeps the key that it
began with: its id is noted, never the key itself, and several keys may be set while one replaces another. Whatever is told
of a dedup key that is open already is added to it, and pages nobody anew.
"""

from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.base import Telling, cut, headline, iso, one_line, reach
from ukemi.collector.notify.errors import BadChannel
from ukemi.collector.notify.http import OutgoingClient

URL: Final = "https://events.pagerduty.com/v2/enqueue"
_SEVERITIES: Final = {"critical": "critical", "high": "error", "warning": "warning"}
_FOREIGN: Final = (
    "But the incident began with another routing key, which is not set any more: end it in PagerDuty by hand."
)
Action = Literal["trigger", "acknowledge", "resolve"]


class PagerDuty:
    def __init__(self, client: OutgoingClient, routing_keys: str, url: str = URL) -> None:
        """
        Args:
            routing_keys: separated by commas; what is new is told with the first, what began with another one with that.

        Raises:
            BadChannel: there is none.
        """
        keys = [key.strip() for key in routing_keys.split(",") if key.strip()]
        if not keys:
            raise BadChannel(
                "PagerDuty's routing key is empty; it is the Integration Key of an Events API V2 integration."
            )
        self._client, self._url = client, url
        self._current = keys[0]
        self._keys = {id_of(key): key for key in keys}
        self.key_id = id_of(self._current)

    def send(self, telling: Telling, now_us: int) -> str:
        content, key = telling.content, self._keys.get(telling.key_id)
        dedup_key = content.incident_id or telling.id
        if content.reason is Reason.SELF_TEST:  # pages nobody, and a wrong key is refused all the same
            actions: list[Action] = ["resolve"]
        elif content.reason is Reason.TEST:
            actions = ["trigger", "resolve"]
        else:
            actions = [action_of(content.reason)]
        words = ""
        for action in actions:
            body = msgspec.json.encode(render(content, key or self._current, dedup_key, action))
            words = self._client.post(self._url, body, {"Content-Type": "application/json"}, now_us=now_us).words
        if telling.key_id and key is None and actions[-1] != "trigger":
            return f"{words}. {_FOREIGN}"
        return words


def id_of(routing_key: str) -> str:
    """A name for a key that does not tell it: keys are random, so nobody finds one that has this id."""
    return sha256(routing_key.encode()).hexdigest()[:16]


def action_of(reason: Reason) -> Action:
    if reason is Reason.CLOSED:
        return "resolve"
    return "acknowledge" if reason is Reason.ACKNOWLEDGED else "trigger"


def render(content: Content, routing_key: str, dedup_key: str, action: Action) -> dict[str, Any]:
    """The event. The incident's id is the dedup key, so a second delivery changes nothing."""
    event: dict[str, Any] = {"routing_key": routing_key, "dedup_key": dedup_key, "event_action": action}
    if action == "trigger":
        details = {"because": cut(content.because, 1000), "rule": content.rule, "environment": content.environment}
        if content.cause:
            details["likely cause"] = cut(content.cause.text, 500)
        if content.blast_radius:
            details["blast radius"] = cut("; ".join(reach(content.blast_radius)), 2000)
        for number, line in enumerate(content.lines, 1):
            details[str(number)] = cut(one_line(line.text), 500)
        title = one_line(content.title) or "An incident without a title"  # an empty summary is refused
        summary = title if content.reason is Reason.OPENED else headline(content)
        is_test = content.reason is Reason.TEST
        links = [("Open in ukemi", content.link), *([("Likely cause", content.cause.link)] if content.cause else [])]
        event |= {
            "client": "ukemi",
            "client_url": content.link,
            "links": [{"href": link, "text": text} for text, link in links if link.startswith(("http://", "https://"))],
            "payload": {
                "summary": cut(summary, 1024),
                "source": cut(one_line(content.project), 255) or "ukemi",  # an empty one is refused
                "severity": "info" if is_test else _SEVERITIES[content.severity],
                "timestamp": iso(content.opened_us),
                "component": cut(content.culprit, 255) or cut(content.project, 255),
                "group": cut(content.environment, 255) or "all",
                "class": cut(content.rule, 255),
                "custom_details": details,
            },
        }
    return event
