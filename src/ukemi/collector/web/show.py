"""How values look on a page: filters of the templates. Pure."""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from ukemi.collector.core.ours import is_ours
from ukemi.protocol.event import Frame

FILTERS: Final = (
    "ago",
    "instant",
    "clock_time",
    "duration",
    "count",
    "value",
    "bars",
    "is_filtered",
    "is_hashed",
    "is_ours",
    "link",
    "runs",
    "because",
)
_MAX_VALUE: Final = 4000


def ago(at_us: int, now_us: int) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `2 d ago`."""
    past_us = max(0, now_us - at_us)
    if past_us < 10 * SECOND_US:
        return "just now"
    for unit_us, name in ((DAY_US, "d"), (HOUR_US, "h"), (MINUTE_US, "min")):
        if past_us >= unit_us:
            return f"{past_us // unit_us} {name} ago"
    return f"{past_us // SECOND_US} s ago"


def instant(at_us: int) -> str:
    """`2026-11-24 02:30:11 UTC`"""
    return datetime.fromtimestamp(at_us / SECOND_US, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock_time(at_s: float | None) -> str:
    """`02:30:11.042`, or nothing."""
    if at_s is None:
        return ""
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S.%f")[:-3]


def duration(length_us: int) -> str:
    """`0.8 s`, `12 s`, `5 min`, `3 h`, `2 d`."""
    if length_us < 10 * SECOND_US:
        return f"{length_us / SECOND_US:.1f} s"
    for unit_us, name in ((2 * DAY_US, "d"), (2 * HOUR_US, "h"), (2 * MINUTE_US, "min")):
        if length_us >= unit_us:
            return f"{length_us * 2 // unit_us} {name}"
    return f"{length_us // SECOND_US} s"


def count(number: int) -> str:
    """`999`, `1.2k`, `34k`, `5.6M`."""
    if number < 1000:
        return str(number)
    for size, name in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            scaled = number / size
            return f"{math.floor(scaled * 10) / 10:g}{name}" if scaled < 10 else f"{math.floor(scaled)}{name}"
    return str(number)


def value(thing: Any) -> str:
    """A value of a variable, a tag, a context: texts as they are, everything else as JSON, cut where it gets long."""
    text = thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}… ({len(text)} characters)"


def is_filtered(thing: Any) -> bool:
    return isinstance(thing, str) and thing == "[Filtered]"


def is_hashed(thing: Any) -> bool:
    return isinstance(thing, str) and thing.startswith("hmac:")


def link(text: str) -> str:
    """The text if a browser may follow it, else nothing: `javascript:` and the like are no links here."""
    return text if text.startswith(("http://", "https://")) else ""


def runs(frames: Iterable[Frame]) -> list[tuple[bool, list[Frame]]]:
    """Neighbouring frames of one kind together: whether they are the app's own, and which."""
    return [(own, list(run)) for own, run in groupby(frames, key=is_ours)]


def because(explanation: str) -> str:
    """The sentence of a stored explanation."""
    return str(json.loads(explanation or "{}").get("because", ""))


def bars(values: Sequence[int], width: float, height: float) -> list[tuple[float, float, float, float, int]]:
    """Bars of a chart as (x, y, width, height, value); one with anything in it is at least 2 high, so that it is seen."""
    most = max(values, default=0)
    step = width / max(1, len(values))
    drawn = []
    for place, number in enumerate(values):
        tall = max(2.0, height * number / most) if number else 0.0
        drawn.append((round(place * step, 2), round(height - tall, 2), round(step * 0.8, 2), round(tall, 2), number))
    return drawn
