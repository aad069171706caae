"""Issues: what an event is called, what it does to its issue, and what people may wish for one. Pure."""

import re
from typing import Final, Literal

import msgspec

from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.clock import HOUR_US
from ukemi.collector.core.ours import is_ours
from ukemi.collector.core.release import Release, is_newer
from ukemi.protocol.event import Event, Frame

Status = Literal["open", "resolved", "muted"]
MAX_TITLE = 256


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a status holds on to: since which release it is resolved, how long it is muted. Empty for open issues."""

    release: str = ""
    """Resolved in this release; "" when it was resolved at once."""
    is_after: bool = False
    """Resolved in the release *after* `release`: events of `release` itself change nothing."""
    until_us: int | None = None
    """Muted up to then."""
    event_count: int | None = None
    """Muted until the issue has more events than this."""
    user_count: int | None = None
    """Muted until the issue has met more users than this."""


class Standing(msgspec.Struct, frozen=True):
    """How an issue stands before an event comes."""

    status: str
    condition: Condition = Condition()
    event_count: int = 0
    user_count: int = 0


class Wish(msgspec.Struct, frozen=True):
    """What a person wants with an issue."""

    status: Status
    release: Literal["", "current", "next"] = ""
    """Resolved in which release."""
    hours: int | None = None
    events: int | None = None
    users: int | None = None
    """Muted for so long, for so many more events, until so many more users met it."""


_WISH: Final = re.compile(r"(open|resolved|muted)(?:_in_(current|next)|:(hours|events|users)=([1-9][0-9]{0,5}))?")


def why_change(
    standing: Standing | None,
    now_us: int = 0,
    release: Release | None = None,
    resolved_in: Release | None = None,
) -> ChangeKind | None:
    """
    What an event does to its issue; None when it is only counted: nobody wants to hear of a muted issue, nor of a known
    mistake of a release that is older than its fix.

    Args:
        standing: of the issue, with this event counted; None when there is no issue yet.
        release: of the event, None when it has none.
        resolved_in: the release of the issue's condition, as it was seen.
    """
    if standing is None:
        return ChangeKind.NEW
    if standing.status == "resolved":
        return ChangeKind.REGRESSED if _is_back(standing.condition, release, resolved_in) else None
    if standing.status == "muted":
        return ChangeKind.UNMUTED if _is_over(standing, now_us) else None
    return ChangeKind.EVENT


def _is_back(condition: Condition, release: Release | None, resolved_in: Release | None) -> bool:
    if not condition.release:
        return True
    if release is None or resolved_in is None:  # nobody can say that it is newer
        return False
    return is_newer(release, resolved_in) or (release.name == condition.release and not condition.is_after)


def _is_over(standing: Standing, now_us: int) -> bool:
    condition = standing.condition
    return (
        (condition.until_us is not None and now_us >= condition.until_us)
        or (condition.event_count is not None and standing.event_count > condition.event_count)
        or (condition.user_count is not None and standing.user_count > condition.user_count)
    )


def read_wish(text: str) -> Wish | None:
    """
    `open`, `resolved`, `resolved_in_current`, `resolved_in_next`, `muted`, `muted:hours=24`, `muted:events=100`, `muted:users=10`.

    None when it says anything else.
    """
    match = _WISH.fullmatch(text)
    if match is None or (match[2] and match[1] != "resolved") or (match[3] and match[1] != "muted"):
        return None
    limits = {match[3]: int(match[4])} if match[3] else {}
    return Wish(match[1], match[2] or "", **limits)  # type: ignore[arg-type]


def condition_of(wish: Wish, standing: Standing, current: Release | None, now_us: int) -> Condition:
    """What the new status holds on to. Without any release, "in this release" and "in the next" are at once."""
    if wish.status == "resolved" and wish.release and current is not None:
        return Condition(release=current.name, is_after=wish.release == "next")
    if wish.status == "muted":
        return Condition(
            until_us=now_us + wish.hours * HOUR_US if wish.hours else None,
            event_count=standing.event_count + wish.events if wish.events else None,
            user_count=standing.user_count + wish.users if wish.users else None,
        )
    return Condition()


def note_of(status: str, condition: Condition, standing: Standing) -> str:
    """The condition in words, to stand after the status: `in the release after shop@1.2`, `for 100 more events`; or nothing."""
    if status == "resolved" and condition.release:
        return f"in the release after {condition.release}" if condition.is_after else f"in {condition.release}"
    if condition.event_count is not None:
        return f"for {max(0, condition.event_count - standing.event_count)} more events"
    if condition.user_count is not None:
        return f"until {max(0, condition.user_count - standing.user_count) + 1} more users meet it"
    return ""


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
    frame = _crashed_frame(event)
    if frame is None:
        return event.request.url[:200]
    if event.platform in ("javascript", "node"):
        place = frame.filename.rsplit("/", 1)[-1]
        return (f"{frame.function}({place})" if frame.function else place)[:200]
    place = frame.module or frame.filename
    return (f"{place} in {frame.function}" if frame.function else place)[:200]


def _crashed_frame(event: Event) -> Frame | None:
    frames = event.exceptions[-1].frames if event.exceptions else []
    return next((frame for frame in reversed(frames) if is_ours(frame)), frames[-1] if frames else None)


def _crash(event: Event) -> str:
    frame = _crashed_frame(event)
    return frame.function if frame else ""


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].strip()
