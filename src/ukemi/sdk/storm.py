"""
The storm guard: of an error that happens again and again, a few events a minute are sent whole, the others are counted.

An error costs milliseconds to describe, on the very event loop that serves the app; an outage would take down what is
still well. What is counted is told exactly (item `ukemi_repeats`): the issue's totals include it. A telling that does
not arrive is told again, and counts of an event that does not arrive go over to the next one of the same error.
"""

import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Final

from ukemi.protocol.vocabulary import REPEATS_ITEM, REPEATS_VERSION
from ukemi.sdk.locks import ForkSafeLock
from ukemi.sdk.transport import Turn, record_lost_errors, waiting_events

PER_MINUTE: Final = 5
MINUTE_S: Final = 60.0
MAX_KEYS: Final = 1000
"""Different errors that are remembered; when there are more, the oldest are sent whole again."""
MAX_TOLD: Final = 1000
"""Events in one telling: the bound of the wire."""


@dataclass(eq=False)
class _Standing:
    """A complete event that stands for those that are only counted."""

    key: Hashable
    event_id: str
    count: int = 0
    """How often it happened again."""
    told: int = 0
    """What of that was told."""
    is_lost: bool = False
    """The event did not arrive; nothing can be told of it."""


@dataclass(eq=False)
class _Storm:
    standing: _Standing
    """The latest complete event."""
    sent_s: list[float] = field(default_factory=list)
    """When complete events of the latest minute were sent."""


Untold = list[tuple[_Standing, int]]
"""Events, and how often each happened again in all."""


class StormGuard:
    """Thread-safe. Times are of a monotonic clock that is handed in."""

    def __init__(
        self, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic, *, tells: bool = True
    ) -> None:
        """
        Args:
            tells: whether what is counted can be told.
        """
        self._per_minute, self._clock, self._tells = per_minute, clock, tells
        self._lock = ForkSafeLock()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._storms: dict[Hashable, _Storm] = {}
        self._untold: dict[str, _Standing] = {}
        self._lost_early: dict[str, None] = {}
        """Events whose loss was told before they were: a full queue refuses them while they are captured."""
        self._given_up = 0

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
            self._add(storm.standing, 1)
            return storm.standing.event_id

    def sent(self, key: Hashable, event_id: str) -> None:
        """Note that a complete event left."""
        with self._lock:
            standing = _Standing(key, event_id)
            if event_id in self._lost_early:
                del self._lost_early[event_id]
                standing.is_lost = True
            storm = self._storms.pop(key, None) or _Storm(standing)
            before, storm.standing = storm.standing, standing
            storm.sent_s.append(self._clock())
            self._storms[key] = storm  # at the end: the first is the one that was quiet for longest
            if before.is_lost:
                self._hand_over(before)
            if len(self._storms) > MAX_KEYS:
                oldest = self._storms.pop(next(iter(self._storms))).standing
                if oldest.is_lost:
                    self._hand_over(oldest)

    def lost(self, event_id: str) -> None:
        """Note that a complete event did not arrive."""
        with self._lock:
            latest = next((one.standing for one in self._storms.values() if one.standing.event_id == event_id), None)
            standing = latest or self._untold.get(event_id)
            if standing is None:
                self._lost_early[event_id] = None
                if len(self._lost_early) > MAX_KEYS:
                    del self._lost_early[next(iter(self._lost_early))]
                return
            standing.is_lost = True
            if latest is None:
                self._hand_over(standing)

    def untold(self) -> Untold:
        """What is to be told. Totals: an event that was told of before is told of anew, with what came since."""
        with self._lock:
            self._forget_parent()
            standing = [one for one in self._untold.values() if not one.is_lost]
            return [(one, one.count) for one in standing[:MAX_TOLD]]

    def tell(self, untold: Untold) -> list[dict[str, Any]]:
        """Note that it is told now. Entries of the item, without events that were lost meanwhile."""
        with self._lock:
            entries = []
            for one, total in ((one, total) for one, total in untold if not one.is_lost):
                entries.append({"event_id": one.event_id, "count": total, "told": min(one.told, total)})
                one.told = max(one.told, total)  # the last telling overtakes those that wait
                if one.count == total:
                    self._untold.pop(one.event_id, None)
            return entries

    def not_told(self, untold: Untold) -> None:
        """Note that the telling did not arrive."""
        with self._lock:
            for one, _ in untold:
                one.told = 0
                if not one.is_lost:
                    self._untold[one.event_id] = one

    def given_up(self) -> int:
        """How many were counted, since the last call, that no event stands for any more."""
        with self._lock:
            given_up, self._given_up = self._given_up, 0
            return given_up

    def _add(self, standing: _Standing, count: int) -> None:
        if self._tells:
            standing.count += count
            self._untold[standing.event_id] = standing

    def _hand_over(self, lost: _Standing) -> None:
        """Have the latest event of the same error stand for what the lost one stood for."""
        self._untold.pop(lost.event_id, None)
        if not (count := lost.count - lost.told):
            return
        if heir := self._storms.get(lost.key):
            self._add(heir.standing, count)
        else:
            self._given_up += count

    def _forget_parent(self) -> None:
        """After a fork: what the parent counted, the parent tells."""
        if self._pid != os.getpid():
            self._forget()


def place_of(error: BaseException, traceback: TracebackType | None) -> Hashable:
    """What tells one error from another before anything is built: its type and where it was raised."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return (type(error), str(error)[:200])
    return (type(error), traceback.tb_frame.f_code, traceback.tb_lineno)


def make_teller(guard: StormGuard) -> Callable[..., None]:
    """What tells the server how often errors happened again, when it is called."""
    turn = Turn(REPEATS_ITEM)

    def write(untold: Untold) -> dict[str, Any]:
        return {"version": REPEATS_VERSION, "repeats": guard.tell(untold)}

    def tell(*, at_once: bool = False, last_s: float | None = None) -> None:
        if last_s:
            # Not of events that wait themselves: it would arrive before them, and nobody would know what it is about.
            waiting = waiting_events()
            if untold := [(one, total) for one, total in guard.untold() if one.event_id not in waiting]:
                turn.send(partial(write, untold), partial(guard.not_told, untold), last_s=last_s)
        if untold := guard.untold():
            turn.send(partial(write, untold), partial(guard.not_told, untold), at_once=at_once or bool(last_s))
        if given_up := guard.given_up():
            record_lost_errors("queue_overflow", given_up)

    return tell
