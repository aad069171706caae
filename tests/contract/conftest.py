"""What the contract tests share: a fixed instant, a project, rows of issues, a spool, and an ingest app behind a socket."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.contract.running_ingest import RunningIngest
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.worker import Digest
from ukemi.collector.ingest.admission import LANES
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import issues, outcomes, projects
from ukemi.collector.store.database import Database
from ukemi.collector.store.projects import Project

NOW_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z"""


@pytest.fixture
def now_us() -> int:
    return NOW_US


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_US)


@pytest.fixture
def project(database: Database) -> Project:
    """The first project; its short name is `shop`."""
    with database.write() as tx:
        return projects.create(tx, "Shop", NOW_US, 90, 30)


@pytest.fixture
def issue_row() -> Callable[..., issues.IssueRow]:
    """Build the row of issue number `number` of project 1; further fields as keyword arguments."""

    def build(number: int, **fields: object) -> issues.IssueRow:
        row = issues.IssueRow(
            project_id=1,
            id=f"{number:016x}",
            number=number,
            status="open",
            level="error",
            title=f"ValueError: number {number}",
            culprit="shop.checkout in pay",
            platform="python",
            key_kind="server",
            grouping="{}",
            first_release="",
            first_seen_us=NOW_US,
            last_seen_us=NOW_US,
            event_count=0,
            user_count=0,
        )
        return msgspec.structs.replace(row, **fields)

    return build


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "spool.db"


@pytest.fixture
def spool_writer(spool_path: Path) -> Iterator[SpoolWriter]:
    writer = SpoolWriter(spool_path, max_bytes=1 << 30)
    yield writer
    writer.close()


@pytest.fixture
def spool_reader(spool_path: Path) -> Iterator[SpoolReader]:
    reader = SpoolReader(spool_path)
    yield reader
    reader.close()


@pytest.fixture
def spool_item() -> Callable[..., SpoolItem]:
    """Build an item as ingest would: `spool_item("event", payload)`; further fields as keyword arguments."""

    def build(item_type: str, payload: object, **fields: object) -> SpoolItem:
        context = ItemContext(user_agent=str(fields.pop("user_agent", "")), client_ip="203.0.113.7")
        item = SpoolItem(
            position=0,
            lane=LANES.get(item_type, Lane.SIGNALS),
            received_us=NOW_US,
            project_id=1,
            key_kind="server",
            item_type=item_type,
            event_id="",
            context=msgspec.json.encode(context),
            payload=payload if isinstance(payload, bytes) else msgspec.json.encode(payload),
        )
        return msgspec.structs.replace(item, **fields)

    return build


@pytest.fixture
def start_ingest(
    database: Database, project: Project, spool_path: Path, now_us: int
) -> Iterator[Callable[..., RunningIngest]]:
    """Start an ingest app; settings as keyword arguments."""
    started: list[RunningIngest] = []

    def start(**settings: object) -> RunningIngest:
        started.append(RunningIngest(database, spool_path, now_us, **settings))
        return started[-1]

    yield start
    for one in started:
        if not one.client.is_closed:
            one.stop()


@pytest.fixture
def ingest(start_ingest: Callable[..., RunningIngest]) -> RunningIngest:
    return start_ingest()


@pytest.fixture
def key(database: Database, project: Project, now_us: int) -> str:
    """A server key of project 1."""
    with database.write() as tx:
        return projects.create_key(tx, project.id, "server", now_us).public_key


@pytest.fixture
def browser_key(database: Database, project: Project, now_us: int) -> str:
    with database.write() as tx:
        return projects.create_key(tx, project.id, "browser", now_us).public_key


@pytest.fixture
def limit_key(database: Database, project: Project) -> Callable[..., None]:
    """Limit a key of project 1: `limit_key(key, "error", 10)`."""

    def limit(public_key: str, category: str, per_minute: int) -> None:
        with database.write() as tx:
            projects.limit_key(tx, project.id, public_key, category, per_minute)

    return limit


@pytest.fixture
def digest(database: Database, spool_reader: SpoolReader) -> Digest:
    return Digest(database, spool_reader, b"k" * 32, batch_s=60)


@pytest.fixture
def spool(spool_writer: SpoolWriter, spool_item: Callable[..., SpoolItem]) -> Callable[..., None]:
    """Append one item as ingest would: `spool("event", payload)`; further fields as keyword arguments."""

    def append(item_type: str, payload: object, **fields: object) -> None:
        asyncio.run(spool_writer.append([spool_item(item_type, payload, **fields)]))

    return append


@pytest.fixture
def totals(database: Database) -> Callable[[], dict[tuple[str, str, str], int]]:
    """Quantities of the first project's outcomes by (category, outcome, reason)."""

    def read() -> dict[tuple[str, str, str], int]:
        with database.read() as tx:
            return dict(outcomes.totals(tx, 1, 0))

    return read
