"""Sessions, individual and added up, become the counts that health of releases stands on."""

from collections.abc import Mapping
from typing import Final

import msgspec

from ukemi.collector.core.cardinality import Cap
from ukemi.collector.core.clock import DAY_US, SECOND_US
from ukemi.collector.core.observation import Service
from ukemi.collector.core.session import step
from ukemi.collector.core.transaction import OTHERS
from ukemi.collector.digest.family import Counts, count
from ukemi.collector.digest.observe import Routes, observe_sessions
from ukemi.collector.spool.item import SpoolItem
from ukemi.collector.store import observations, session_counts
from ukemi.collector.store.database import Tx
from ukemi.collector.store.session_counts import CountKey, Remembered
from ukemi.privacy import Rules, scrub_text
from ukemi.protocol.session import Ending, Session, read_session, read_sessions

MAX_PLACES: Final = 500
"""Pairs of environment and release per project and day; what comes later counts under `<< others >>`."""


class _Told(msgspec.Struct, frozen=True):
    item: SpoolItem
    session: Session
    environment: str
    release: str


class Sessions:
    item_types: tuple[str, ...] = ("session", "sessions")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._places = Cap(MAX_PLACES, DAY_US)
        self.begin()

    def begin(self) -> None:
        self._counts: dict[CountKey, dict[str, int]] = {}
        self._told: list[_Told] = []
        self._observed: Routes = {}

    def take(self, item: SpoolItem, counts: Counts) -> None:
        if item.item_type == "session":
            session = read_session(item.payload, item.received_us / SECOND_US)
            self._told.append(_Told(item, session, *self._place(item, session.environment, session.release)))
        else:
            sums = read_sessions(item.payload, item.received_us / SECOND_US)
            place = self._place(item, sums.environment, sums.release)
            key = (item.project_id, item.received_us, *place, item.key_kind)
            self._observe(item, *place, sums.counts)
            self._add(key, "started", sum(sums.counts.values()))
            for ending, number in sums.counts.items():
                self._add(key, ending, number)
        count(counts, item, "accepted")

    def write(self, tx: Tx, counts: Counts) -> None:  # noqa: ARG002
        if self._told:
            self._fold(tx)
        session_counts.add(tx, self._counts)
        observations.add_traffic(tx, self._observed)

    def _fold(self, tx: Tx) -> None:
        """Take the messages about individual sessions in, in the order they came."""
        known = session_counts.states(tx, {(one.item.project_id, one.session.sid) for one in self._told})
        changed: dict[tuple[int, bytes], Remembered] = {}
        for one in self._told:
            key = (one.item.project_id, one.session.sid)
            old = known.get(key)
            done = step(old.state if old else None, one.session)
            here = (one.item.project_id, one.item.received_us, one.environment, one.release, one.item.key_kind)
            if done.starts:
                self._add(here, "started", 1)
            if old and done.leaves:
                self._add((key[0], old.counted_us, old.environment, old.release, old.key_kind), done.leaves, -1)
            if done.enters:
                self._add(here, done.enters, 1)
                if not done.leaves:
                    self._observe(one.item, one.environment, one.release, {done.enters: 1})
            if old and not done.enters and not done.leaves:
                known[key] = changed[key] = msgspec.structs.replace(old, state=done.state)
            else:
                known[key] = changed[key] = Remembered(done.state, *here[1:])
        session_counts.remember(tx, changed, max(one.item.received_us for one in self._told))

    def _add(self, key: CountKey, column: str, number: int) -> None:
        row = self._counts.setdefault(key, {})
        row[column] = row.get(column, 0) + number

    def _observe(self, item: SpoolItem, environment: str, release: str, endings: Mapping[Ending, int]) -> None:
        if item.key_kind == "server":
            observe_sessions(self._observed, Service(item.project_id, environment, release), endings, item.received_us)

    def _place(self, item: SpoolItem, environment: str, release: str) -> tuple[str, str]:
        """Environment and release to count under: scrubbed, and not more different ones than allowed."""
        place = (scrub_text(environment, self._rules), scrub_text(release, self._rules))
        return place if self._places.admits(item.project_id, place, item.received_us) else (OTHERS, "")
