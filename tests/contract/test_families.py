"""Transactions, sessions, feedback, attachments and security reports between a real spool and both databases."""

from collections.abc import Callable

import msgspec
import pytest
import sqlalchemy as sa

from ukemi.collector.core.clock import SECOND_US, VirtualClock
from ukemi.collector.core.transaction import KEEP_FAILED, KEEP_SLOW, OTHERS
from ukemi.collector.digest import transactions as digest_transactions
from ukemi.collector.digest.worker import Digest
from ukemi.collector.spool.item import ItemContext
from ukemi.collector.store import attachments, feedback, schema, session_counts, transactions
from ukemi.collector.store.database import Database

pytestmark = pytest.mark.usefixtures("project")

NOW_S = 1_767_225_600
EVENT_ID = f"{7:032x}"
TRACE = {"trace_id": "a" * 32, "span_id": "b" * 16, "op": "http.server"}


def context(**fields: object) -> bytes:
    return msgspec.json.encode(ItemContext(**fields))


def header(**fields: object) -> bytes:
    """The context of an item whose header holds `fields`."""
    return context(item_header=msgspec.Raw(msgspec.json.encode(fields)), user_agent="Firefox/1")


def transaction(name: str = "/pay/{id}", status: str = "ok", seconds: float = 0.1, **fields: object) -> dict:
    return {
        "type": "transaction",
        "transaction": name,
        "transaction_info": {"source": "route"},
        "start_timestamp": NOW_S,
        "timestamp": NOW_S + seconds,
        "contexts": {"trace": {**TRACE, "status": status}},
        "spans": [{"op": "db", "description": "SELECT 1", "data": {"password": "hunter2"}}],
        "release": "shop@1",
        **fields,
    }


def streamed(number: int, segment: int | None = None, **attributes: object) -> dict:
    """Span `number`, itself a segment unless it belongs to one."""
    typed = {"sentry.op": "http.server", "sentry.segment.name.source": "route", **attributes}
    return {
        "trace_id": "c" * 32,
        "span_id": f"{number:016x}",
        "parent_span_id": f"{segment:016x}" if segment else None,
        "name": "GET /x",
        "status": "error",
        "is_segment": segment is None,
        "start_timestamp": NOW_S,
        "end_timestamp": NOW_S + 2,
        "attributes": {name: {"value": value, "type": "string"} for name, value in typed.items()},
    }


def rows(database: Database, table: sa.Table, *columns: str, **where: object) -> list[tuple]:
    with database.read() as tx:
        conditions = [table.c[name] == value for name, value in where.items()]
        query = sa.select(*(table.c[name] for name in columns)).where(*conditions)
        return sorted(tuple(row) for row in tx.execute(query))


def drain(digest: Digest, clock: VirtualClock) -> None:
    """Digest all that waits: on a slow machine a batch is cut short by the clock."""
    while digest.step(clock):
        pass


# --- transactions -----------------------------------------------------------------------------------------------------


