"""The reading end of the spool, for digest: read on from a position, and trim what is digested."""

import contextlib
import sqlite3
from pathlib import Path

import zstandard

from ukemi.collector.spool.file import begin, not_waiting, open_spool
from ukemi.collector.spool.item import Lane, SpoolItem

_READ = """
SELECT position, received_us, project_id, key_kind, item_type, event_id, context, payload
FROM item WHERE lane = ? AND position > ? ORDER BY position LIMIT ?
"""

SPARE_PAGES = 256
"""Free pages that stay in the file: the next items will need them."""
STEP_PAGES = 512
LOG_PAGES = 1024
"""Pages (4 MiB) of the log from which on it is begun anew, also while items come and go."""


class SpoolReader:
    def __init__(self, path: Path) -> None:
        self._connection = open_spool(path)
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")  # see _carry_over
        self._decompressor = zstandard.ZstdDecompressor()
        self.spool_id: str = self._connection.execute("SELECT value FROM fact WHERE name = 'spool_id'").fetchone()[0]
        self._version: int | None = None

    def changed(self) -> bool:
        """Whether anything was committed by others since the last call; True at first. Costs microseconds."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        is_new = version != self._version
        self._version = version
        return bool(is_new)

    def read(self, lane: Lane, after: int, limit: int, max_bytes: int) -> list[SpoolItem]:
        """
        The items of `lane` behind position `after`, in the order they came.

        Args:
            limit: most items.
            max_bytes: stop once their payloads reach this; at least one item is returned, however large.
        """
        items: list[SpoolItem] = []
        total = 0
        with contextlib.closing(self._connection.execute(_READ, (lane, after, limit))) as rows:
            for position, received_us, project_id, key_kind, item_type, event_id, context, compressed in rows:
                payload = self._decompressor.decompress(compressed)
                item = SpoolItem(
                    position, lane, received_us, project_id, key_kind, item_type, event_id, context, payload
                )
                items.append(item)
                total += len(item.payload)
                if total >= max_bytes:
                    break
        return items

    def trim(self, lane: Lane, upto: int) -> None:
        """Delete the items of `lane` up to position `upto`, and give back what they took of the disk."""
        begin(self._connection)
        try:
            self._connection.execute("DELETE FROM item WHERE lane = ? AND position <= ?", (lane, upto))
            self._connection.execute("COMMIT")
        except sqlite3.Error:  # the disk is full, say
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        is_empty = self._connection.execute("SELECT 1 FROM item LIMIT 1").fetchone() is None
        # A busy writer is not waited for.
        with contextlib.suppress(sqlite3.OperationalError), not_waiting(self._connection):
            while self._cut() and is_empty:
                pass
            self._carry_over(is_empty=is_empty)

    def _cut(self) -> bool:
        """
        Cut free pages off the file if they are most of it, in a step so short that others may write in between.

        Pages in use that stand behind them are moved; as the file is at least half free, hardly more than are cut.
        Returns whether that may help once more.
        """
        free = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
        before = self._connection.execute("PRAGMA page_count").fetchone()[0]
        if free <= SPARE_PAGES + STEP_PAGES or free < before - free:
            return False
        self._connection.executescript(f"PRAGMA incremental_vacuum({STEP_PAGES})")
        # A file that was made before it could be cut stays as it is.
        return bool(self._connection.execute("PRAGMA page_count").fetchone()[0] < before)

    def _carry_over(self, *, is_empty: bool) -> None:
        """Carry the log over into the file, so that it stays short; when nothing waits, empty it: payloads stand there, too."""
        if is_empty:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return
        # Writers go on meanwhile, and by what they add the log grows on; the little that this is, is done without them.
        _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > LOG_PAGES:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def close(self) -> None:
        self._connection.close()
