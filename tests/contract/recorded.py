"""
A service's life on a virtual clock, judged by the real worker: what a back-test must find again.

What befalls the service reaches the judge by one of two roads: as rows such as digest writes, or as envelopes over a
socket, through ingest, spool and digest.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec
import sqlalchemy as sa

from tests.contract.running_ingest import RunningIngest
from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.backtest import WouldBe, backtest
from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US, VirtualClock
from ukemi.collector.core.issue import Wish
from ukemi.collector.core.observation import EventCount, EventKind, Service
from ukemi.collector.core.rule_text import watch
from ukemi.collector.digest.worker import Digest
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.store import changes, incidents, issues, observations, requests, rule_states, schema
from ukemi.collector.store.database import Database
from ukemi.collector.store.history import StoredHistory
from ukemi.protocol.request_counts import Bucket, Instance, RequestCounts, RouteCount
from ukemi.protocol.vocabulary import latency_bin

RULES = rules_file.load(None)
EPISODES = (
    [("well", 0.01, 120, 0)] * 5
    + [("ailing", 0.08, 150, 0)] * 2
    + [("sick", 0.3, 200, 0), ("down", 1.0, 50, 0), ("slow", 0.0, 1800, 0), ("very slow", 0.02, 4500, 0)]
    + [("attacked", 0.0, 100, 6), ("silent", 0.0, 0, 0), ("collector is down", 0.01, 120, 0)]
)


class Road(Protocol):
    """How what happens at an instant reaches the judge."""

    def report(self, counts: RequestCounts, now_us: int) -> None: ...

    def attack(self, count: int, now_us: int) -> None:
        """So many wrong passwords."""

    def befall(self, kind: ChangeKind, number: int, domain: str, now_us: int) -> None:
        """Something befalls issue 1, 2 or 3."""


class Rows:
    """Written as digest would."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, counts: RequestCounts, now_us: int) -> None:
        with self._database.write() as tx:
            requests.add(tx, [requests.Report(1, now_us, counts.environment, counts.release, counts)])

    def attack(self, count: int, now_us: int) -> None:
        kind = EventKind("a" * 16, "warning", "auth", True, "server")
        with self._database.write() as tx:
            place = (Service(1, "production", "1.0"), "events", now_us)
            observations.add_events(tx, {place: {kind: EventCount(count, [])}})

    def befall(self, kind: ChangeKind, number: int, domain: str, now_us: int) -> None:
        detail = ChangeDetail(environment="production", tags={"domain": domain}, received_us=now_us)
        with self._database.write() as tx:
            changes.add(tx, [changes.NewChange(1, f"{number:016x}", kind, now_us, detail)])


class Sockets:
    """Sent to a running ingest, and digested from its spool."""

    def __init__(self, database: Database, ingest: RunningIngest, reader: SpoolReader, key: str) -> None:
        self._database, self._ingest, self._key = database, ingest, key
        self._digest = Digest(database, reader, b"k" * 32, batch_s=60)
        self._sent = 0

    def report(self, counts: RequestCounts, now_us: int) -> None:
        self._send("ukemi_request_counts", msgspec.json.encode(counts))

    def attack(self, count: int, now_us: int) -> None:
        for _ in range(count):
            self._event("wrong password", "warning", {"domain": "auth", "expected": "yes"})

    def befall(self, kind: ChangeKind, number: int, domain: str, now_us: int) -> None:
        """A person resolves; whatever else can befall an issue is an event."""
        if kind is not ChangeKind.RESOLVED:
            self._event(f"problem {number}", "error", {"domain": domain})
            return
        with self._database.write() as tx:
            ids = [row.id for row in tx.execute(sa.select(schema.issue.c.id).order_by(schema.issue.c.number))]
            issues.set_status(tx, 1, ids[number : number + 1], Wish("resolved"), now_us=now_us, actor="ann@example.org")

    def _event(self, name: str, level: str, tags: dict[str, str]) -> None:
        self._sent += 1
        event = {
            "event_id": f"{self._sent:032x}",
            "message": name,
            "fingerprint": [name],
            "level": level,
            "tags": tags,
            "environment": "production",
            "release": "1.0",
        }
        self._send("event", msgspec.json.encode(event))

    def _send(self, item_type: str, payload: bytes) -> None:
        head = msgspec.json.encode({"type": item_type, "length": len(payload)})
        answer = self._ingest.post(b"{}\n" + head + b"\n" + payload, f"/api/1/envelope/?sentry_key={self._key}")
        assert answer.status_code == 200
        while self._digest.step(self._ingest.clock):
            pass


