"""Issues: what an event is called, and what it does to its issue. Pure."""

from typing import Literal

from ukemi.collector.core.change import ChangeKind
from ukemi.protocol.event import Event, Frame

Status = Literal["open", "resolved", "muted"]
MAX_TITLE = 256


def why_change(status: str | None) -> ChangeKind | None:
    """
    What an event does to its issue; None when it is only counted: nobody wants to hear of a muted issue.

    Args:
        status: of the issue, None when there is none yet.
    """
    if status is None:
        return ChangeKind.NEW
    if status == "resolved":
        return ChangeKind.REGRESSED
    if status == "muted":
        return None
    return ChangeKind.EVENT


def title(event: Event) -> str:
    """What the event is called: `Type: first line of the message`, or the message's first line."""
    if event.exceptions:
        last = event.exceptions[-1]
        if not (last.is_synthetic and event.message):
            name = last.type if last.type and not last.is_synthetic else _crash(event)
            text = _first_line(last.value)
            return (f"{name}: {text}" if name and text else name or text or "<unknown>")[:MAX_TITLE]
    return _first_line(event.message)[:MAX_TITLE] or "<unlabeled event>"


def culprit(event: Event) -> str:
    """Where it happened: the transaction if known, else the crashing function of ours, else the URL."""
    if event.transaction:
        return event.transaction
    frame = _in_app_frame(event)
    if frame is None:
        return event.request.url[:200]
    if event.platform in ("javascript", "node"):
        place = frame.filename.rsplit("/", 1)[-1]
        return (f"{frame.function}({place})" if frame.function else place)[:200]
    place = frame.module or frame.filename
    return (f"{place} in {frame.function}" if frame.function else place)[:200]


def _in_app_frame(event: Event) -> Frame | None:
    frames = event.exceptions[-1].frames if event.exceptions else []
    return next((frame for frame in reversed(frames) if frame.in_app), frames[-1] if frames else None)


def _crash(event: Event) -> str:
    frame = _in_app_frame(event)
    return frame.function if frame else ""


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].strip()
