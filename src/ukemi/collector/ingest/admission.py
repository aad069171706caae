"""Admission: what becomes of each item that knocks. Pure: values in, an outcome out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from ukemi.collector.core.clock import MINUTE_US, SECOND_US
from ukemi.collector.core.outcome import ACCEPTED, Outcome
from ukemi.collector.spool.item import Lane
from ukemi.collector.spool.look import Waiting
from ukemi.protocol.vocabulary import ITEM_CATEGORIES, REPEATS_ITEM, REQUEST_COUNTS_ITEM, UNKNOWN_CATEGORY, Category

LANES: Final[dict[str, Lane]] = {
    "event": Lane.EVENTS,
    "raw_security": Lane.EVENTS,
    REQUEST_COUNTS_ITEM: Lane.SIGNALS,
    "client_report": Lane.SIGNALS,
    "session": Lane.SIGNALS,
    "sessions": Lane.SIGNALS,
    REPEATS_ITEM: Lane.EVENTS,  # behind the events that it counts
    "attachment": Lane.EVENTS,
    "feedback": Lane.EVENTS,
    "user_report": Lane.EVENTS,
    "transaction": Lane.SAMPLES,
    "span": Lane.SAMPLES,
}
"""The item types that are kept, and the lane they take. All others end here, counted as `not_kept`."""

_SERVER_ONLY: Final = {REQUEST_COUNTS_ITEM, REPEATS_ITEM}
"""A browser key is public: what alerts about a service stand on must not come from it."""


class Pressure(IntEnum):
    """How much must give way because too much waits in the spool."""

    NONE = 0
    SAMPLES = 1
    EXTRAS = 2
    EVENTS = 3


_GIVES_WAY: Final[dict[str, Pressure]] = {
    "transaction": Pressure.SAMPLES,
    "span": Pressure.SAMPLES,
    "session": Pressure.EXTRAS,
    "sessions": Pressure.EXTRAS,
    "attachment": Pressure.EXTRAS,
    "feedback": Pressure.EXTRAS,
    "user_report": Pressure.EXTRAS,
    "raw_security": Pressure.EXTRAS,
    "event": Pressure.EVENTS,
    # Request counts, repeats and loss reports never do: they are small, and alerts stand on them.
}
SAMPLES_AT: Final = 0.5
"""Share of the spool's size from which on samples are refused …"""
EXTRAS_AT: Final = 0.75
"""… and sessions, feedback, attachments."""
SAMPLES_AGE_S: Final = 60
"""Age of the oldest waiting item from which on samples are refused …"""
EXTRAS_AGE_S: Final = 300
"""… and sessions, feedback, attachments. Errors never are because of age: on disk they can wait."""
RESERVE: Final = 0.125
"""So much beyond the spool's size there is room for what never gives way."""
PRESSURE_RETRY_S: Final = 30
SPANS_BYTES: Final = 12 << 20
"""Of the largest container of streamed spans; SDKs put up to 1,000 spans into one."""


@dataclass(frozen=True)
class Limits:
    item_bytes: int
    attachment_bytes: int
    per_minute: Mapping[Category, int]
    """Items of a category accepted per project and minute, spans of a container each; one that is missing has no limit."""


@dataclass(frozen=True)
class Used:
    """Items of one category accepted in the present minute."""

    by_project: int = 0
    by_key: int = 0


def category_of(item_type: str) -> Category:
    """The category that an item counts under; unknown types share one."""
    return ITEM_CATEGORIES.get(item_type, UNKNOWN_CATEGORY)


def pressure(waiting: Waiting, max_bytes: int, now_us: int) -> Pressure:
    """How much must give way when the spool is this full and may hold `max_bytes`."""
    age_s = 0.0 if waiting.oldest_us is None else (now_us - waiting.oldest_us) / SECOND_US
    sample_age_s = 0.0 if waiting.oldest_sample_us is None else (now_us - waiting.oldest_sample_us) / SECOND_US
    if waiting.bytes >= max_bytes:
        return Pressure.EVENTS
    if waiting.bytes >= EXTRAS_AT * max_bytes or age_s >= EXTRAS_AGE_S:
        return Pressure.EXTRAS
    if waiting.bytes >= SAMPLES_AT * max_bytes or max(age_s, sample_age_s) >= SAMPLES_AGE_S:
        return Pressure.SAMPLES
    return Pressure.NONE


def nothing_fits_at(max_bytes: int) -> int:
    """Bytes waiting from which on nothing at all is taken, in a spool that may hold `max_bytes`."""
    return max_bytes + int(RESERVE * max_bytes)


def admit(
    item_type: str,
    payload_bytes: int,
    key_kind: str,
    limits: Limits,
    *,
    key_limits: Mapping[Category, int] | None = None,
    used: Used | None = None,
    pressed: Pressure = Pressure.NONE,
) -> Outcome:
    """
    Decide one item's fate.

    Args:
        key_limits: items of a category per minute that the client key has for itself.
        used: of the item's category, in the present minute.
        pressed: how much must give way.
    """
    if item_type not in ITEM_CATEGORIES:
        return Outcome("invalid", "unknown_type")
    if item_type in _SERVER_ONLY and key_kind == "browser":
        return Outcome("invalid", "browser_key")
    if item_type not in LANES:
        return Outcome("not_kept", item_type)
    if payload_bytes > {"attachment": limits.attachment_bytes, "span": SPANS_BYTES}.get(item_type, limits.item_bytes):
        return Outcome("invalid", "too_large")
    used = used or Used()
    category = category_of(item_type)
    if used.by_key >= (key_limits or {}).get(category, used.by_key + 1):
        return Outcome("rate_limited", "key_minute")
    if used.by_project >= limits.per_minute.get(category, used.by_project + 1):
        return Outcome("rate_limited", "project_minute")
    if item_type in _GIVES_WAY and pressed >= _GIVES_WAY[item_type]:
        return (
            Outcome("rate_limited", "spool_full") if pressed is Pressure.EVENTS else Outcome("rate_limited", "pressure")
        )
    return ACCEPTED


@dataclass
class Usage:
    """Items accepted in the present minute. Held by one process, so N processes allow N times the limit."""

    _minute: int = 0
    _accepted: dict[tuple[int | str, Category], int] = field(default_factory=dict)

    def accepted(self, project_id: int, public_key: str, category: Category, now_us: int) -> Used:
        """What a project, and one of its keys, had accepted of a category in the minute of `now_us`."""
        self._turn(now_us)
        return Used(self._accepted.get((project_id, category), 0), self._accepted.get((public_key, category), 0))

    def add(self, project_id: int, public_key: str, category: Category, quantity: int, now_us: int) -> None:
        self._turn(now_us)
        for owner in (project_id, public_key):
            self._accepted[owner, category] = self._accepted.get((owner, category), 0) + quantity

    def _turn(self, now_us: int) -> None:
        if (minute := now_us // MINUTE_US) != self._minute:
            self._minute, self._accepted = minute, {}


def seconds_to_next_minute(now_us: int) -> int:
    """Whole seconds until the present minute is over, at least 1."""
    return max(1, -(-(MINUTE_US - now_us % MINUTE_US) // 1_000_000))
