"""
The writing end of the spool, for ingest: an append returns when it is on disk.

Commits are grouped: one thread writes; everything that arrived while its last commit ran goes into the next, so a
hundred waiting requests share one fsync.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import zstandard

from ukemi.collector.spool.errors import SpoolError, SpoolFull
from ukemi.collector.spool.file import begin, open_spool
from ukemi.collector.spool.item import SpoolItem

_INSERT = """
INSERT INTO item (lane, received_us, project_id, key_kind, item_type, event_id, context, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_MEASURE_EVERY = 64
"""Commits between two looks at the size of the backlog."""
_LOG_PAGES = 8192
"""
Pages (32 MiB) of the log from which on a commit here also carries it over into the file, while a hundred requests wait for it.
Digest does so whenever it trims, so it only comes to that when digest is stopped.
"""


class _Append(NamedTuple):
    """Items of one request on their way to disk, and how its coroutine learns that they are there."""

    items: Sequence[SpoolItem]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


def _settle(batch: Sequence[_Append], error: SpoolError | None) -> None:
    """Let everybody know, with one call for each event loop, which in a process that serves is one."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for append in batch:
        waiting.setdefault(append.loop, []).append(append.done)
    for loop, futures in waiting.items():
        loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: Sequence[asyncio.Future[None]], error: SpoolError | None) -> None:
    for done in futures:
        if done.done():  # the request was cancelled meanwhile
            continue
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)


class SpoolWriter:
    def __init__(self, path: Path, max_bytes: int, committed: Callable[[], None] = lambda: None) -> None:
        """
        Open the spool at `path` for appending.

        Args:
            max_bytes: size of the waiting items from which on `append` raises SpoolFull.
            committed: called after each commit, in the thread that writes: somebody may wait for what it holds.
        """
        self._committed = committed
        self._connection = open_spool(path)
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        self._compressor = zstandard.ZstdCompressor(level=1)  # other threads run while it works
        self._max_bytes = max_bytes
        self._backlog_bytes = self._measure()
        self._commits = 0
        self._waiting: deque[_Append] = deque()
        self._is_closing = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self._thread.start()

    async def append(self, items: Sequence[SpoolItem]) -> None:
        """
        Write `items` in one commit and return once it is on disk. Their `position` is ignored.

        Raises:
            SpoolFull: nothing was written.
            SpoolError: the spool is closed or cannot be written.
        """
        loop = asyncio.get_running_loop()
        append = _Append(items, loop, loop.create_future())
        with self._wake:
            if self._is_closing:
                raise SpoolError("The spool is closed.")
            self._waiting.append(append)
            self._wake.notify()
        await append.done

    def close(self) -> None:
        """Write what waits, then close."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._is_closing:
                    self._wake.wait()
                if not self._waiting:
                    return
                batch = list(self._waiting)
                self._waiting.clear()
            error = self._commit([item for append in batch for item in append.items])
            _settle(batch, error)
            if not error:
                self._committed()

    def _commit(self, items: list[SpoolItem]) -> SpoolError | None:
        if self._backlog_bytes > self._max_bytes:
            self._backlog_bytes = self._measure()  # digest may have made room
            if self._backlog_bytes > self._max_bytes:
                return SpoolFull(f"More than {self._max_bytes} bytes wait in the spool; digest has fallen behind.")
        rows = [
            (
                i.lane,
                i.received_us,
                i.project_id,
                i.key_kind,
                i.item_type,
                i.event_id,
                i.context,
                self._compressor.compress(i.payload),
            )
            for i in items
        ]
        try:
            begin(self._connection)
            self._connection.executemany(_INSERT, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                return SpoolFull("The disk of the spool is full. Nothing was written; free some space.")
            return SpoolError(f"The spool cannot be written: {error}")
        self._commits += 1
        self._backlog_bytes += sum(len(row[-1]) for row in rows)
        if self._commits % _MEASURE_EVERY == 0 or self._backlog_bytes > self._max_bytes:
            self._backlog_bytes = self._measure()
        return None

    def _measure(self) -> int:
        """Bytes in use; the latest estimate when the file cannot be asked, for this thread must live on."""
        try:
            page_bytes: int = self._connection.execute("PRAGMA page_size").fetchone()[0]
            pages: int = self._connection.execute("PRAGMA page_count").fetchone()[0]
            free: int = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
        except sqlite3.Error:
            return self._backlog_bytes
        return (pages - free) * page_bytes
