"""
The clock that alerts, retention and quotas go by: time of receipt at this collector, never a client's.

Decisions take `now_us` as an argument. Only the outermost loops ask a clock, so tests hand in a `VirtualClock`.
"""

import time
from typing import Protocol

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


class Clock(Protocol):
    def now_us(self) -> int:
        """The instant in microseconds since the epoch, UTC."""


class SystemClock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


class VirtualClock:
    """A clock that stands still until told to move."""

    def __init__(self, now_us: int) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, seconds: float) -> None:
        self._now_us += round(seconds * SECOND_US)