class Life:
    """Two processes that serve, fail, fall silent; issues that appear and are resolved; a collector that starts anew."""

    def __init__(self, database: Database, clock: VirtualClock, seed: int, road: Road | None = None) -> None:
        self.database, self.clock = database, clock
        self._road = road or Rows(database)
        self._random = random.Random(seed)
        self._numbers = [0, 0]
        self._success_us: list[int | None] = [None, None]
        self._failures_us: list[list[int]] = [[], []]
        self.alerts = self._start()

    def _start(self) -> Alerts:
        return Alerts(self.database, RULES, {}, "https://errors.example.org")

    def live(self, hours: float, pauses_s: Sequence[float] = (2.0, 7.5, 10.0, 13.0, 20.0)) -> None:
        """
        Args:
            pauses_s: between two reports, by chance.
        """
        end_us = self.clock.now_us() + round(hours * 3600 * SECOND_US)
        while self.clock.now_us() < end_us:
            name, failing, latency_ms, attacks = self._random.choice(EPISODES)
            for _ in range(self._random.randint(5, 60)):
                self.clock.advance(self._random.choice(pauses_s))
                if name == "collector is down":
                    continue
                self._step(name, failing, latency_ms, attacks)
            if name == "collector is down":
                self.alerts = self._start()
        self.alerts.step(self.clock)

    def _step(self, name: str, failing: float, latency_ms: float, attacks: int) -> None:
        if name != "silent":
            for process in (0, 1):
                self._report(process, failing, latency_ms)
        if attacks:
            self._road.attack(self._random.randint(1, attacks), self.clock.now_us())
        if self._random.random() < 0.02:
            self._befall()
        self.alerts.step(self.clock)

    def _report(self, process: int, failing: float, latency_ms: float) -> None:
        now_us, chance = self.clock.now_us(), self._random
        requests_ = [chance.random() < failing for _ in range(chance.randint(0, 25))]
        for is_failed in requests_:
            if is_failed:
                self._failures_us[process].append(now_us - 1000)
            else:
                self._success_us[process], self._failures_us[process] = now_us - 1000, []
        failed = sum(requests_)
        self._numbers[process] += 1
        routes = [
            RouteCount("GET", "/shop", status, count, {str(latency_bin(latency_ms * chance.uniform(0.8, 1.2))): count})
            for status, count in ((200, len(requests_) - failed), (500, failed))
            if count
        ]
        success_us = self._success_us[process]
        counts = RequestCounts(
            version=1,
            instance=Instance(f"{process}a" * 16),
            environment="production",
            release="1.0",
            buckets=[Bucket(self._numbers[process], 1000, routes)],
            since_request_ms=1 if requests_ else None,
            since_success_ms=None if success_us is None else (now_us - success_us) // 1000,
            failures_ms=[(now_us - at_us) // 1000 for at_us in self._failures_us[process][-50:]],
        )
        self._road.report(counts, now_us)

    def _befall(self) -> None:
        now_us = self.clock.now_us()
        kind = self._random.choice([ChangeKind.NEW, ChangeKind.EVENT, ChangeKind.REGRESSED, ChangeKind.RESOLVED])
        domain = self._random.choice(["payment", "subscription", "search"])
        self._road.befall(kind, self._random.randint(1, 3), domain, now_us)

    def opened(self) -> list[tuple[object, ...]]:
        """The incidents that live evaluation opened."""
        with self.database.read() as tx:
            return sorted(
                (
                    one.rule,
                    tuple(rule_states.read_labels(one.labels).items()),
                    one.opened_us,
                    one.closed_us,
                    one.closed_reason,
                )
                for one in incidents.recent(tx, 100_000)
            )

    def replayed(self) -> list[tuple[object, ...]]:
        """Those that a back-test finds."""
        return sorted(map(_told, self._backtest()))

    def _backtest(self) -> Iterator[WouldBe]:
        with self.database.read() as tx:
            watched = watch(RULES.rules, [])
            history = StoredHistory(tx, watched)
            yield from backtest(watched, history, history.begin_us(), self.clock.now_us())


def _told(one: WouldBe) -> tuple[object, ...]:
    return (one.rule, one.labels, one.opened_us, one.closed_us, one.closed_because)
