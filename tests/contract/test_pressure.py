"""What is refused first when the spool fills up: samples, then what only adds to errors, then errors; signals never."""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.contract.running_ingest import RunningIngest
from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.worker import BATCH_ITEMS, Digest
from ukemi.collector.ingest.admission import EXTRAS_AGE_S, SAMPLES_AGE_S
from ukemi.collector.spool.item import SpoolItem
from ukemi.collector.spool.look import look
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import incidents
from ukemi.collector.store.database import Database
from ukemi.protocol.request_counts import Instance, RequestCounts
from ukemi.protocol.vocabulary import REPEATS_ITEM, REQUEST_COUNTS_ITEM

SPOOL_BYTES = 4 << 20
SAMPLES = {"transaction", "span"}
EXTRAS = {"session", "sessions", "feedback", "user_report", "attachment", "raw_security"}
SIGNALS = {REQUEST_COUNTS_ITEM, REPEATS_ITEM, "client_report"}
CATEGORIES = {
    "transaction": "transaction",
    "span": "span",
    "session": "session",
    "sessions": "session",
    "feedback": "feedback",
    "user_report": "feedback",
    "attachment": "attachment",
    "raw_security": "security",
    "event": "error",
}


@pytest.fixture
def database_kind() -> str:
    """Ingest only looks keys up, which test_store does on both databases."""
    return "sqlite"


@pytest.fixture
def ingest(start_ingest: Callable[..., RunningIngest]) -> RunningIngest:
    return start_ingest(max_spool_bytes=SPOOL_BYTES)


def post(ingest: RunningIngest, key: str, item_type: str, payload: bytes = b"{}") -> tuple[int, str]:
    """Status and limits of the answer to an envelope with one item."""
    header = msgspec.json.encode({"type": item_type, "length": len(payload)})
    envelope = b"\n".join([msgspec.json.encode({"event_id": secrets.token_hex(16)}), header, payload])
    answer = ingest.post(envelope, X_Sentry_Auth=f"Sentry sentry_key={key}")
    return answer.status_code, answer.headers.get("x-sentry-rate-limits", "")


def refused(ingest: RunningIngest, key: str) -> set[str]:
    """Which of all item types that are kept are refused now; each with limits of its own category."""
    found = set()
    for item_type in sorted(SAMPLES | EXTRAS | SIGNALS | {"event"}):
        status, limits = post(ingest, key, item_type)
        assert status in (200, 429)
        if status == 429:
            found.add(item_type)
            seconds, category, scope, reason = limits.split(":")
            assert (category, scope) == (CATEGORIES[item_type], "project")
            assert reason in ("pressure", "spool_full")
            assert 0 < int(seconds) <= 60
    return found


def fill(ingest: RunningIngest, key: str, share: float) -> None:
    """Let errors queue up to this share of the spool, and let ingest notice."""
    while look(ingest.spool_path).bytes < share * SPOOL_BYTES:
        post(ingest, key, "event", msgspec.json.encode({"m": secrets.token_hex(100_000)}))
    time.sleep(1.5)  # it looks once a second


def test_what_matters_less_gives_way_first(ingest: RunningIngest, key: str) -> None:
    assert refused(ingest, key) == set()
    fill(ingest, key, 0.55)
    assert refused(ingest, key) == SAMPLES
    fill(ingest, key, 0.8)
    assert refused(ingest, key) == SAMPLES | EXTRAS
    fill(ingest, key, 1.01)
    assert refused(ingest, key) == SAMPLES | EXTRAS | {"event"}
    told = ingest.outcomes()
    assert told["transaction", "rate_limited", "pressure"] == 2
    assert told["error", "rate_limited", "spool_full"] >= 1
    assert {category for category, _, _ in told} >= set(CATEGORIES.values())


@pytest.mark.parametrize(
    ("age_s", "expected"), [(SAMPLES_AGE_S, SAMPLES), (EXTRAS_AGE_S, SAMPLES | EXTRAS), (86_400, SAMPLES | EXTRAS)]
)
def test_errors_do_not_give_way_to_age(ingest: RunningIngest, key: str, age_s: int, expected: set[str]) -> None:
    """Digest may be stopped for a day: on disk, errors can wait."""
    post(ingest, key, "event")
    ingest.clock.advance(age_s)
    time.sleep(1.5)
    assert refused(ingest, key) == expected


def test_a_failure_run_is_judged_while_thousands_of_events_wait(
    database: Database,
    project: object,
    digest: Digest,
    spool_writer: SpoolWriter,
    spool_item: Callable[..., SpoolItem],
    spool_path: Path,
    clock: VirtualClock,
) -> None:
    """One round of the worker is one batch of each lane and then the rules; signals do not queue behind events."""
    events = [
        spool_item("event", {"message": f"no seat {number}"}, event_id=f"{number:032x}")
        for number in range(10 * BATCH_ITEMS)
    ]
    counts = RequestCounts(
        version=1,
        instance=Instance("ab" * 16),
        buckets=[],
        since_request_ms=10,
        since_success_ms=None,
        failures_ms=[10 * number for number in range(10, 0, -1)],
        failure_count=10,
    )
    asyncio.run(spool_writer.append(events))
    asyncio.run(spool_writer.append([spool_item(REQUEST_COUNTS_ITEM, counts)]))

    digest.step(clock)
    Alerts(database, rules_file.load(None), {}, "https://errors.example.org").step(clock)

    assert look(spool_path).items == 9 * BATCH_ITEMS
    with database.read() as tx:
        opened = {one.rule for one in incidents.recent(tx, 50)}
    assert "API downtime" in opened


def test_a_measure_that_fails_does_not_end_the_accounting(
    database: Database, project: object, spool_path: Path, now_us: int, key: str
) -> None:
    """The task that measures also hands over what was refused, and nobody would notice that it is gone."""
    ingest = RunningIngest(database, spool_path, now_us, measure=lambda _: 1 // 0)
    time.sleep(1.2)
    assert post(ingest, key, "log")[0] == 200
    time.sleep(1.2)
    handed_over = ingest.spooled("item_type")
    ingest.stop()
    assert handed_over == [("ukemi_outcomes",)]
