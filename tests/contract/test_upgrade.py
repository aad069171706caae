"""A database of any released version opens in this one, and what is in it can be read."""

import runpy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests import released_database
from tests.released_database import EVENTS, ISSUES, NOW_US, read_sql, write_sql
from ukemi.collector.core.search import Search
from ukemi.collector.store import backup, issue_detail, issue_list, migrate, schema
from ukemi.collector.store.check import check
from ukemi.collector.store.database import Database

ADDS_A_COLUMN = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("issue") as table:
        table.add_column(sa.Column("colour", sa.Text(), nullable=False, server_default="red"))
"""


@pytest.fixture(scope="session")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this version would leave behind if it were released now."""
    path = tmp_path_factory.mktemp("released") / "present.sql"
    write_sql(path)
    return path


@pytest.fixture(params=[*sorted(path.name for path in released_database.FOLDER.glob("*.sql")), "present"])
def released(request: pytest.FixtureRequest, present: Path) -> Path:
    return present if request.param == "present" else released_database.FOLDER / request.param


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def read_everything(database: Database) -> int:
    """Look at each issue and each event as the pages do; returns the number of events."""
    with database.read() as tx:
        rows, _ = issue_list.find(tx, Search(), NOW_US)
        assert len(rows) == ISSUES
        seen = 0
        for row in rows:
            detail = issue_detail.get(tx, row.project_id, row.id, NOW_US)
            for line in detail.events:
                stored = issue_detail.event(tx, row.project_id, row.id, line.id)
                assert b"problem" in stored.body
                seen += 1
    return seen


def test_a_database_of_a_released_version_opens_in_this_one(released: Path, tmp_path: Path) -> None:
    read_sql(released, tmp_path / "ukemi.db")
    with opened(f"sqlite:///{tmp_path / 'ukemi.db'}") as database:
        migrate.upgrade(database)
        with database.read() as tx:
            assert compare_metadata(MigrationContext.configure(tx, {"compare_type": True}), schema.metadata) == []
        assert read_everything(database) == EVENTS
        assert check(database, None, NOW_US) == []


def test_a_backup_of_a_released_version_can_be_restored(
    released: Path, tmp_path: Path, blank_database: Database
) -> None:
    """Into both databases."""
    read_sql(released, tmp_path / "backup.db")
    found = backup.restore(blank_database, tmp_path / "backup.db", overwrite=False)
    assert found == backup.Contents(projects=1, issues=ISSUES, events=EVENTS)
    assert read_everything(blank_database) == EVENTS


def test_the_next_version_opens_a_full_database_of_this_one(
    present: Path, tmp_path: Path, blank_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next migration, as it may be, on tables with rows: nothing is lost and the new column is filled."""
    read_sql(present, tmp_path / "backup.db")
    backup.restore(blank_database, tmp_path / "backup.db", overwrite=False)
    folder = tmp_path / "migrations"
    shutil.copytree(migrate._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9001_next.py").write_text(ADDS_A_COLUMN.format(before=migrate.current(blank_database)))
    monkeypatch.setattr(migrate, "_FOLDER", folder)

    migrate.upgrade(blank_database)

    assert migrate.current(blank_database) == "9001"
    with blank_database.read() as tx:
        assert tx.execute(sa.text("SELECT colour FROM issue")).scalars().all() == ["red"] * ISSUES
    assert read_everything(blank_database) == EVENTS
    assert check(blank_database, None, NOW_US) == []


def test_what_a_release_wrote_is_never_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script of the release, as it will be run."""
    (tmp_path / "0.0.1.sql").write_text("old")
    source = (
        Path(released_database.__file__)
        .read_text()
        .replace('Path(__file__).parent / "golden" / "databases"', repr_of(tmp_path))
    )
    (tmp_path / "script.py").write_text(source)
    monkeypatch.setattr("sys.argv", ["released_database", "0.0.1"])
    with pytest.raises(SystemExit, match="never changes"):
        runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")
    monkeypatch.setattr("sys.argv", ["released_database", "0.0.2"])
    runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")
    assert "CREATE TABLE" in (tmp_path / "0.0.2.sql").read_text()


def repr_of(path: Path) -> str:
    return f"Path({str(path)!r})"
