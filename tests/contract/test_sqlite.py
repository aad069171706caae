"""What is SQLite's alone: the file of the main database with several connections."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from ukemi.collector.store.database import Database


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


def test_a_new_connection_waits_for_no_writer(database: Database) -> None:
    """Pages open connections while digest writes; one that waited would hold up its page for as long as a batch takes."""
    other = Database(f"sqlite:///{database.url.database}")
    with database.write() as writing:
        writing.execute(sa.text("DELETE FROM project"))
        began_s = time.monotonic()
        with other.read() as tx:
            assert tx.scalar(sa.text("SELECT count(*) FROM project")) == 0
        assert time.monotonic() - began_s < 10  # who waits, waits for 30 s
    other.close()


def test_a_new_file_can_give_back_space_in_small_steps(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE x (y)"))
        assert tx.scalar(sa.text("PRAGMA auto_vacuum")) == 2
    database.close()
