"""The spool's file with several connections, in one process and in several."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ukemi.collector.spool.file import last_position, open_spool
from ukemi.collector.spool.item import SpoolItem
from ukemi.collector.spool.look import look
from ukemi.collector.spool.writer import SpoolWriter

LOOK_FROM_BESIDE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM item').fetchall(); c.close()"
)


def test_a_second_connection_takes_no_locks_from_the_first(
    spool_writer: SpoolWriter, spool_path: Path, spool_item: Callable[..., SpoolItem]
) -> None:
    """Else the next process that looks and leaves would take itself for the last, and delete the log below the writer."""
    asyncio.run(spool_writer.append([spool_item("event", {"message": "first"})]))
    second = open_spool(spool_path)
    assert last_position(spool_path)[1] == 1
    assert look(spool_path).items == 1

    subprocess.run([sys.executable, "-c", LOOK_FROM_BESIDE, str(spool_path)], check=True)

    assert spool_path.with_name("spool.db-wal").stat().st_size > 0
    asyncio.run(spool_writer.append([spool_item("event", {"message": "second"})]))
    assert second.execute("SELECT count(*) FROM item").fetchone()[0] == 2
    assert second.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    second.close()
