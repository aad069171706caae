"""Bodies of an issue's day are stored as differences from the first of them, and can always be read."""

import contextlib
import secrets

import msgspec
import pytest
import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.store import bases, bodies, check, events, issue_detail, projects, retention, schema
from ukemi.collector.store.bases import Bases
from ukemi.collector.store.database import Database
from ukemi.collector.store.projects import Project

NOW_US = 1_790_000_000_000_000
TODAY = events.day_of(NOW_US)


@pytest.fixture
def project(database: Database) -> Project:
    with database.write() as tx:
        return projects.create(tx, "Shop", NOW_US, 90, 30)


def body(number: int) -> bytes:
    lines = {f"line {line}": f"the same in all of them, {line * 7919 % 1000}" for line in range(200)}
    return msgspec.json.encode({**lines, "number": number})


def store(database: Database, ready: Bases, project: Project, numbers: range, *, issue="a", received_us=NOW_US) -> None:
    day = events.day_of(received_us)
    with database.write() as tx:
        packed = ready.pack(tx, [((project.id, issue, day), body(number)) for number in numbers])
        rows = [
            events.EventRow(
                project_id=project.id,
                received_day=day,
                id=secrets.token_bytes(16),
                issue_id=issue,
                received_us=received_us + number,
                occurred_us=received_us,
                key_kind="server",
                level="error",
                environment="production",
                release="1.0",
                title="t",
                user_key="",
                body=one,
            )
            for number, one in zip(numbers, packed, strict=True)
        ]
        events.insert(tx, rows)


def stored(database: Database) -> dict[int, bytes]:
    """By its number, what each event says."""
    with database.read() as tx:
        query = sa.select(schema.event.c.body, bases.base_body).select_from(bases.events_with_bases)
        read = [bodies.decompress(row.body, row.base_body) for row in tx.execute(query)]
    return {msgspec.json.decode(one)["number"]: one for one in read}


def sizes(database: Database) -> list[int]:
    with database.read() as tx:
        return [len(one) for one in tx.execute(sa.select(schema.event.c.body)).scalars()]


def count(database: Database, table: sa.Table) -> int:
    with database.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_what_is_alike_takes_little_and_reads_as_it_was(database: Database, project: Project) -> None:
    store(database, Bases(), project, range(50))

    assert stored(database) == {number: body(number) for number in range(50)}
    assert count(database, schema.event_base) == 1
    assert max(sizes(database)) < len(bodies.compress(body(0))) / 10


def test_each_issue_and_each_day_has_its_own(database: Database, project: Project) -> None:
    ready = Bases()
    store(database, ready, project, range(2))
    store(database, ready, project, range(2, 4), issue="b")
    store(database, ready, project, range(4, 6), received_us=NOW_US + DAY_US)

    assert count(database, schema.event_base) == 3
    assert stored(database) == {number: body(number) for number in range(6)}


def test_a_base_that_was_rolled_back_is_not_used(database: Database, project: Project) -> None:
    ready = Bases()
    key = (project.id, "a", TODAY)
    with contextlib.suppress(ZeroDivisionError), database.write() as tx:
        ready.pack(tx, [(key, body(1))])
        raise ZeroDivisionError
    store(database, ready, project, range(2, 4))

    assert stored(database) == {number: body(number) for number in (2, 3)}


def test_another_process_goes_on_with_the_base_that_is_there(database: Database, project: Project) -> None:
    store(database, Bases(), project, range(1))
    store(database, Bases(), project, range(1, 3))

    assert count(database, schema.event_base) == 1
    assert stored(database) == {number: body(number) for number in range(3)}


def test_more_issues_than_are_kept_ready(database: Database, project: Project) -> None:
    ready = Bases()
    for again in range(2):
        for number in range(70):
            numbers = range(again * 70 + number, again * 70 + number + 1)
            store(database, ready, project, numbers, issue=f"issue {number}")

    assert len(stored(database)) == 140
    assert count(database, schema.event_base) == 70


def test_short_bodies_stand_alone(database: Database, project: Project) -> None:
    with database.write() as tx:
        (packed,) = Bases().pack(tx, [((project.id, "a", TODAY), b"{}")])
    assert bodies.decompress(packed) == b"{}"
    assert count(database, schema.event_base) == 0


@pytest.mark.parametrize("base", [None, bodies.compress(b"another one")])
def test_without_its_base_a_body_says_so_instead_of_something_else(base: bytes | None) -> None:
    packed = bodies.Base(body(1)).compress(body(2))
    with pytest.raises(ValueError, match="base"):
        bodies.decompress(packed, base)


def test_the_check_finds_a_body_whose_base_is_gone(database: Database, project: Project) -> None:
    store(database, Bases(), project, range(2))
    with database.write() as tx:
        tx.execute(sa.delete(schema.event_base))
    found = {finding.check: finding.count for finding in check.check(database, None, NOW_US)}
    assert found["bodies"] == 2


def test_bases_go_with_the_events_of_their_day(database: Database, project: Project) -> None:
    store(database, Bases(), project, range(2), received_us=NOW_US - 100 * DAY_US)
    store(database, Bases(), project, range(2, 4))

    retention.apply(database, NOW_US)

    assert count(database, schema.event_base) == 1
    assert stored(database) == {number: body(number) for number in (2, 3)}


def test_bases_that_nothing_refers_to_go_when_space_is_short(database: Database, project: Project) -> None:
    store(database, Bases(), project, range(2), received_us=NOW_US - 10 * DAY_US)
    store(database, Bases(), project, range(2, 4), issue="b", received_us=NOW_US - 10 * DAY_US)
    store(database, Bases(), project, range(4, 6))
    with database.write() as tx:
        tx.execute(sa.delete(schema.event).where(schema.event.c.issue_id == "a"))
        left = tx.execute(sa.select(schema.event_base.c.issue_id).where(~bases.unused(TODAY - 1))).scalars().all()
    assert sorted(left) == ["a", "b"], "today's may be needed at any moment, another is in use"


def test_the_page_of_an_issue_reads_its_event(database: Database, project: Project) -> None:
    store(database, Bases(), project, range(3))
    with database.read() as tx:
        event = issue_detail.event(tx, project.id, "a", None)
    assert event is not None
    assert event.body == body(2)
