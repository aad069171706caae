"""The spool's file with several connections, in one process and in several."""

import asyncio
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ukemi.collector.spool.file import begin, last_position, open_spool
from ukemi.collector.spool.item import Lane, SpoolItem
from ukemi.collector.spool.look import look
from ukemi.collector.spool.reader import SpoolReader
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


def test_a_look_sees_one_moment_whatever_is_taken_meanwhile(
    spool_writer: SpoolWriter, spool_reader: SpoolReader, spool_path: Path, spool_item: Callable[..., SpoolItem]
) -> None:
    """Ingest looks once a second; what digest took between two of its statements must be no news to it."""
    done = threading.Event()

    def carry() -> None:
        for _ in range(150):
            asyncio.run(spool_writer.append([spool_item("event", {"message": "short"})]))
            spool_reader.trim(Lane.EVENTS, 1 << 60)
        done.set()

    carrier = threading.Thread(target=carry)
    carrier.start()
    seen = []
    try:
        while not done.is_set():
            seen.append(look(spool_path))
    finally:
        carrier.join()
    assert {one.items for one in seen} <= {0, 1}
    assert all((one.items == 0) == (one.oldest_us is None) for one in seen)


def disk_bytes(spool_path: Path) -> int:
    """Of the spool with its log."""
    return sum(path.stat().st_size for path in spool_path.parent.glob("spool.db*"))


def test_what_a_backlog_took_of_the_disk_is_given_back(
    spool_writer: SpoolWriter, spool_path: Path, spool_item: Callable[..., SpoolItem]
) -> None:
    reader = SpoolReader(spool_path)
    for _ in range(40):
        many = [spool_item("event", {"message": secrets.token_hex(50_000)}) for _ in range(10)]
        asyncio.run(spool_writer.append(many))
    assert disk_bytes(spool_path) > 16 << 20

    reader.trim(Lane.EVENTS, 400)

    assert disk_bytes(spool_path) < 4 << 20
    asyncio.run(spool_writer.append([spool_item("event", {"message": "next"})]))
    assert [item.position for item in reader.read(Lane.EVENTS, 0, 10, 1 << 20)] == [401]
    assert reader._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()


def test_the_file_shrinks_while_a_backlog_is_digested(
    spool_writer: SpoolWriter, spool_path: Path, spool_item: Callable[..., SpoolItem]
) -> None:
    """Else a backlog takes its disk until the last of it is gone, which under load may be hours."""
    reader = SpoolReader(spool_path)
    items = [spool_item("event", {"message": secrets.token_hex(50_000)}) for _ in range(400)]
    for begin_at in range(0, 400, 20):
        asyncio.run(spool_writer.append(items[begin_at : begin_at + 20]))
    full = disk_bytes(spool_path)

    for upto in range(20, 380, 20):
        reader.trim(Lane.EVENTS, upto)

    assert spool_path.stat().st_size < full / 4
    left = reader.read(Lane.EVENTS, 0, 400, 1 << 30)
    assert [item.payload for item in left] == [item.payload for item in items[360:]]
    assert reader._connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()


def test_the_log_stays_short_while_items_come_and_go(
    spool_writer: SpoolWriter, spool_path: Path, spool_item: Callable[..., SpoolItem]
) -> None:
    """Payloads stand in it as they came, and its bytes count on the disk, too."""
    reader = SpoolReader(spool_path)
    log = spool_path.with_name("spool.db-wal")
    asyncio.run(spool_writer.append([spool_item("event", {"message": secrets.token_hex(50_000)}) for _ in range(200)]))
    assert log.stat().st_size > 8 << 20

    for upto in range(20, 120, 20):  # never all of them
        reader.trim(Lane.EVENTS, upto)
        asyncio.run(spool_writer.append([spool_item("event", {"message": "next"})]))

    assert log.stat().st_size < 5 << 20
    reader.close()


def test_who_appends_and_who_trims_wait_for_each_other(
    spool_writer: SpoolWriter, spool_reader: SpoolReader, spool_path: Path, spool_item: Callable[..., SpoolItem]
) -> None:
    """They take turns many times a second, each as soon as the other one's is over."""
    asyncio.run(spool_writer.append([spool_item("event", {"message": "first"})]))
    other = open_spool(spool_path)
    begin(other)
    trimming = threading.Thread(target=spool_reader.trim, args=(Lane.EVENTS, 1))
    trimming.start()

    async def append() -> None:
        appended = asyncio.create_task(spool_writer.append([spool_item("event", {"message": "second"})]))
        await asyncio.sleep(0.2)
        assert not appended.done()
        assert trimming.is_alive()
        other.execute("COMMIT")
        await asyncio.wait_for(appended, 5)

    asyncio.run(append())
    trimming.join(5)
    assert [item.position for item in spool_reader.read(Lane.EVENTS, 0, 10, 1 << 20)] == [2]
    other.close()
