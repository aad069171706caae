"""
Slack, by an incoming webhook: Block Kit with a plain `text` for notifications.

Limits: header 150, section 3000, field 2000 characters. Source: docs.slack.dev/reference/block-kit, read 2026-11.
"""

from typing import Any, Final

import msgspec

from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.base import cut
from ukemi.collector.notify.http import OutgoingClient

_SIGNS: Final = {"critical": "🔴", "high": "🟠", "warning": "🟡"}


class Slack:
    def __init__(self, client: OutgoingClient, url: str) -> None:
        self._client, self._url = client, url

    def send(self, notification_id: str, content: Content, now_us: int) -> None:  # noqa: ARG002 - Slack has no such id
        body = msgspec.json.encode(render(content))
        self._client.post(self._url, body, {"Content-Type": "application/json"}, now_us=now_us)


def render(content: Content) -> dict[str, Any]:
    """The message. Texts of events are a stranger's: escaped, so that they can neither mention people nor pose as links."""
    is_open = content.reason is Reason.OPENED
    state = content.severity if is_open else "resolved"
    headline = f"{_SIGNS[content.severity] if is_open else '✅'} {state}: {content.title}"
    where = content.environment or "all environments"
    lines = [f"*{escape(cut(content.because, 500))}*"]
    if content.culprit:
        lines.append(f"in {escape(cut(content.culprit, 200))}")
    if content.link.startswith(("http://", "https://")):
        lines.append(f"<{content.link}|Open in ukemi>")
    return {
        "text": cut(escape(headline), 300),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": cut(_one_line(headline), 150), "emoji": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": cut("\n".join(lines), 3000)}},
            {
                "type": "context",
                "elements": [
                    {"type": "mrkdwn", "text": cut(escape(f"{content.rule} · {content.project} · {where}"), 1000)}
                ],
            },
        ],
    }


def escape(text: str) -> str:
    """Text as Slack shows it literally. A zero-width space keeps backticks, stars and mentions from meaning anything."""
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(raw, safe)
    for mark in "*_~`@":
        text = text.replace(mark, mark + "\u200b")
    return _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
