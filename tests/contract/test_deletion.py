"""One issue is deleted: all of it, nothing else, in steps, and the accounting says so. On both databases, the real way in."""

import threading
import time
from collections.abc import Callable

import msgspec
import pytest
import sqlalchemy as sa

from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.worker import Digest
from ukemi.collector.spool.item import ItemContext
from ukemi.collector.store import bases, bodies, check, deletions, events, issue_list, notifications, outcomes, schema
from ukemi.collector.store.database import Database
from ukemi.collector.store.deletions import SETTLE_US
from ukemi.collector.store.errors import NotFound
from ukemi.collector.store.steps import STEP_ROWS
from ukemi.protocol.vocabulary import REQUEST_COUNTS_ITEM

CANARY = "opensesame"
SENT = {1: 4, 2: 3}
"""Events of each issue at first; the one with more is the likely cause of the error rate."""
CHANNEL = {"UKEMI_WEBHOOK_URL": "http://127.0.0.1:1/", "UKEMI_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
RULES = rules_file.load(None)
RULES = msgspec.structs.replace(RULES, severities={severity: ["webhook"] for severity in RULES.severities})


def failure(kind: str, value: str) -> dict[str, object]:
    frame = {"module": "shop.door", "function": kind, "in_app": True, "vars": {"word": value}}
    return {
        "exception": {"values": [{"type": kind, "value": value, "stacktrace": {"frames": [frame]}}]},
        "platform": "python",
        "environment": "production",
        "tags": {"word": value},
        "user": {"id": value},
        "transaction": f"/open/{value}",
    }


COUNTS = {
    "version": 1,
    "instance": {"id": "ab" * 16, "pid": 17, "server_name": "web-1"},
    "started_ms_ago": 60000,
    "environment": "production",
    "release": "",
    "buckets": [
        {
            "sequence": 1,
            "age_ms": 0,
            "routes": [
                {"method": "GET", "route": "/pay", "status": status, "count": 50, "latency": {"5": 50}}
                for status in (200, 500)
            ],
        }
    ],
    "since_success_ms": 1,
}


class Stages:
    """Digest and alerts as a worker runs them, and a channel that takes everything."""

    def __init__(self, database: Database, digest: Digest, clock: VirtualClock) -> None:
        self.database, self.digest, self.clock = database, digest, clock
        self.alerts = Alerts(database, RULES, CHANNEL, "https://errors.example.org")

    def step(self, seconds: float = 0) -> None:
        self.clock.advance(seconds)
        while self.digest.step(self.clock):
            pass
        self.alerts.step(self.clock)

    def deliver(self) -> list[tuple[str, str]]:
        """Reason and title of what was told."""
        told = []
        with self.database.write() as tx:
            while due := notifications.due(tx, self.clock.now_us(), 100):
                for one in due:
                    notifications.delivered(tx, one, "", self.clock.now_us())
                    told.append((one.reason.value, one.content.title))
        return told

    def delete(self) -> int:
        """Take steps of the deletion until there is nothing to do at present; returns the most rows of one."""
        most = 0
        while rows := deletions.step(self.database, self.clock.now_us()):
            most = max(most, rows)
        return most


@pytest.fixture
def stages(project: object, database: Database, digest: Digest, clock: VirtualClock) -> Stages:
    return Stages(database, digest, clock)


def numbers(database: Database) -> list[int]:
    with database.read() as tx:
        return sorted(tx.execute(sa.select(schema.issue.c.number)).scalars())


def issue_id(database: Database, number: int) -> str:
    with database.read() as tx:
        return tx.execute(sa.select(schema.issue.c.id).where(schema.issue.c.number == number)).scalar_one()


def ask(database: Database, number: int, now_us: int) -> str:
    found = issue_id(database, number)
    with database.write() as tx:
        deletions.ask(tx, 1, found, now_us=now_us, actor="owner@example.org")
    return found


def places_of(database: Database, text: str) -> set[str]:
    """table.column of all that the database says `text` in, bodies unpacked."""

    def holds(table: str, name: str, value: object) -> bool:
        if isinstance(value, bytes):
            is_packed = name == "body" and table in ("event_base", "attachment")
            return text.encode() in (bodies.decompress(value) if is_packed else value)
        return text in str(value)

    with database.read() as tx:
        packed = tx.execute(sa.select(schema.event.c.body, bases.base_body).select_from(bases.events_with_bases)).all()
        return {"event.body" for row in packed if text.encode() in bodies.decompress(row.body, row.base_body)} | {
            f"{table.name}.{name}"
            for table in schema.metadata.tables.values()
            for row in tx.execute(sa.select(table)).mappings()
            for name, value in row.items()
            if holds(table.name, name, value)
        }


@pytest.fixture
def two_issues(stages: Stages, database: Database, spool: Callable, clock: VirtualClock) -> None:
    """
    The first holds the canary wherever an issue can, and caused an alert on the error rate; the second is as any other.

    Both have more events than go in one step.
    """
    stages.step()
    clock.advance(1)
    now = {"received_us": clock.now_us()}
    header = {"filename": "a.txt", "content_type": "text/plain"}
    attached = msgspec.json.encode(ItemContext(item_header=msgspec.Raw(msgspec.json.encode(header))))
    for number, (kind, value) in enumerate((("Secret", CANARY), ("Ordinary", "as any other")), 1):
        event_id = f"{number:032x}"
        for extra in range(SENT[number]):
            spool("event", failure(kind, value), event_id=f"{number + 10 * extra:032x}", **now)
        spool("attachment", value.encode(), event_id=event_id, context=attached, **now)
        said = {"contexts": {"feedback": {"message": value, "associated_event_id": event_id}}}
        spool("feedback", said, event_id=f"{number + 100:032x}", **now)
    spool(REQUEST_COUNTS_ITEM, COUNTS, **now)
    stages.step()
    stages.step(10)
    with database.write() as tx:
        for number in (1, 2):
            row = tx.execute(sa.select(schema.event).where(schema.event.c.id == bytes.fromhex(f"{number:032x}"))).one()
            first = events.EventRow(**{name: row._mapping[name] for name in events.EventRow.__struct_fields__})
            more = range(number * 10_000, number * 10_000 + STEP_ROWS * 2)
            events.insert(tx, [msgspec.structs.replace(first, id=n.to_bytes(16)) for n in more])
            minute_us = first.received_us - first.received_us % 60_000_000
            outcomes.add(tx, {(1, minute_us, "error", "accepted", ""): len(more)})
            both = sa.and_(schema.issue.c.project_id == 1, schema.issue.c.number == number)
            tx.execute(sa.update(schema.issue).where(both).values(event_count=len(more) + SENT[number]))
            mine = (schema.rollup.c.issue_id == first.issue_id, schema.rollup.c.width_s == 86400)
            tx.execute(sa.update(schema.rollup).where(*mine).values(event_count=len(more) + SENT[number]))


@pytest.mark.usefixtures("two_issues")
def test_all_of_it_goes_and_nothing_else_and_the_accounting_says_so(
    database: Database, stages: Stages, clock: VirtualClock, totals: Callable
) -> None:
    told = stages.deliver()
    assert ("opened", f"SHOP-1: Secret: {CANARY}") in told
    assert {
        "event.body",
        "attachment.body",
        "feedback.message",
        "issue.title",
        "issue_tag.value",
        "issue_user.user_key",
    } <= (places_of(database, CANARY))
    assert {"incident.title", "incident_change.because", "notification.content", "change.detail"} <= places_of(
        database, CANARY
    )
    others = places_of(database, "as any other")
    assert check.check(database, None, clock.now_us()) == []

    ask(database, 1, clock.now_us())

    assert numbers(database) == [2], "it is off the pages at once"
    with database.read() as tx:
        assert [row.name for row in issue_list.find(tx, issue_list.Search(), clock.now_us())[0]] == ["SHOP-2"]
    assert stages.delete() <= STEP_ROWS + 3, "a step is small, however much there is"
    assert check.check(database, None, clock.now_us()) == [], "and all is well while it is at work"
    stages.step(1)
    assert stages.deliver().count(("closed", f"SHOP-1: Secret: {CANARY}")) == 1, "who was told that it opened is told"
    stages.delete()
    stages.step(SETTLE_US / 1e6)
    stages.delete()

    assert places_of(database, CANARY) == set()
    assert places_of(database, "as any other") >= others
    with database.read() as tx:
        (deletion,) = deletions.latest(tx, 1)
    assert (deletion.number, deletion.actor, deletion.event_count) == (1, "owner@example.org", STEP_ROWS * 2 + SENT[1])
    assert deletion.done_us is not None
    assert totals()["error", "not_kept", "deleted"] == STEP_ROWS * 2 + SENT[1]
    assert totals()["error", "accepted", ""] == STEP_ROWS * 2 + SENT[2]
    assert check.check(database, None, clock.now_us()) == []
    assert stages.delete() == 0


@pytest.mark.usefixtures("two_issues")
def test_the_alert_that_it_caused_stays_without_it(database: Database, stages: Stages, clock: VirtualClock) -> None:
    """Its numbers are about requests; only what it says of the issue goes."""
    gone = ask(database, 1, clock.now_us())
    for seconds in (0, 1, 10):
        stages.step(seconds)
        stages.deliver()
        stages.delete()

    with database.read() as tx:
        c = schema.incident.c
        rate = tx.execute(sa.select(schema.incident).where(c.rule == "high error rate")).one()
        assert (
            tx.execute(sa.select(sa.func.count()).select_from(schema.incident).where(c.issue_id == gone)).scalar() == 0
        )
        contents = [
            msgspec.json.decode(text, type=notifications.Content)
            for text in tx.execute(
                sa.select(schema.notification.c.content).where(schema.notification.c.incident_id == rate.id)
            ).scalars()
        ]
    assert rate.cause_issue_id != gone
    assert contents
    assert all(gone not in line.link for one in contents for line in one.blast_radius.samples if one.blast_radius)


@pytest.mark.usefixtures("two_issues")
def test_what_happens_again_is_a_new_issue(
    database: Database, stages: Stages, spool: Callable, clock: VirtualClock
) -> None:
    ask(database, 1, clock.now_us())
    spool("event", failure("Secret", "harmless"), event_id=f"{999:032x}", received_us=clock.now_us())
    stages.step()
    stages.delete()
    assert numbers(database) == [2, 3]
    assert check.check(database, None, clock.now_us()) == []


@pytest.mark.usefixtures("two_issues")
def test_an_event_that_digest_filed_there_meanwhile_goes_too(
    database: Database, stages: Stages, clock: VirtualClock
) -> None:
    """On PostgreSQL a batch may have looked up the issue before it went, and be written after."""
    gone = ask(database, 1, clock.now_us())
    stages.delete()
    with database.write() as tx:
        row = tx.execute(sa.select(schema.event).limit(1)).one()
        late = events.EventRow(**{name: row._mapping[name] for name in events.EventRow.__struct_fields__})
        events.insert(tx, [msgspec.structs.replace(late, id=b"L" * 16, issue_id=gone)])
        outcomes.add(tx, {(1, late.received_us - late.received_us % 60_000_000, "error", "accepted", ""): 1})
    for seconds in (0, 1, 10, 10):
        stages.step(seconds)
        stages.deliver()
        stages.delete()
    with database.read() as tx:
        (deletion,) = deletions.latest(tx, 1)
    assert (deletion.event_count, deletion.done_us is None) == (STEP_ROWS * 2 + SENT[1] + 1, False)
    assert check.check(database, None, clock.now_us()) == []


@pytest.mark.usefixtures("two_issues")
def test_it_waits_until_the_channel_was_told(database: Database, stages: Stages, clock: VirtualClock) -> None:
    """Else PagerDuty would be left with an incident that nothing ever closes."""
    stages.deliver()
    ask(database, 1, clock.now_us())
    for _ in range(3):
        stages.step(20)
        stages.delete()
    with database.read() as tx:
        assert deletions.latest(tx, 1)[0].done_us is None
    assert ("closed", f"SHOP-1: Secret: {CANARY}") in stages.deliver()
    stages.delete()
    with database.read() as tx:
        assert deletions.latest(tx, 1)[0].done_us == clock.now_us()


def test_what_is_not_there_cannot_be_deleted(database: Database, project: object, now_us: int) -> None:
    with database.write() as tx, pytest.raises(NotFound):
        deletions.ask(tx, 1, "ab" * 8, now_us=now_us, actor="owner@example.org")
    with database.read() as tx:
        assert deletions.latest(tx, 1) == []


@pytest.mark.usefixtures("two_issues")
def test_two_workers_at_once_count_each_event_once(database: Database, stages: Stages, clock: VirtualClock) -> None:
    ask(database, 1, clock.now_us())
    failures: list[Exception] = []

    def work() -> None:
        try:
            until_s = time.monotonic() + 20
            while deletions.step(database, clock.now_us()) and time.monotonic() < until_s:
                pass
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stages.delete()
    assert failures == []
    with database.read() as tx:
        assert deletions.latest(tx, 1)[0].event_count == STEP_ROWS * 2 + SENT[1]
