"""
Slack, by an incoming webhook: Block Kit with a plain `text` for notifications.

Limits: header 150, section 3000, context 2000 characters, 50 blocks. Source: docs.slack.dev/reference/block-kit, read 2026-11.
"""

from typing import Any, Final

import msgspec

from ukemi.collector.core.notification import Content, Line, Reason
from ukemi.collector.notify.channels.base import Telling, cut, headline, one_line, reach
from ukemi.collector.notify.http import OutgoingClient

_SIGNS: Final = {"critical": "🔴", "high": "🟠", "warning": "🟡"}
_QUIET: Final = {
    Reason.CLOSED: "✅",
    Reason.ACKNOWLEDGED: "👀",
    Reason.HELD_BACK: "🗞️",
    Reason.TEST: "🔔",
    Reason.SELF_TEST: "🔔",
}
_MAX_LINE: Final = 200
MAX_HEADER: Final = 150
MAX_SECTION: Final = 3000


class Slack:
    key_id = ""

    def __init__(self, client: OutgoingClient, url: str) -> None:
        self._client, self._url = client, url

    def send(self, telling: Telling, now_us: int) -> str:
        body = msgspec.json.encode(render(telling.content))
        return self._client.post(self._url, body, {"Content-Type": "application/json"}, now_us=now_us).words


def render(content: Content) -> dict[str, Any]:
    """The message. Texts of events are a stranger's: escaped, so that they can neither mention people nor pose as links."""
    title = f"{_QUIET.get(content.reason) or _SIGNS[content.severity]} {headline(content)}"
    lines = [f"*{escape(cut(content.because, 500))}*"] if content.because else []
    if content.culprit:
        lines.append(f"in {escape(cut(content.culprit, _MAX_LINE))}")
    if content.cause:
        lines.append(f"Likely cause: {_linked(content.cause)}")
    if content.actor:
        lines.append(f"by {escape(cut(content.actor, _MAX_LINE))}")
    if content.blast_radius:
        lines += [escape(cut(line, 500)) for line in reach(content.blast_radius)]
    lines += [f"• {_linked(line)}" for line in content.lines]
    links = [("Open in ukemi", content.link), ("Acknowledge or silence", content.incident_link)]
    if content.incident_link == content.link or content.reason is Reason.CLOSED:
        links.pop()
    end = " · ".join(f"<{link}|{text}>" for text, link in links if link.startswith(("http://", "https://")))
    context = [content.rule, content.project, content.environment or "all environments"]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(one_line(title), MAX_HEADER), "emoji": True}}
    ]
    if lines or end:
        text = f"{_joined(lines, MAX_SECTION - len(end) - 1)}\n{end}".strip()
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    if content.rule:
        text = escape(cut(" · ".join(context), 300))
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    return {"text": escape(cut(title, 300)), "blocks": blocks}


def escape(text: str) -> str:
    """Text as Slack shows it literally. A zero-width space keeps backticks, stars and mentions from meaning anything."""
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(raw, safe)
    for mark in "*_~`@":
        text = text.replace(mark, mark + "\u200b")
    return one_line(text)


def _linked(line: Line) -> str:
    text = escape(cut(line.text, _MAX_LINE)).replace("|", "¦")  # a bar would end the address of a link
    return f"<{line.link}|{text}>" if line.link.startswith(("http://", "https://")) else text


def _joined(lines: list[str], limit: int) -> str:
    """As many lines as fit: half a line could be half a link, or half an escaped character."""
    kept: list[str] = []
    room = limit
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept)
