"""Digest between a real spool and both databases: what was spooled is stored, scrubbed, once."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.core.fingerprint import VERSIONS
from ukemi.collector.core.grouping_v1 import Grouped, Part
from ukemi.collector.core.issue import Wish
from ukemi.collector.core.outcome import OutcomeCount
from ukemi.collector.digest.worker import BATCH_ITEMS, Digest
from ukemi.collector.spool.item import OUTCOMES_ITEM, SpoolItem
from ukemi.collector.spool.look import Waiting, look
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import changes, issue_detail, issues, projects, schema
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.errors import Unreachable
from ukemi.collector.store.projects import Project
from ukemi.protocol.event import Event
from ukemi.protocol.vocabulary import REPEATS_ITEM, REQUEST_COUNTS_ITEM

HASH_KEY = b"k" * 32
SpoolBuilder = Callable[..., SpoolItem]
Spool = Callable[..., None]

pytestmark = pytest.mark.usefixtures("project")


def event_id(number: int) -> str:
    return f"{number:032x}"


def failure(kind: str = "ValueError", function: str = "pay", **fields: object) -> dict[str, object]:
    """An event with one exception that was raised in `function`."""
    frame = {"module": "shop.checkout", "function": function, "filename": "shop/checkout.py", "in_app": True}
    thrown = {"type": kind, "value": "card declined", "stacktrace": {"frames": [frame]}}
    return {"exception": {"values": [thrown]}, "platform": "python", **fields}


def stored(database: Database, table: sa.Table, *columns: str) -> list[tuple]:
    """The rows of a table, sorted; all columns when none is named."""
    with database.read() as tx:
        return sorted(
            tuple(row) for row in tx.execute(sa.select(*(table.c[name] for name in columns or table.c.keys())))
        )


def bodies_of(database: Database) -> dict[str, dict]:
    """The stored events by id, decoded."""
    with database.read() as tx:
        rows = tx.execute(sa.select(schema.event.c.issue_id, schema.event.c.id)).all()
        found = [issue_detail.event(tx, 1, row.issue_id, row.id.hex()) for row in rows]
    return {one.line.id: msgspec.json.decode(one.body) for one in found if one}


def everything(database: Database) -> str:
    """All columns of all tables as one text, event bodies decoded."""
    rows = [row for table in schema.metadata.tables.values() for row in stored(database, table)]
    return repr(rows) + msgspec.json.encode(bodies_of(database)).decode()


# --- once -------------------------------------------------------------------------------------------------------------


def test_an_event_becomes_an_issue(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int, totals: Callable
) -> None:
    spool("event", failure(tags={"tier": "gold"}, user={"id": "7"}, release="1.0"), event_id=event_id(1))
    assert digest.step(clock) == 1
    assert stored(database, schema.issue, "number", "status", "title", "culprit", "event_count", "user_count") == [
        (1, "open", "ValueError: card declined", "shop.checkout in pay", 1, 1)
    ]
    assert stored(database, schema.event, "id", "received_us", "environment", "release", "user_key") == [
        (bytes.fromhex(event_id(1)), now_us, "production", "1.0", "id:7")
    ]
    assert ("tier", "gold", 1) in stored(database, schema.issue_tag, "key", "value", "event_count")
    assert stored(database, schema.rollup, "width_s", "event_count") == [(60, 1), (3600, 1), (86400, 1)]
    assert stored(database, schema.change, "kind") == [("new",)]
    assert totals() == {("error", "accepted", ""): 1}


def test_the_spool_is_empty_once_its_items_are_stored(
    digest: Digest, spool: Spool, spool_path: Path, clock: VirtualClock
) -> None:
    spool("event", failure(), event_id=event_id(1))
    spool("client_report", {"discarded_events": []})
    assert digest.step(clock) == 2
    assert look(spool_path) == Waiting(0, 0)
    assert digest.step(clock) == 0


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_the_same_event_twice_is_stored_once(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable, is_one_batch: bool
) -> None:
    """A client that got no answer sends again."""
    spool("event", failure(), event_id=event_id(1))
    if not is_one_batch:
        digest.step(clock)
    spool("event", failure(), event_id=event_id(1))
    digest.step(clock)
    assert stored(database, schema.issue, "event_count") == [(1,)]
    assert len(stored(database, schema.event)) == 1
    assert totals() == {("error", "accepted", ""): 1, ("error", "duplicate", "event_id"): 1}


def test_one_event_id_in_two_projects_is_two_events(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 90, 30)
    spool("event", failure(), event_id=event_id(1))
    spool("event", failure(), event_id=event_id(1), project_id=other.id)
    digest.step(clock)
    assert stored(database, schema.issue, "project_id", "number", "event_count") == [(1, 1, 1), (other.id, 1, 1)]


def test_more_than_a_batch_is_stored_whole(
    database: Database, digest: Digest, spool_writer: SpoolWriter, spool_item: SpoolBuilder, clock: VirtualClock
) -> None:
    items = [spool_item("event", failure(), event_id=event_id(number)) for number in range(BATCH_ITEMS + 10)]
    asyncio.run(spool_writer.append(items))
    steps = []
    while taken := digest.step(clock):
        steps.append(taken)
    assert sum(steps) == BATCH_ITEMS + 10
    assert len(steps) > 1
    assert stored(database, schema.issue, "event_count") == [(BATCH_ITEMS + 10,)]


# --- a transaction that fails -----------------------------------------------------------------------------------------


def test_a_transaction_that_fails_leaves_all_to_the_next_try(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    """The table of outcomes is away, so the database itself refuses the batch, after it wrote the events."""
    digest.step(clock)
    spool("event", failure(), event_id=event_id(1))
    spool("event", failure(), event_id=event_id(2))
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE outcome RENAME TO away"))
    with pytest.raises(sa.exc.SQLAlchemyError):
        digest.step(clock)
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE away RENAME TO outcome"))
    tables = (schema.event, schema.issue, schema.change, schema.outcome, schema.spool_cursor)
    assert [stored(database, table) for table in tables] == [[]] * len(tables)
    assert digest.step(clock) == 2
    assert stored(database, schema.issue, "project_id", "event_count") == [(1, 2)]
    assert totals() == {("error", "accepted", ""): 2}


class OftenAway(Database):
    """A database that does not answer while it starts anew."""

    is_away = False

    @contextmanager
    def read(self) -> Iterator[Tx]:
        if self.is_away:
            raise Unreachable("The database system is starting up.")
        with super().read() as tx:
            yield tx


@pytest.mark.parametrize("item_type", ["event", "transaction"])
def test_a_database_that_is_away_costs_no_item(
    database_url: str,
    project: Project,
    spool_reader: SpoolReader,
    spool: Spool,
    clock: VirtualClock,
    totals: Callable,
    item_type: str,
) -> None:
    """It may be back when the batch is written; what could not be looked up by then was acknowledged all the same."""
    database = OftenAway(database_url)
    digest = Digest(database, spool_reader, HASH_KEY, batch_s=60)
    if item_type == "transaction":  # then the project is known, and what is looked up are the examples that are kept
        spool("client_report", {"discarded_events": []})
        digest.step(clock)
    trace = {"trace_id": "a" * 32, "span_id": "b" * 16, "op": "http.server"}
    transaction = {"type": "transaction", "transaction": "/pay", "start_timestamp": 1.0, "timestamp": 2.0}
    payload = failure() if item_type == "event" else {**transaction, "contexts": {"trace": trace}}
    spool(item_type, payload, event_id=event_id(1))

    database.is_away = True
    with pytest.raises(Unreachable):
        digest.step(clock)
    database.is_away = False
    digest.step(clock)

    database.close()
    category = "error" if item_type == "event" else "transaction"
    assert totals()[category, "accepted", ""] == 1
    assert not [key for key in totals() if key[1] == "invalid"]


def test_an_item_of_a_project_that_is_gone_costs_only_itself(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    """An older backup was restored, and the spool remembers a project that it does not have."""
    spool("event", failure(), event_id=event_id(1), project_id=2)
    spool("event", failure(), event_id=event_id(2))
    digest.step(clock)
    assert stored(database, schema.issue, "project_id", "event_count") == [(1, 1)]
    assert totals() == {("error", "accepted", ""): 1}


def test_what_was_committed_but_not_trimmed_is_not_stored_again(
    database: Database, digest: Digest, spool: Spool, spool_path: Path, clock: VirtualClock, totals: Callable
) -> None:
    """A crash right after the commit: the next process reads on from the cursor, whatever still lies in the spool."""
    report = {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 3}]}
    reader = SpoolReader(spool_path)
    reader.trim = lambda lane, upto: None  # the process died before it came to this
    dying = Digest(database, reader, HASH_KEY, batch_s=60)
    spool("client_report", report)
    spool("event", failure(), event_id=event_id(1))
    assert dying.step(clock) == 2
    reader.close()
    reborn = SpoolReader(spool_path)
    assert look(spool_path).items == 2
    assert Digest(database, reborn, HASH_KEY, batch_s=60).step(clock) == 0
    reborn.close()
    assert totals() == {("error", "accepted", ""): 1, ("error", "lost", "queue_overflow"): 3}


# --- issues -----------------------------------------------------------------------------------------------------------


def test_events_of_one_problem_are_one_issue_and_others_are_not(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock
) -> None:
    for number, event in enumerate([failure(), failure(), failure("KeyError"), failure(function="refund")]):
        spool("event", event, event_id=event_id(number))
        digest.step(clock)
    assert stored(database, schema.issue, "number", "event_count") == [(1, 2), (2, 1), (3, 1)]
    assert stored(database, schema.change, "kind") == [("event",), ("new",), ("new",), ("new",)]


def test_an_event_of_a_resolved_issue_is_a_regression(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    """Two more events: the first brings the issue back, the second is an ordinary one."""
    spool("event", failure(), event_id=event_id(1))
    digest.step(clock)
    with database.write() as tx:
        ((issue_id,),) = tx.execute(sa.select(schema.issue.c.id)).all()
        issues.set_status(tx, 1, [issue_id], Wish("resolved"), now_us=now_us, actor="owner@example.org")
        changes.claim(tx, 10, now_us)
    spool("event", failure(), event_id=event_id(2))
    spool("event", failure(), event_id=event_id(3))
    digest.step(clock)
    with database.write() as tx:
        assert issues.standings(tx, {(1, issue_id)})[1, issue_id].status == "open"
        assert [change.kind for change in changes.claim(tx, 10, now_us)] == [ChangeKind.REGRESSED, ChangeKind.EVENT]


def test_an_issue_resolved_in_the_next_release_comes_back_only_with_a_newer_one(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    """Old processes go on reporting it until they are replaced: that is no news."""
    spool("event", failure(release="shop@1.9"), event_id=event_id(1))
    digest.step(clock)
    with database.write() as tx:
        ((issue_id,),) = tx.execute(sa.select(schema.issue.c.id)).all()
        wish = Wish("resolved", release="next")
        issues.set_status(tx, 1, [issue_id], wish, now_us=now_us, actor="owner@example.org")
        changes.claim(tx, 10, now_us)
    for number, release in enumerate(("shop@1.9", "shop@1.8", ""), 2):
        spool("event", failure(release=release), event_id=event_id(number))
    digest.step(clock)
    assert stored(database, schema.issue, "status", "event_count") == [("resolved", 4)]
    with database.write() as tx:
        assert changes.claim(tx, 10, now_us) == []

    spool("event", failure(release="shop@1.10"), event_id=event_id(9))
    digest.step(clock)

    with database.write() as tx:
        (change,) = changes.claim(tx, 10, now_us)
    assert (change.kind, change.detail.release) == (ChangeKind.REGRESSED, "shop@1.10")
    assert stored(database, schema.issue, "status", "condition", "first_release", "last_release") == [
        ("open", "{}", "shop@1.9", "shop@1.10")
    ]


def test_a_release_is_first_seen_with_its_first_event(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    for number, (release, later_us) in enumerate([("b", 0), ("a", 5), ("b", 9), ("", 11)], 1):
        spool("event", failure(release=release), event_id=event_id(number), received_us=now_us + later_us)
    digest.step(clock)
    spool("event", failure(release="a"), event_id=event_id(8), received_us=now_us + 20)
    digest.step(clock)

    names = stored(database, schema.release, "name", "first_seen_us", "last_seen_us")
    assert names == [("a", now_us + 5, now_us + 20), ("b", now_us, now_us)]


def test_a_mute_for_some_events_ends_with_the_one_after_them(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    """Also in the middle of a batch."""
    spool("event", failure(), event_id=event_id(1))
    digest.step(clock)
    with database.write() as tx:
        ((issue_id,),) = tx.execute(sa.select(schema.issue.c.id)).all()
        issues.set_status(tx, 1, [issue_id], Wish("muted", events=2), now_us=now_us, actor="owner@example.org")
        changes.claim(tx, 10, now_us)
    for number in (2, 3, 4, 5):
        spool("event", failure(), event_id=event_id(number))
    digest.step(clock)

    with database.write() as tx:
        claimed = changes.claim(tx, 10, now_us)
    assert [(change.kind, change.detail.event_id) for change in claimed] == [
        (ChangeKind.UNMUTED, event_id(4)),
        (ChangeKind.EVENT, event_id(5)),
    ]


def test_idle_issues_are_resolved_when_the_project_says_so(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    spool("event", failure(), event_id=event_id(1))
    digest.step(clock)
    later_us = now_us + 25 * 3600 * 1_000_000
    with database.write() as tx:
        assert issues.resolve_idle(tx, later_us) == 0
        projects.change(tx, 1, resolve_after_hours=24)
        assert issues.resolve_idle(tx, later_us - 2 * 3600 * 1_000_000) == 0
        assert issues.resolve_idle(tx, later_us) == 1
        assert [change.kind for change in changes.claim(tx, 10, now_us)] == [ChangeKind.NEW, ChangeKind.RESOLVED]


def test_a_muted_issue_stays_muted_when_a_new_release_reports_it(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int
) -> None:
    """A mute is a wish about the problem, so a deploy alone does not end it."""
    spool("event", failure(release="1.0"), event_id=event_id(1))
    digest.step(clock)
    with database.write() as tx:
        ((issue_id,),) = tx.execute(sa.select(schema.issue.c.id)).all()
        issues.set_status(tx, 1, [issue_id], Wish("muted"), now_us=now_us, actor="owner@example.org")
    spool("event", failure(release="2.0"), event_id=event_id(2))
    digest.step(clock)
    assert stored(database, schema.issue, "status", "event_count") == [("muted", 2)]


def test_events_of_a_muted_issue_are_stored_and_counted_but_are_no_change(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, now_us: int, totals: Callable
) -> None:
    """Alerts read changes, so they hear nothing of it."""
    spool("event", failure(), event_id=event_id(1))
    digest.step(clock)
    with database.write() as tx:
        ((issue_id,),) = tx.execute(sa.select(schema.issue.c.id)).all()
        issues.set_status(tx, 1, [issue_id], Wish("muted"), now_us=now_us, actor="owner@example.org")
        changes.claim(tx, 10, now_us)
    for number in (2, 3, 4):
        spool("event", failure(tags={"domain": "payment"}), event_id=event_id(number))
    digest.step(clock)
    with database.write() as tx:
        assert changes.claim(tx, 10, now_us) == []
    assert stored(database, schema.issue, "event_count") == [(4,)]
    assert len(stored(database, schema.event)) == 4
    assert totals() == {("error", "accepted", ""): 4}


def test_ordinary_events_of_a_batch_share_a_change_for_each_environment_and_domain(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock
) -> None:
    """Alerts look at changes; a storm must not drown them."""
    spool("event", failure(), event_id=event_id(0))
    digest.step(clock)
    tags = [{}, {}, {"domain": "payment"}, {"domain": "payment"}, {"domain": "auth"}]
    for number, tag in enumerate(tags, 1):
        spool("event", failure(tags=tag), event_id=event_id(number))
    digest.step(clock)
    details = [
        msgspec.json.decode(detail)
        for kind, detail in stored(database, schema.change, "kind", "detail")
        if kind == "event"
    ]
    assert sorted((one["tags"].get("domain", ""), one["event_count"]) for one in details) == [
        ("", 2),
        ("auth", 1),
        ("payment", 2),
    ]


FIREFOX = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({}, failure(request={"url": "https://shop.example/pay", "headers": {"User-Agent": FIREFOX}})),
        ({}, failure(request={"url": "https://shop.example/pay", "headers": [["user-agent", FIREFOX]]})),
        ({"key_kind": "browser", "user_agent": FIREFOX}, failure()),
    ],
    ids=["headers", "header pairs", "the browser itself"],
)
def test_browser_and_system_come_from_the_user_agent(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, fields: dict, event: dict
) -> None:
    spool("event", event, event_id=event_id(1), **fields)
    digest.step(clock)
    tags = dict(stored(database, schema.issue_tag, "key", "value"))
    assert (tags["browser"], tags["os"]) == ("Firefox 130.0", "Ubuntu")


def test_a_servers_own_user_agent_is_nobodys_browser(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock
) -> None:
    spool("event", failure(), event_id=event_id(1), user_agent=FIREFOX)
    digest.step(clock)
    assert "browser" not in dict(stored(database, schema.issue_tag, "key", "value"))


# --- privacy ----------------------------------------------------------------------------------------------------------

SECRETS = [
    "hunter2-hunter2",
    "4242424242424242",
    "sk_live_51Habcdefghijkl",
    "jane.doe@example.org",
    "198.51.100.23",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
    "203.0.113.7",
]


def test_no_secret_is_stored_in_any_column(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock
) -> None:
    password, card, api_key, mail, address, token, _sender = SECRETS
    event = failure(
        message=f"login of {mail} from {address} with Bearer {token}",
        logentry={"message": "card %s declined", "params": [card]},
        transaction=f"/reset/{mail}",
        server_name=f"web of {mail}",
        environment="test",
        tags={"contact": mail, "note": f"paid with {card}"},
        user={"id": mail, "email": mail, "ip_address": "{{auto}}", "username": "jane.doe"},
        request={
            "url": f"https://jane:{password}@shop.example/pay?token={token}",
            "headers": {"Authorization": f"Bearer {token}", "X-Forwarded-For": address},
            "cookies": {"session": password},
            "data": {"password": password, "card": {"number": card}},
        },
        breadcrumbs={"values": [{"message": f"POST with {api_key}", "data": {"api_key": api_key}}]},
        extra={"deep": [{"deeper": f"db://u:{password}@host/x"}], f"key of {mail}": 1},
        contexts={"app": {"secret": password}},
        fingerprint=["{{ default }}", mail],
        modules={"x": api_key},
    )
    event["exception"]["values"][0]["value"] = f"{mail} could not pay with {card} from {address}"
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["vars"] = {"password": f"'{password}'", "pan": card}
    spool("event", event, event_id=event_id(1))
    digest.step(clock)
    text = everything(database)
    assert [secret for secret in SECRETS if secret in text] == []
    assert len(bodies_of(database)) == 1


def test_remarks_of_the_client_and_of_ours_stand_side_by_side(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock
) -> None:
    theirs = {"extra": {"old": {"": {"rem": [["!config", "s"]]}}}}
    spool("event", failure(extra={"password": "hunter2-hunter2", "old": ""}, _meta=theirs), event_id=event_id(1))
    digest.step(clock)
    remarks = bodies_of(database)[event_id(1)]["_meta"]["extra"]
    assert remarks["old"] == theirs["extra"]["old"]
    assert remarks["password"][""]["rem"] == [["@password:filter", "s"]]


def test_a_client_can_hide_no_secret_among_its_remarks(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock
) -> None:
    """SDKs note the original value of a field they could not send as `val`, and the rest of a text as `chunks`."""
    theirs = {"extra": {"card": {"": {"val": SECRETS[1], "chunks": [{"type": "text", "text": SECRETS[3]}]}}}}
    spool("event", failure(_meta=theirs), event_id=event_id(1))
    digest.step(clock)
    text = everything(database)
    assert [secret for secret in SECRETS if secret in text] == []


# --- what strangers send ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b'{"message": ', "bad_json"), (b"[1, 2]", "not_an_object"), (b"\xff\xfe", "bad_json"), (b"", "bad_json")],
)
def test_a_broken_event_costs_only_itself(
    database: Database,
    digest: Digest,
    spool: Spool,
    clock: VirtualClock,
    totals: Callable,
    payload: bytes,
    reason: str,
) -> None:
    spool("event", payload, event_id=event_id(1))
    spool("event", failure(), event_id=event_id(2))
    digest.step(clock)
    assert totals() == {("error", "invalid", reason): 1, ("error", "accepted", ""): 1}
    assert list(bodies_of(database)) == [event_id(2)]


def nested(depth: int) -> object:
    value: object = "core"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "event",
    [
        failure(message="a\0b", tags={"k\0": "v\0"}, environment="te\0st", transaction="\0", extra={"\0": ["\0"]}),
        failure(extra={"deep": nested(300)}),
        failure(extra={"huge": 10**40, "small": -(10**40)}),
        failure(timestamp=10**400),
        failure(timestamp="0001-01-01T00:00:00+14:00"),
        failure(level={"a": 1}, tags=7, user="x", request=[1], contexts="y", breadcrumbs="z", fingerprint="f"),
        failure(tags={f"key{n}": "ü" * 5000 for n in range(300)}, release="r" * 5000, server_name="s" * 5000),
        failure(tags={"emoji": "\U0001f600" * 300}, transaction="\U0001f600" * 300, user={"id": "\U0001f600" * 300}),
        failure(logentry={"message": "%999999999999d", "params": [1]}),
        failure(logentry={"message": "%*d", "params": [999999999999, 1]}),
    ],
    ids=[
        "NUL",
        "nested deep",
        "big numbers",
        "a timestamp beyond all floats",
        "the year 1",
        "wrong types everywhere",
        "long tags",
        "four bytes a character",
        "a template that asks for width",
        "a template that takes its width from a parameter",
    ],
)
def test_a_bad_field_costs_the_field_and_not_the_event(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable, event: dict
) -> None:
    spool("event", event, event_id=event_id(1))
    digest.step(clock)
    assert totals() == {("error", "accepted", ""): 1}
    texts = [text for table in schema.metadata.tables.values() for row in stored(database, table) for text in row]
    assert [text for text in texts if isinstance(text, str) and "\0" in text] == []
    assert "\\u0000" not in msgspec.json.encode(bodies_of(database)).decode()


def test_half_of_a_surrogate_pair_becomes_a_replacement_character(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    """JavaScript cuts emoji in two, and Python's json writes undecodable file names so. PostgreSQL takes neither half."""
    payload = msgspec.json.encode(failure(message="X", extra={"whole": "W"}))
    payload = payload.replace(b'"X"', rb'"cut \ud83d and \ude00"').replace(b'"W"', rb'"\ud83d\ude00 \\ud83d"')
    spool("event", payload, event_id=event_id(1))
    digest.step(clock)
    assert totals() == {("error", "accepted", ""): 1}
    body = bodies_of(database)[event_id(1)]
    assert body["message"] == "cut \ufffd and \ufffd"
    assert body["extra"] == {"whole": "\U0001f600 \\ud83d"}