def test_transactions_are_counted_by_what_they_are_called_and_how_they_ended(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    """Cancelled and unknown are no failures."""
    for number, status in enumerate(["ok", "cancelled", "unknown", "internal_error", "not_found"], 1):
        spool("transaction", transaction(status=status), event_id=f"{number:032x}")
    drain(digest, clock)
    columns = ("environment", "release", "key_kind", "op", "name", "is_failed", "transaction_count", "sample_count")
    series = ("production", "shop@1", "server", "http.server", "/pay/{id}")
    for width_s in (60, 3600):
        assert rows(database, schema.transaction_count, *columns, width_s=width_s) == [
            (*series, False, 3, 3),
            (*series, True, 2, 2),
        ]
    assert totals() == {("transaction", "accepted", ""): 5, ("span", "accepted", ""): 10}


def test_a_sampled_transaction_counts_for_those_that_were_left_out(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock
) -> None:
    """At a rate of 0.3 each stands for 3⅓, and what rounding leaves over is carried on, over batches too."""
    for number in range(1, 31):
        spool("transaction", transaction(), event_id=f"{number:032x}", context=context(sample_rate="0.3"))
        if number % 10 == 0:
            drain(digest, clock)
    ((count, samples, latency),) = rows(
        database, schema.transaction_count, "transaction_count", "sample_count", "latency", width_s=3600
    )
    assert (count, samples) == (100, 30)
    assert sum(msgspec.json.decode(latency).values()) == 100


def test_a_streamed_segment_is_a_transaction(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    """JavaScript's SDK 11 sends nothing else."""
    spans = [streamed(2, 1, password="hunter2"), streamed(1), streamed(4, 3)]
    spool("span", {"version": 2, "items": spans}, key_kind="browser", context=context(sample_rate="0.5"))
    drain(digest, clock)
    found = rows(database, schema.transaction_count, "key_kind", "name", "is_failed", "transaction_count", width_s=60)
    assert found == [("browser", "GET /x", True, 2)]
    assert totals() == {("span", "accepted", ""): 2, ("span", "sampled", "not_an_example"): 1}
    ((sample_id,),) = rows(database, schema.transaction_sample, "id")
    with database.read() as tx:
        line, body = transactions.sample(tx, 1, sample_id.hex())
    assert (line.duration_us, line.span_count, line.status) == (2 * SECOND_US, 2, "internal_error")
    assert [span["span_id"] for span in msgspec.json.decode(body)["spans"]] == [f"{2:016x}"]
    assert b"hunter2" not in body


def test_the_slowest_and_the_failed_are_kept_as_examples(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    """However many come: a bounded number per name and hour, scrubbed, and over batches too."""
    for number in range(1, 21):
        status = "internal_error" if number % 4 == 0 else "ok"
        spool("transaction", transaction(seconds=number, status=status), event_id=f"{number:032x}")
        if number == 11:
            drain(digest, clock)
    drain(digest, clock)
    kept = rows(database, schema.transaction_sample, "is_failed", "duration_us")
    assert len(kept) == KEEP_FAILED + KEEP_SLOW
    assert [seconds // SECOND_US for is_failed, seconds in kept if is_failed] == [12, 16, 20]
    assert [seconds // SECOND_US for is_failed, seconds in kept if not is_failed] == [17, 18, 19]
    ((body,), *_) = rows(database, schema.transaction_sample, "body")
    assert b"hunter2" not in body
    assert totals()["transaction", "accepted", ""] == 20


def test_a_new_process_knows_the_examples_that_are_kept(
    database: Database, digest: Digest, spool: Callable, spool_reader: object, clock: VirtualClock
) -> None:
    for number in range(1, 7):
        spool("transaction", transaction(seconds=number), event_id=f"{number:032x}")
    drain(digest, clock)
    again = Digest(database, spool_reader, b"k" * 32)
    spool("transaction", transaction(seconds=1), event_id=f"{99:032x}")
    drain(again, clock)
    assert [us // SECOND_US for (us,) in rows(database, schema.transaction_sample, "duration_us")] == [4, 5, 6]


def test_names_that_were_made_up_share_one_row(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_transactions, "MAX_NAMES", 3)
    small = Digest(database, digest._spool, b"k" * 32)
    for number in range(1, 11):
        spool("transaction", transaction(name=f"/made-up-{'abcdefghij'[number - 1]}"), event_id=f"{number:032x}")
    drain(small, clock)
    found = rows(database, schema.transaction_count, "op", "name", "transaction_count", width_s=60)
    assert len(found) == 4
    assert ("", OTHERS, 7) in found


def test_a_transaction_without_times_is_an_outcome(
    digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    spool("transaction", {"transaction": "x", "spans": [{}, {}]}, event_id=EVENT_ID)
    drain(digest, clock)
    assert totals() == {("transaction", "invalid", "bad_transaction"): 1, ("span", "invalid", "bad_transaction"): 3}


def test_a_batch_that_fails_counts_nothing_twice(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    """The outcomes cannot be written, so nothing of the batch is; the next try writes all of it, examples as well."""
    spool("transaction", transaction(), event_id=EVENT_ID)
    spool("sessions", {"attrs": {"release": "r"}, "aggregates": [{"exited": 2}]})
    spool("attachment", b"text", event_id=EVENT_ID, context=header(filename="a.txt"))
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE outcome RENAME TO away"))
    for _ in range(2):
        with pytest.raises(sa.exc.SQLAlchemyError):
            digest.step(clock)
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE away RENAME TO outcome"))
    drain(digest, clock)
    assert rows(database, schema.transaction_count, "transaction_count", width_s=60) == [(1,)]
    assert len(rows(database, schema.transaction_sample, "id")) == 1
    assert rows(database, schema.session_count, "started", width_s=60) == [(2,)]
    assert len(rows(database, schema.attachment, "id")) == 1
    assert totals()["attachment", "accepted", ""] == 4


# --- sessions ---------------------------------------------------------------------------------------------------------


def session(status: str = "ok", seq: int | None = None, **fields: object) -> dict:
    found = {"sid": "d" * 32, "status": status, "errors": 0, "attrs": {"release": "web@1", "environment": "prod"}}
    return {**found, **({"seq": seq} if seq is not None else {}), **fields}


def counted(database: Database, width_s: int = 60) -> dict[str, int]:
    columns = session_counts.COLUMNS
    found = rows(database, schema.session_count, *columns, width_s=width_s)
    sums = {name: sum(row[place] for row in found) for place, name in enumerate(columns)}
    return {name: number for name, number in sums.items() if number}


def test_sums_of_sessions_exclude_one_another(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    """What sentry-sdk sends for a FastAPI server: every request is in exactly one of them."""
    buckets = [
        {"started": "2026-01-01T00:00:00Z", "exited": 10, "crashed": 3, "errored": 3},
        {"exited": 1, "abnormal": 2},
    ]
    spool("sessions", {"attrs": {"release": "web@1", "environment": "prod"}, "aggregates": buckets})
    drain(digest, clock)
    for width_s in (60, 3600):
        assert counted(database, width_s) == {"started": 19, "exited": 11, "errored": 3, "crashed": 3, "abnormal": 2}
    assert totals() == {("session", "accepted", ""): 1}
    with database.read() as tx:
        (found,) = session_counts.totals(tx, 1, NOW_S * SECOND_US)
    assert found.crash_free == pytest.approx(16 / 19)


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_session_is_counted_once_by_its_first_message(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, is_one_batch: bool
) -> None:
    """It is errored until it crashes; then it is crashed, and errored no more."""
    for message in (
        session(seq=0, init=True),
        session(seq=0, init=True),
        session(seq=1, errors=1),
        session("crashed", seq=2, errors=2),
        session(seq=3, errors=2),
    ):
        spool("session", message)
        if not is_one_batch:
            drain(digest, clock)
    drain(digest, clock)
    assert counted(database) == {"started": 1, "crashed": 1}


def test_a_session_out_of_order_is_counted_all_the_same(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock
) -> None:
    for message in (session("exited", seq=5), session("crashed", seq=3), session(seq=0, init=True)):
        spool("session", message)
    drain(digest, clock)
    assert counted(database) == {"started": 1, "exited": 1}


def test_a_page_that_lives_on_after_an_uncaught_error_is_unhandled(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock
) -> None:
    """JavaScript's SDK sends no seq; the message's own time orders them."""
    spool("session", session(init=True, timestamp="2026-01-01T00:00:00.041Z"), key_kind="browser")
    spool("session", session("unhandled", errors=1, timestamp="2026-01-01T00:00:00.899Z"), key_kind="browser")
    drain(digest, clock)
    assert counted(database) == {"started": 1, "unhandled": 1}
    assert {kind for (kind,) in rows(database, schema.session_count, "key_kind")} == {"browser"}


@pytest.mark.parametrize(
    ("item_type", "payload", "reason"),
    [
        ("session", session(attrs={}), "no_release"),
        ("session", session(sid="x"), "bad_session"),
        ("session", session(started="2025-12-20T00:00:00Z"), "too_old"),
        ("sessions", {"attrs": {"release": "r"}, "aggregates": [{}] * 101}, "bad_session"),
    ],
)
def test_a_session_that_cannot_be_filed_is_an_outcome(
    digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable, item_type: str, payload: dict, reason: str
) -> None:
    spool(item_type, payload)
    drain(digest, clock)
    assert totals() == {("session", "invalid", reason): 1}


# --- feedback ---------------------------------------------------------------------------------------------------------

EVENT = {"exception": {"values": [{"type": "ValueError", "value": "x"}]}}
REPORT = {"event_id": EVENT_ID, "name": "Ann", "email": "ann@example.org", "comments": "card 4242 4242 4242 4242"}


@pytest.mark.parametrize("comes_first", ["event", "user_report"])
@pytest.mark.parametrize("is_one_batch", [True, False])
def test_feedback_finds_its_issue_whichever_comes_first(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, comes_first: str, is_one_batch: bool
) -> None:
    order = ["event", "user_report"] if comes_first == "event" else ["user_report", "event"]
    for item_type in order:
        payload = EVENT if item_type == "event" else REPORT
        spool(item_type, payload, event_id=EVENT_ID if item_type == "event" else "")
        if not is_one_batch:
            drain(digest, clock)
    drain(digest, clock)
    ((issue_id,),) = rows(database, schema.issue, "id")
    with database.read() as tx:
        (said,) = feedback.of_issue(tx, 1, issue_id)
    assert (said.name, said.email) == ("Ann", "ann@example.org")
    assert "4242" not in said.message


def test_feedback_waits_for_its_event_over_a_restart(
    database: Database, digest: Digest, spool: Callable, spool_reader: object, clock: VirtualClock
) -> None:
    spool("user_report", REPORT)
    drain(digest, clock)
    again = Digest(database, spool_reader, b"k" * 32)
    spool("event", EVENT, event_id=EVENT_ID)
    drain(again, clock)
    assert rows(database, schema.feedback, "issue_id") == rows(database, schema.issue, "id")


def test_a_second_report_on_one_event_takes_the_place_of_the_first(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock
) -> None:
    spool("user_report", REPORT)
    spool("user_report", REPORT | {"comments": "again"})
    drain(digest, clock)
    assert rows(database, schema.feedback, "message") == [("again",)]


def test_contact_can_be_hashed(database: Database, spool: Callable, spool_reader: object, clock: VirtualClock) -> None:
    said = {"contexts": {"feedback": {"message": "hm", "contact_email": "ann@example.org", "name": "Ann Lee"}}}
    spool("feedback", said, event_id=EVENT_ID)
    drain(Digest(database, spool_reader, b"k" * 32, keep_contact=False), clock)
    ((name, email),) = rows(database, schema.feedback, "name", "email")
    assert "Ann" not in name
    assert email.startswith("hmac:")


def test_feedback_that_says_nothing_is_an_outcome(
    digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    spool("feedback", {"contexts": {"feedback": {"message": " "}}}, event_id=EVENT_ID)
    spool("user_report", {"comments": "about what?"})
    drain(digest, clock)
    assert totals() == {("feedback", "invalid", "bad_feedback"): 2}


# --- attachments ------------------------------------------------------------------------------------------------------


def test_an_attachment_is_kept_once_and_its_text_scrubbed(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    text = b"line 1\nAuthorization: Bearer abcdefghijklmnopqrstuvwxyz0123\npassword=hunter2\n"
    for _ in range(2):
        spool("attachment", text, event_id=EVENT_ID, context=header(filename="app.log", content_type="text/plain"))
    drain(digest, clock)
    with database.read() as tx:
        (line,) = attachments.of_event(tx, 1, EVENT_ID)
        name, content = attachments.content(tx, 1, EVENT_ID, line.id)
    assert (name, line.is_scrubbed, line.byte_count) == ("app.log", True, len(text))
    assert content.startswith(b"line 1\n")
    assert b"hunter2" not in content
    assert b"abcdefghij" not in content
    assert totals() == {
        ("attachment", "accepted", ""): len(text),
        ("attachment_item", "accepted", ""): 1,
        ("attachment", "duplicate", "attachment"): len(text),
        ("attachment_item", "duplicate", "attachment"): 1,
    }


def test_json_is_scrubbed_by_its_keys_and_pictures_are_left_as_they_are(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock
) -> None:
    picture = b"\x89PNG\r\n\x1a\n\0\0"
    spool("attachment", {"db_password": "correct horse"}, event_id=EVENT_ID, context=header(filename="a.json"))
    spool("attachment", picture, event_id=EVENT_ID, context=header(filename="b.png"))
    drain(digest, clock)
    with database.read() as tx:
        json_line, png_line = attachments.of_event(tx, 1, EVENT_ID)
        _, scrubbed = attachments.content(tx, 1, EVENT_ID, json_line.id)
        _, untouched = attachments.content(tx, 1, EVENT_ID, png_line.id)
    assert (json_line.is_scrubbed, png_line.is_scrubbed) == (True, False)
    assert b"correct horse" not in scrubbed
    assert untouched == picture


def test_an_event_has_only_so_many_attachments(
    database: Database, spool: Callable, spool_reader: object, clock: VirtualClock, totals: Callable
) -> None:
    for number in range(4):
        spool("attachment", f"file {number}".encode(), event_id=EVENT_ID, context=header(filename=f"{number}.txt"))
    drain(Digest(database, spool_reader, b"k" * 32, max_attachments_per_event=3), clock)
    assert len(rows(database, schema.attachment, "id")) == 3
    assert totals()["attachment_item", "invalid", "too_many"] == 1


# --- security reports -------------------------------------------------------------------------------------------------

CSP = {
    "document-uri": "https://shop.example/pay?token=hunter2",
    "violated-directive": "script-src 'self'",
    "blocked-uri": "https://evil.example/x.js?session=s3cr3t",
}


def test_a_policy_violation_becomes_an_issue(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    """What was blocked loses its query, and scripts of one host are one issue."""
    for number, path in enumerate(("a.js?session=s3cr3t", "b.js"), 1):
        report = {"csp-report": CSP | {"blocked-uri": f"https://evil.example/{path}"}}
        where = header(sentry_release="web@1", sentry_environment="prod")
        spool("raw_security", report, event_id=f"{number:032x}", key_kind="browser", context=where)
    drain(digest, clock)
    assert rows(database, schema.issue, "title", "event_count") == [("Blocked 'script' from 'evil.example'", 2)]
    assert rows(database, schema.event, "environment", "release")[0] == ("prod", "web@1")
    assert totals() == {("security", "accepted", ""): 2}


def test_what_an_extension_of_the_browser_did_is_filtered(
    database: Database, digest: Digest, spool: Callable, clock: VirtualClock, totals: Callable
) -> None:
    report = {"csp-report": CSP | {"source-file": "moz-extension://abc/x.js"}}
    spool("raw_security", report, event_id=EVENT_ID, context=header())
    spool("raw_security", {"csp-report": {"violated-directive": "made-up"}}, event_id=EVENT_ID, context=header())
    drain(digest, clock)
    assert rows(database, schema.issue, "title") == []
    assert totals() == {
        ("security", "filtered", "browser_extension"): 1,
        ("security", "invalid", "bad_security_report"): 1,
    }
