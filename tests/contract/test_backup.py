"""The restore drill: back up while it runs, lose everything, restore, and have it again. From and into both databases."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from ukemi.collector.core.clock import Clock
from ukemi.collector.core.search import Search
from ukemi.collector.digest.worker import Digest
from ukemi.collector.spool.file import last_position
from ukemi.collector.spool.item import Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import backup, issue_detail, issue_list, migrate, projects, schema
from ukemi.collector.store.check import SpoolEnd, check
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import BadBackup, NotEmpty
from ukemi.collector.store.projects import Project

ItemBuilder = Callable[..., SpoolItem]


def event_item(spool_item: ItemBuilder, number: int, issue: int) -> SpoolItem:
    event_id = f"{number:032x}"
    payload = {"event_id": event_id, "message": f"problem {chr(97 + issue)}", "user": {"id": str(number % 3)}}
    return spool_item("event", payload, event_id=event_id)


@pytest.fixture
def filled(
    database: Database, project: Project, digest: Digest, spool_append: Callable, spool_item: ItemBuilder, clock: Clock
) -> Database:
    """A database with three issues of ten events each."""
    spool_append([event_item(spool_item, number, number % 3) for number in range(30)])
    while digest.step(clock):
        pass
    return database


@pytest.fixture
def digest(database: Database, spool_reader: SpoolReader) -> Digest:
    return Digest(database, spool_reader, b"k" * 32, batch_s=60)


@pytest.fixture
def spool_append(spool_writer: SpoolWriter) -> Callable:
    return lambda items: asyncio.run(spool_writer.append(items))


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def everything(database: Database, now_us: int) -> dict[str, object]:
    """The issue list, each issue's page, and each event's body, as the pages would show them."""
    with database.read() as tx:
        rows, _ = issue_list.find(tx, Search(), now_us)
        return {
            row.name: (
                row,
                issue_detail.get(tx, row.project_id, row.id, now_us),
                [
                    issue_detail.event(tx, row.project_id, row.id, line.id)
                    for line in issue_detail.get(tx, row.project_id, row.id, now_us).events
                ],
            )
            for row in rows
        }


def test_what_was_backed_up_is_all_there_after_the_database_was_lost(
    filled: Database, tmp_path: Path, now_us: int
) -> None:
    before = everything(filled, now_us)
    backup.backup(filled, tmp_path / "copy.db")
    with filled.write() as tx:
        for table in reversed(schema.metadata.sorted_tables):
            tx.execute(sa.delete(table))

    found = backup.restore(filled, tmp_path / "copy.db", overwrite=False)

    assert found == backup.Contents(projects=1, issues=3, events=30)
    assert len(before) == 3
    assert everything(filled, now_us) == before
    assert check(filled, None, now_us) == []


def test_numbers_go_on_where_they_were(filled: Database, tmp_path: Path, now_us: int) -> None:
    """On PostgreSQL they come from sequences of their own, which rows alone do not move."""
    backup.backup(filled, tmp_path / "copy.db")
    backup.restore(filled, tmp_path / "copy.db", overwrite=True)
    with filled.write() as tx:
        assert projects.create(tx, "Second", now_us, 90, 30).id == 2


def test_a_backup_of_one_database_can_be_restored_into_the_other(
    filled: Database, tmp_path: Path, now_us: int, request: pytest.FixtureRequest
) -> None:
    """Which is the way from SQLite to PostgreSQL, too."""
    before = everything(filled, now_us)
    backup.backup(filled, tmp_path / "copy.db")
    if filled.is_sqlite:
        with request.getfixturevalue("postgres_server").blank() as url, opened(url) as other:
            backup.restore(other, tmp_path / "copy.db", overwrite=False)
            assert everything(other, now_us) == before
    else:
        with opened(f"sqlite:///{tmp_path / 'other.db'}") as other:
            backup.restore(other, tmp_path / "copy.db", overwrite=False)
            assert everything(other, now_us) == before


def test_a_backup_taken_under_load_agrees_with_itself(
    database: Database,
    project: Project,
    digest: Digest,
    spool_append: Callable,
    spool_item: ItemBuilder,
    clock: Clock,
    tmp_path: Path,
    now_us: int,
) -> None:
    """Each batch writes events, issues, rollups and outcomes together; a backup holds whole batches only."""
    spool_append([event_item(spool_item, number, number % 7) for number in range(4000)])
    worker = threading.Thread(target=lambda: [None for _ in iter(lambda: digest.step(clock), 0)])
    worker.start()
    sizes = []
    while worker.is_alive():
        sizes.append(backup.backup(database, tmp_path / "copy.db").events)
        with opened(f"sqlite:///{tmp_path / 'copy.db'}") as copy:
            assert check(copy, None, now_us) == []
    worker.join()
    assert any(0 < size < 4000 for size in sizes), "none was taken in the middle"
    assert sizes == sorted(sizes)


def test_an_older_backup_with_a_younger_spool_loses_only_what_was_digested_in_between(
    database: Database,
    project: Project,
    digest: Digest,
    spool_reader: SpoolReader,
    spool_append: Callable,
    spool_item: ItemBuilder,
    clock: Clock,
    tmp_path: Path,
    now_us: int,
) -> None:
    """What still waits in the spool is digested after the restore, once; positions of the spool are never reused."""
    spool_append([event_item(spool_item, number, 0) for number in range(10)])
    digest.step(clock)
    backup.backup(database, tmp_path / "copy.db")
    spool_append([event_item(spool_item, number, 0) for number in range(10, 20)])
    digest.step(clock)
    spool_append([event_item(spool_item, number, 0) for number in range(20, 30)])

    backup.restore(database, tmp_path / "copy.db", overwrite=True)
    after = Digest(database, spool_reader, b"k" * 32, batch_s=60)
    while after.step(clock):
        pass

    with database.read() as tx:
        stored = {int.from_bytes(event_id) for event_id in tx.execute(sa.select(schema.event.c.id)).scalars()}
        counted = tx.execute(sa.select(schema.issue.c.event_count)).scalar_one()
    assert stored == {*range(10), *range(20, 30)}
    assert counted == 20
    assert check(database, None, now_us) == []
    assert spool_reader.read(Lane.EVENTS, 0, 100, 1 << 20) == []


def test_a_restore_replaces_nothing_unasked(filled: Database, tmp_path: Path, now_us: int) -> None:
    before = everything(filled, now_us)
    backup.backup(filled, tmp_path / "copy.db")
    with pytest.raises(NotEmpty, match="--force"):
        backup.restore(filled, tmp_path / "copy.db", overwrite=False)
    assert everything(filled, now_us) == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "foreign", "missing"])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    filled: Database, tmp_path: Path, now_us: int, damage: str
) -> None:
    before = everything(filled, now_us)
    path = tmp_path / "copy.db"
    backup.backup(filled, path)
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:5000] + bytes(byte ^ 255 for byte in whole[5000:30000]) + whole[30000:])
    elif damage == "text":
        path.write_text("no database")
    elif damage == "foreign":
        path.unlink()
        with opened(f"sqlite:///{path}") as other, other.write() as tx:
            tx.execute(sa.text("CREATE TABLE something (id INTEGER)"))
    else:
        path.unlink()
    with pytest.raises(BadBackup):
        backup.restore(filled, path, overwrite=True)
    assert everything(filled, now_us) == before
    assert not list(tmp_path.glob(".*.restore*"))


def test_a_backup_that_cannot_be_written_says_so_and_leaves_nothing(filled: Database, tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="cannot be written"):
        backup.backup(filled, tmp_path / "nowhere" / "copy.db")


def test_a_backup_is_for_its_owner_only_and_one_file(filled: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    backup.backup(filled, folder / "copy.db")
    assert [path.name for path in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600


def test_two_nodes_that_start_together_migrate_once(blank_database: Database) -> None:
    failures: list[Exception] = []

    def upgrade() -> None:
        try:
            migrate.upgrade(blank_database)
        except Exception as error:
            failures.append(error)

    nodes = [threading.Thread(target=upgrade) for _ in range(4)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert failures == []
    assert migrate.current(blank_database) is not None


# --- the check finds what is wrong ------------------------------------------------------------------------------------

DAMAGES = {
    "event_without_issue": "UPDATE event SET issue_id = 'gone' WHERE id = (SELECT id FROM event ORDER BY id LIMIT 1)",
    "fingerprint_without_issue": "UPDATE fingerprint SET issue_id = 'gone' WHERE hash = (SELECT hash FROM fingerprint ORDER BY hash LIMIT 1)",
    "event_count": "UPDATE issue SET event_count = 9 WHERE number = 1",
    "rollup_sum": "UPDATE rollup SET event_count = event_count + 1 WHERE width_s = 86400",
    "user_count": "UPDATE issue SET user_count = 0",
    "issue_number": "UPDATE project SET issue_counter = 1",
    "accepted": "UPDATE outcome SET quantity = quantity + 1",
    "bodies": r"UPDATE event SET body = substr(body, 1, 9) WHERE id = (SELECT id FROM event ORDER BY id LIMIT 1)",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_check_finds_each_kind_of_damage(filled: Database, now_us: int, damage: str) -> None:
    assert check(filled, None, now_us) == []
    with filled.write() as tx:
        tx.execute(sa.text(DAMAGES[damage]))
    found = check(filled, None, now_us)
    assert damage in {finding.check for finding in found}
    assert all(finding.count > 0 and finding.message for finding in found)


def test_the_check_finds_a_cursor_beyond_its_spool(
    filled: Database, spool_reader: SpoolReader, spool_path: Path, now_us: int
) -> None:
    end = SpoolEnd(*last_position(spool_path))
    assert end.position == 30
    assert check(filled, end, now_us) == []
    assert [finding.check for finding in check(filled, SpoolEnd(end.spool_id, 20), now_us)] == ["cursor"]


# --- the commands -----------------------------------------------------------------------------------------------------


def run(url: str, data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ukemi.cli.main", "db", *arguments, "--data-dir", str(data_dir)],
        env={**os.environ, "UKEMI_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_do_it_all(filled: Database, database_url: str, tmp_path: Path, now_us: int) -> None:
    data_dir = tmp_path / "data"
    assert "All well" in run(database_url, data_dir, "check").stdout
    copy = str(tmp_path / "copy.db")
    assert json.loads(run(database_url, data_dir, "backup", copy, "--json").stdout) == {
        "projects": 1,
        "issues": 3,
        "events": 30,
    }
    refused = run(database_url, data_dir, "restore", copy)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    done = run(database_url, data_dir, "restore", copy, "--force")
    assert done.returncode == 0, done.stderr
    assert "30 events" in done.stdout
    assert run(database_url, data_dir, "upgrade").returncode == 0
    with opened(database_url) as restored, restored.write() as tx:
        tx.execute(sa.text(DAMAGES["event_count"]))
    sick = run(database_url, data_dir, "check")
    assert sick.returncode == 1
    assert "event_count: " in sick.stdout
    bad = run(database_url, data_dir, "restore", __file__, "--force")
    assert bad.returncode == 1
    assert "no backup" in bad.stderr
