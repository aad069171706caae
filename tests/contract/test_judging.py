"""Who judges: one worker at a time, each tick once, and what comes late counts in the next tick."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.clock import SECOND_US, VirtualClock
from ukemi.collector.core.observation import TICK_US, Service, request
from ukemi.collector.core.rule_text import Document, write_rule
from ukemi.collector.digest.worker import BATCH_ITEMS, Digest
from ukemi.collector.spool.item import SpoolItem
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import incidents, judging, observations, rules, schema
from ukemi.collector.store.database import Database
from ukemi.protocol.vocabulary import REQUEST_COUNTS_ITEM

RULES = rules_file.load(None)
SHOP = Service(1, "production", "1.0")


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """A second worker's own connections to the same database."""
    opened = Database(database.url.render_as_string(hide_password=False))
    yield opened
    opened.close()


def alerts_of(database: Database) -> Alerts:
    return Alerts(database, RULES, {}, "https://errors.example.org")


def served(database: Database, received_us: int, good: int = 0, bad: int = 0) -> None:
    with database.write() as tx:
        for count, failed in ((good, False), (bad, True)):
            if count:
                place = (SHOP, "requests", received_us)
                observations.add_traffic(tx, {place: {"GET /": request({200: count}, count=count, failed=failed)}})


def opened(database: Database) -> list[tuple[str, int]]:
    with database.read() as tx:
        return [(one.rule, one.opened_us) for one in incidents.recent(tx, 10)]


def test_a_rate_is_judged_when_its_ten_seconds_are_over(
    database: Database, project: object, clock: VirtualClock
) -> None:
    alerts = alerts_of(database)
    alerts.step(clock)
    served(database, clock.now_us() + SECOND_US, good=60, bad=40)
    clock.advance(9.9)
    alerts.step(clock)
    assert opened(database) == []

    clock.advance(0.1)
    alerts.step(clock)

    assert opened(database) == [("high error rate", clock.now_us())]


def counts(good: int, bad: int, **fields: object) -> dict[str, object]:
    """What an SDK reports of one route."""
    routes = [
        {"method": "GET", "route": "/pay/{id}", "status": status, "count": count, "latency": {"5": count}}
        for status, count in ((200, good), (500, bad))
        if count
    ]
    return {
        "version": 1,
        "instance": {"id": "ab" * 16, "pid": 17, "server_name": "web-1"},
        "started_ms_ago": 60000,
        "environment": "production",
        "release": "1.0",
        "buckets": [{"sequence": 1, "age_ms": 0, "routes": routes}],
        **fields,
    }


@pytest.mark.parametrize(
    ("rule", "report"),
    [
        ("high error rate", counts(60, 40, since_success_ms=1)),
        ("API downtime", counts(0, 10, failures_ms=list(range(100, 0, -10)), failure_count=10)),
    ],
)
def test_alerts_on_rates_and_runs_do_not_wait_for_the_events_that_came_before(
    database: Database,
    project: object,
    digest: Digest,
    spool_writer: SpoolWriter,
    spool_item: Callable[..., SpoolItem],
    clock: VirtualClock,
    rule: str,
    report: dict[str, object],
) -> None:
    """Three batches of events wait; what requests say came last, and is judged while most of them still do."""
    alerts = alerts_of(database)
    alerts.step(clock)
    clock.advance(1)
    received = {"received_us": clock.now_us()}
    events = [
        spool_item("event", {"message": "slow"}, event_id=f"{number:032x}", **received)
        for number in range(1, 3 * BATCH_ITEMS + 1)
    ]
    asyncio.run(spool_writer.append([*events, spool_item(REQUEST_COUNTS_ITEM, report, **received)]))

    digest.step(clock)
    clock.advance(9)
    alerts.step(clock)

    with database.read() as tx:
        stored = tx.execute(sa.select(sa.func.count()).select_from(schema.event)).scalar()
    assert stored == BATCH_ITEMS
    assert rule in [name for name, _ in opened(database)]


def test_what_comes_late_counts_in_the_next_tick(
    database: Database, project: object, clock: VirtualClock, now_us: int
) -> None:
    """A tick that was judged never changes, or a back-test would see what live evaluation did not."""
    alerts = alerts_of(database)
    alerts.step(clock)
    clock.advance(10)
    alerts.step(clock)

    served(database, now_us + SECOND_US, good=5)

    with database.read() as tx:
        (row,) = observations.between(tx, 0, now_us + 100 * SECOND_US)
    assert row.tick_us == now_us + 2 * TICK_US


def test_of_two_workers_one_judges_and_the_other_takes_over(
    database: Database, other: Database, project: object, clock: VirtualClock
) -> None:
    if database.is_sqlite:
        assert database.lead("judge")
        assert other.lead(
            "judge"
        )  # there is one worker on a file; were there two, the row of `judging` keeps them apart
        return
    first, second = alerts_of(database), alerts_of(other)
    for _ in range(3):
        clock.advance(10)
        served(database, clock.now_us() - SECOND_US, good=60, bad=40)
        first.step(clock)
        second.step(clock)
    assert [rule for rule, _ in opened(database)] == ["high error rate"]
    with database.write() as tx:
        judge = judging.take(tx).judge

    database.close()  # as when its process is killed: the server ends its session
    clock.advance(10)
    second.step(clock)

    with other.write() as tx:
        taken = judging.take(tx)
        evaluations = tx.execute(sa.select(sa.func.count()).select_from(schema.evaluation)).scalar()
    assert taken.judge != judge
    assert taken.tick_us == clock.now_us()
    assert [rule for rule, _ in opened(other)] == ["high error rate"]
    assert evaluations == 1


def test_two_workers_that_both_think_they_lead_judge_each_tick_once(
    database: Database, other: Database, project: object, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that slept through its successor's rise finds another's name in the row and begins anew."""
    monkeypatch.setattr(Database, "lead", lambda *_: True)
    first, second = alerts_of(database), alerts_of(other)
    for _ in range(20):
        clock.advance(10)
        served(database, clock.now_us() - SECOND_US, good=60, bad=40)
        for alerts in (first, second, first):
            alerts.step(clock)

    with database.read() as tx:
        changed = tx.execute(sa.select(schema.evaluation.c.at_us, schema.evaluation.c.state)).all()
    assert len(opened(database)) == 1
    assert len(changed) == len(set(changed))


def test_a_rule_of_a_project_stands_in_for_the_files_at_once(
    database: Database, project: object, clock: VirtualClock
) -> None:
    alerts = alerts_of(database)
    alerts.step(clock)
    rule = next(rule for rule in RULES.rules if rule.name == "high error rate")
    off = write_rule(type(rule)(rule.name, rule.severity, rule.when, enabled=False))
    with database.write() as tx:
        rules.put(tx, Document(1, rule.name, off))
    served(database, clock.now_us() + SECOND_US, good=60, bad=40)
    clock.advance(10)
    alerts.step(clock)
    assert opened(database) == []

    with database.write() as tx:
        rules.delete(tx, 1, rule.name)
    clock.advance(10)
    alerts.step(clock)
    assert [name for name, _ in opened(database)] == ["high error rate"]


def test_after_a_long_pause_judging_goes_on_with_the_present(
    database: Database, project: object, clock: VirtualClock, now_us: int
) -> None:
    alerts_of(database).step(clock)
    clock.advance(3600)

    alerts_of(database).step(clock)

    with database.write() as tx:
        assert judging.take(tx).tick_us == clock.now_us()
        assert judging.pauses(tx, now_us)[-1] == judging.Pause(now_us, clock.now_us())
        assert judging.listening_since(tx, clock.now_us()) == clock.now_us()
