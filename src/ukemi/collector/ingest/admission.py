"""Admission: what becomes of each item that knocks. Pure: values in, an outcome out."""

from dataclasses import dataclass, field
from typing import Final

from ukemi.collector.core.clock import MINUTE_US
from ukemi.collector.core.outcome import ACCEPTED, Outcome
from ukemi.collector.spool.item import Lane
from ukemi.protocol.vocabulary import ITEM_CATEGORIES, REPEATS_ITEM, REQUEST_COUNTS_ITEM, UNKNOWN_CATEGORY, Category

LANES: Final[dict[str, Lane]] = {
    "event": Lane.EVENTS,
    REQUEST_COUNTS_ITEM: Lane.SIGNALS,
    "client_report": Lane.SIGNALS,
    REPEATS_ITEM: Lane.EVENTS,  # behind the events that it counts
}
"""The item types that are kept, and the lane they take. All others end here, counted as `not_kept`."""

_SERVER_ONLY: Final = {REQUEST_COUNTS_ITEM, REPEATS_ITEM, "session", "sessions"}
"""A browser key is public: what alerts about a service stand on must not come from it."""


@dataclass(frozen=True)
class Limits:
    item_bytes: int
    events_per_minute: int
    """Accepted per project and minute."""


def category_of(item_type: str) -> Category:
    """The category that an item counts under; unknown types share one."""
    return ITEM_CATEGORIES.get(item_type, UNKNOWN_CATEGORY)


def admit(item_type: str, payload_bytes: int, key_kind: str, limits: Limits, used: int) -> Outcome:
    """
    Decide one item's fate.

    Args:
        used: events of this project accepted in the present minute.
    """
    if item_type not in ITEM_CATEGORIES:
        return Outcome("invalid", "unknown_type")
    if item_type in _SERVER_ONLY and key_kind == "browser":
        return Outcome("invalid", "browser_key")
    if item_type not in LANES:
        return Outcome("not_kept", item_type)
    if payload_bytes > limits.item_bytes:
        return Outcome("invalid", "too_large")
    if item_type == "event" and used >= limits.events_per_minute:
        return Outcome("rate_limited", "project_minute")
    return ACCEPTED


@dataclass
class Usage:
    """Events accepted per project in the present minute. Held by one process, so N processes allow N times the limit."""

    _minute: int = 0
    _accepted: dict[int, int] = field(default_factory=dict)

    def accepted(self, project_id: int, now_us: int) -> int:
        """Events that `project_id` has had accepted in the minute of `now_us`."""
        self._turn(now_us)
        return self._accepted.get(project_id, 0)

    def add(self, project_id: int, now_us: int) -> None:
        self._turn(now_us)
        self._accepted[project_id] = self._accepted.get(project_id, 0) + 1

    def _turn(self, now_us: int) -> None:
        if (minute := now_us // MINUTE_US) != self._minute:
            self._minute, self._accepted = minute, {}


def seconds_to_next_minute(now_us: int) -> int:
    """Whole seconds until the present minute is over, at least 1."""
    return max(1, -(-(MINUTE_US - now_us % MINUTE_US) // 1_000_000))
