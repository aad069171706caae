"""What was kept of the past, as a back-test reads it."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from ukemi.collector.core.clock import HOUR_US
from ukemi.collector.core.evaluate import Seen
from ukemi.collector.core.failure_run import ServiceSeen
from ukemi.collector.core.judge import Watched, longest_us
from ukemi.collector.core.observation import Observation
from ukemi.collector.store import changes, judging, observations
from ukemi.collector.store.database import Tx
from ukemi.collector.store.judging import Pause

_BLOCK_US = 6 * HOUR_US


class StoredHistory:
    """`core.backtest.History` of a database, while one transaction reads it."""

    def __init__(self, tx: Tx, watched: Sequence[Watched]) -> None:
        """
        Args:
            watched: the rules that will be judged on it; their longest window says how much is kept in memory.
        """
        self._tx, self._keep_us = tx, longest_us(watched)
        self._read: list[Observation] = []
        self._read_after_us: int | None = None
        self._read_until_us = 0

    def begin_us(self) -> int:
        return judging.begin(self._tx)

    def pauses(self, after_us: int) -> Sequence[Pause]:
        return judging.pauses(self._tx, after_us)

    def listening_since_us(self, at_us: int) -> int:
        return judging.listening_since(self._tx, at_us)

    def services_at(self, at_us: int) -> dict[tuple[int, str], ServiceSeen]:
        return observations.services_at(self._tx, at_us)

    def services(self, after_us: int, until_us: int) -> Sequence[tuple[int, Mapping[tuple[int, str], ServiceSeen]]]:
        return observations.services_between(self._tx, after_us, until_us)

    def changes(self, after_us: int, until_us: int) -> Sequence[tuple[int, Mapping[tuple[int, str], Sequence[Seen]]]]:
        found = []
        for at_us, claimed in changes.claimed_between(self._tx, after_us, until_us):
            by_issue: dict[tuple[int, str], list[Seen]] = {}
            for one in claimed:
                by_issue.setdefault((one.project_id, one.issue_id), []).append(Seen(one.kind, one.at_us, one.detail))
            found.append((at_us, by_issue))
        return found

    def observations(self, after_us: int, until_us: int) -> Sequence[Observation]:
        """Read in blocks, for each tick is asked for when it comes and once more for each window that it leaves."""
        if self._read_after_us is None or after_us < self._read_after_us:
            self._read, self._read_after_us, self._read_until_us = [], after_us, after_us
        if until_us > self._read_until_us:
            oldest_us = until_us - self._keep_us - _BLOCK_US
            self._read = self._read[bisect_right(self._read, oldest_us, key=_tick) :]
            self._read_after_us = max(self._read_after_us, oldest_us)
            block_us = max(until_us, self._read_until_us + _BLOCK_US)
            self._read += observations.between(self._tx, self._read_until_us, block_us)
            self._read_until_us = block_us
        return self._read[bisect_right(self._read, after_us, key=_tick) : bisect_right(self._read, until_us, key=_tick)]


def _tick(observation: Observation) -> int:
    return observation.tick_us
