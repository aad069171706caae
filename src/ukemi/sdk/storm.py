"""
The storm guard: of an error that happens again and again, a few events a minute are sent whole, the others are counted.

An error costs milliseconds to describe, on the very event loop that serves the app; an outage would take down what is
still well. What is counted is told exactly (item `ukemi_repeats`): the issue's totals include it.
"""

import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from ukemi.sdk.locks import ForkSafeLock

PER_MINUTE: Final = 5
MINUTE_S: Final = 60.0
MAX_KEYS: Final = 1000
"""Different errors that are remembered; when there are more, the oldest are sent whole again."""


@dataclass
class _Storm:
    sent_s: list[float] = field(default_factory=list)
    """When complete events of the latest minute were sent."""
    event_id: str = ""
    """Of the latest complete one: what stands for those that are only counted."""


class StormGuard:
    """Thread-safe. Times are of a monotonic clock that is handed in."""

    def __init__(self, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._lock = ForkSafeLock()
        self._pid = os.getpid()
        self._storms: dict[Hashable, _Storm] = {}
        self._counts: dict[str, int] = {}

    def counts_only(self, key: Hashable) -> str | None:
        """
        Whether this error is only to be counted; then it is, and the id of the event that stands for it is returned.

        None: send it whole, and tell `sent`.
        """
        now_s = self._clock()
        with self._lock:
            self._forget_parent()
            storm = self._storms.get(key)
            if storm is None:
                return None
            storm.sent_s = [at_s for at_s in storm.sent_s if now_s - at_s < MINUTE_S]
            if len(storm.sent_s) < self._per_minute:
                return None
            self._counts[storm.event_id] = self._counts.get(storm.event_id, 0) + 1
            return storm.event_id

    def sent(self, key: Hashable, event_id: str) -> None:
        """Note that a complete event left."""
        with self._lock:
            storm = self._storms.pop(key, None) or _Storm()
            storm.sent_s.append(self._clock())
            storm.event_id = event_id
            self._storms[key] = storm  # at the end: the first is the one that was quiet for longest
            if len(self._storms) > MAX_KEYS:
                del self._storms[next(iter(self._storms))]

    def drain(self) -> dict[str, int]:
        """What was counted since the last call, by event id."""
        with self._lock:
            self._forget_parent()
            counts, self._counts = self._counts, {}
        return counts

    def _forget_parent(self) -> None:
        """After a fork: what the parent counted, the parent tells."""
        if self._pid != os.getpid():
            self._pid, self._counts = os.getpid(), {}


def place_of(error: BaseException, traceback: TracebackType | None) -> Hashable:
    """What tells one error from another before anything is built: its type and where it was raised."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return (type(error), str(error)[:200])
    return (type(error), traceback.tb_frame.f_code, traceback.tb_lineno)