# --- signals ----------------------------------------------------------------------------------------------------------


def test_what_a_client_lost_becomes_an_outcome(
    digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    report = {
        "timestamp": 1767225600,
        "discarded_events": [
            {"reason": "queue_overflow", "category": "error", "quantity": 23},
            {"reason": "Robert'); DROP", "category": "no such", "quantity": 2},
            {"reason": "sample_rate", "category": "transaction", "quantity": -5},
        ],
    }
    spool("client_report", report)
    spool("client_report", b"{")
    digest.step(clock)
    assert totals() == {
        ("error", "lost", "queue_overflow"): 23,
        ("default", "lost", "other"): 2,
        ("internal", "invalid", "bad_client_report"): 1,
    }


def test_outcomes_that_ingest_noted_are_added(
    digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    spool(OUTCOMES_ITEM, [OutcomeCount("internal", "invalid", "browser_key", 4)])
    digest.step(clock)
    assert totals() == {("internal", "invalid", "browser_key"): 4}


def request_counts(**fields: object) -> dict[str, object]:
    return {
        "version": 1,
        "instance": {"id": "ab" * 16, "pid": 1, "server_name": "web-1"},
        "environment": "production",
        "release": "1.0",
        "buckets": [
            {
                "sequence": 1,
                "age_ms": 0,
                "routes": [{"method": "GET", "route": "/pay/{id}", "status": 500, "count": 3, "latency": {"5": 3}}],
            }
        ],
        "failures_ms": [20, 10],
        "failure_count": 2,
        **fields,
    }


def test_request_counts_become_rollups(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    for _ in range(2):
        spool(REQUEST_COUNTS_ITEM, request_counts())
        digest.step(clock)
    columns = ("width_s", "environment", "method", "route", "status", "request_count")
    assert stored(database, schema.request_count, *columns) == [
        (width_s, "production", "GET", "/pay/{id}", 500, 3) for width_s in (60, 3600)
    ]
    assert stored(database, schema.instance, "server_name", "failure_count") == [("web-1", 2)]
    assert totals() == {("internal", "accepted", ""): 2}


NUL_COUNTS = request_counts(
    environment="pro\0d",
    release="\0",
    instance={"id": "ab" * 16, "pid": 1, "server_name": "\0"},
    buckets=[
        {
            "sequence": 1,
            "age_ms": 0,
            "routes": [{"method": "\0", "route": "/\0", "status": 200, "count": 1, "latency": {"\0": 1}}],
        }
    ],
)


@pytest.mark.parametrize(
    "counts",
    [
        NUL_COUNTS,
        request_counts(instance={"id": "ab" * 16, "pid": 1 << 40}),
        request_counts(instance={"id": "ab" * 16, "pid": -(1 << 70)}),
        request_counts(version=2),
        request_counts(instance={"id": "../etc/passwd"}),
        request_counts(failures_ms=[1 << 43], since_success_ms=1 << 43),
        request_counts(environment="\U0001f600" * 500, release="\U0001f600" * 500),
    ],
    ids=["NUL", "pid of 41 bits", "pid of 71 bits", "version 2", "a path as id", "before the epoch", "long names"],
)
def test_hostile_request_counts_cost_at_most_themselves(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable, counts: dict
) -> None:
    """Anybody with a key can send them; if the database refused one, everything behind it would wait for ever."""
    spool(REQUEST_COUNTS_ITEM, counts)
    spool("client_report", {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 1}]})
    digest.step(clock)
    assert totals()["error", "lost", "queue_overflow"] == 1


def test_what_an_sdk_only_counted_is_in_the_totals_of_its_issue(
    database: Database, digest: Digest, spool: Spool, clock: VirtualClock, totals: Callable
) -> None:
    """Told once or twice, counted once: in the issue, in its rollups, and as an outcome of its own."""
    spool("event", failure(), event_id=event_id(1))
    told = [{"event_id": event_id(1), "count": 40}, {"event_id": event_id(9), "count": 2, "told": 1}]
    for _ in range(2):  # in one batch, and in another
        spool(REPEATS_ITEM, {"version": 1, "repeats": told[:1]})
        spool(REPEATS_ITEM, {"version": 1, "repeats": [{"event_id": event_id(1), "count": 42, "told": 40}]})
        spool(REPEATS_ITEM, {"version": 1, "repeats": told})
        digest.step(clock)
    spool(REPEATS_ITEM, {"version": 1, "repeats": [{"event_id": "../etc", "count": 2}]})
    digest.step(clock)
    assert stored(database, schema.issue, "event_count") == [(43,)]
    assert {count for (count,) in stored(database, schema.rollup, "event_count")} == {43}
    assert len(stored(database, schema.event)) == 1
    assert totals() == {
        ("error", "accepted", ""): 1,
        ("error", "sampled", "storm"): 42,
        ("error", "invalid", "unknown_event"): 2,
        ("internal", "invalid", "bad_repeats"): 1,
    }


def test_signals_overtake_events(
    database: Database, digest: Digest, spool: Spool, spool_reader: SpoolReader, clock: VirtualClock
) -> None:
    """Alerts on failure runs keep their delay while events queue up."""
    spool("event", failure(), event_id=event_id(1))
    spool(REQUEST_COUNTS_ITEM, request_counts())
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE event RENAME TO away"))
    with pytest.raises(sa.exc.SQLAlchemyError):  # the events' transaction, for their table is away
        digest.step(clock)
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE away RENAME TO event"))
    assert len(stored(database, schema.instance)) == 1
    assert stored(database, schema.event) == []


def test_a_project_that_moves_to_another_version_of_fingerprints_keeps_its_issues(
    database: Database, spool_reader: SpoolReader, spool: Spool, clock: VirtualClock
) -> None:
    """The old fingerprint finds the issue, and the new one is bound to it; what is new under both is one issue."""

    def by_type_alone(event: Event) -> Grouped:
        return Grouped("Same type.", [Part("type", event.exceptions[-1].type)])

    versions = {**VERSIONS, 2: by_type_alone}
    before = Digest(database, spool_reader, HASH_KEY, versions=versions, batch_s=60)
    spool("event", failure(), event_id=event_id(1))
    before.step(clock)
    with database.write() as tx:
        project = projects.change(tx, 1, grouping_version=2)
    assert (project.grouping_version, project.previous_grouping_version) == (2, 1)

    digest = Digest(database, spool_reader, HASH_KEY, versions=versions, batch_s=60)
    spool("event", failure(), event_id=event_id(2))
    spool("event", failure(function="refund"), event_id=event_id(3))
    spool("event", failure(kind="KeyError"), event_id=event_id(4))
    digest.step(clock)

    assert stored(database, schema.issue, "number", "event_count") == [(1, 3), (2, 1)]
    assert [number for (number,) in stored(database, schema.issue, "number")] == [1, 2]
    assert len(stored(database, schema.fingerprint, "hash")) == 3


def test_a_project_that_is_told_its_own_version_stays_as_it_is(database: Database) -> None:
    with database.write() as tx:
        project = projects.change(tx, 1, grouping_version=1)
    assert (project.grouping_version, project.previous_grouping_version) == (1, None)


def test_an_event_of_an_issue_that_is_deleted_just_now_makes_a_new_one(
    digest: Digest, database: Database, spool: Spool, clock: VirtualClock
) -> None:
    """Retention may delete an issue between two looks of digest; the event must not hang on what is gone."""
    spool("event", failure(), event_id=event_id(1))
    digest.step(clock)
    [(gone,)] = stored(database, schema.issue, "id")
    spool("event", failure(), event_id=event_id(2))
    second = threading.Thread(target=digest.step, args=[clock])
    with database.write() as tx:
        tx.execute(sa.delete(schema.fingerprint))
        tx.execute(sa.delete(schema.event))
        tx.execute(sa.delete(schema.issue))
        second.start()
        second.join(0.5)  # digest has found the fingerprint by now, on PostgreSQL; on SQLite it waits before
        assert second.is_alive()
    second.join()

    [(fresh, count)] = stored(database, schema.issue, "id", "event_count")
    assert (fresh != gone, count) == (True, 1)
    assert stored(database, schema.event, "issue_id") == [(fresh,)]
    assert stored(database, schema.fingerprint, "issue_id") == [(fresh,)]
