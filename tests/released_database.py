"""
The database as a released version left it, kept as SQL so that later versions prove that they can open it.

At each release: `python -m tests.released_database 0.1.0` writes tests/golden/databases/0.1.0.sql, which is committed and never
changed again. tests/contract/test_upgrade.py opens every file of that folder.
"""

import asyncio
import contextlib
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

import msgspec

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.worker import Digest
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import accounts, backup, migrate, projects
from ukemi.collector.store.database import Database

FOLDER = Path(__file__).parent / "golden" / "databases"
NOW_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z"""
ISSUES, EVENTS = 3, 12


def write_sql(path: Path) -> None:
    """A small database of the present version with something in it, as SQL."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder / 'ukemi.db'}")
        migrate.upgrade(database)
        with database.write() as tx:
            projects.create(tx, "Shop", NOW_US, 90, 30)
            projects.create_key(tx, 1, "server", NOW_US)
            accounts.ensure_account(tx, "owner@example.org", "owner", NOW_US)
        spool = folder / "spool" / "spool.db"
        writer, reader = SpoolWriter(spool, max_bytes=1 << 30), SpoolReader(spool)
        asyncio.run(writer.append([_item(number) for number in range(EVENTS)]))
        digest, clock = Digest(database, reader, b"k" * 32, batch_s=60), VirtualClock(NOW_US)
        while digest.step(clock):
            pass
        writer.close()
        reader.close()
        backup.backup(database, folder / "copy.db")
        database.close()
        with contextlib.closing(sqlite3.connect(folder / "copy.db")) as connection:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(connection.iterdump()) + "\n", "utf-8")


def read_sql(path: Path, into: Path) -> None:
    """Make an SQLite database of what `write_sql` wrote."""
    with contextlib.closing(sqlite3.connect(into)) as connection:
        connection.executescript(path.read_text("utf-8"))


def _item(number: int) -> SpoolItem:
    event_id = f"{number:032x}"
    event = {"event_id": event_id, "message": f"problem {'abc'[number % ISSUES]}", "user": {"id": str(number % 5)}}
    return SpoolItem(
        position=0,
        lane=Lane.EVENTS,
        received_us=NOW_US,
        project_id=1,
        key_kind="server",
        item_type="event",
        event_id=event_id,
        context=msgspec.json.encode(ItemContext()),
        payload=json.dumps(event).encode(),
    )


if __name__ == "__main__":
    target = FOLDER / f"{sys.argv[1]}.sql"
    if target.exists():
        sys.exit(f"{target} is there already, and what a released version wrote never changes.")
    write_sql(target)
    print(f"wrote {target}; commit it")
