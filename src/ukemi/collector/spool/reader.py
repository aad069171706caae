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


class SpoolReader:
    def __init__(self, path: Path) -> None:
        self._connection = open_spool(path)
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
        """Delete the items of `lane` up to position `upto`, and when nothing waits any more empty the log file too."""
        begin(self._connection)
        try:
            self._connection.execute("DELETE FROM item WHERE lane = ? AND position <= ?", (lane, upto))
            self._connection.execute("COMMIT")
        except sqlite3.Error:  # the disk is full, say
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        if self._connection.execute("SELECT 1 FROM item LIMIT 1").fetchone() is None:
            # Raw payloads also stand in the log until it is emptied. A busy writer is not waited for.
            with contextlib.suppress(sqlite3.OperationalError), not_waiting(self._connection):
                self._give_back()
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _give_back(self) -> None:
        """Cut off what a backlog took of the disk, in short steps between which others may write."""
        while self._connection.execute("PRAGMA freelist_count").fetchone()[0] > SPARE_PAGES + STEP_PAGES:
            before = self._connection.execute("PRAGMA page_count").fetchone()[0]
            self._connection.executescript(f"PRAGMA incremental_vacuum({STEP_PAGES})")
            if self._connection.execute("PRAGMA page_count").fetchone()[0] == before:
                return  # a file that was made before it could be cut

    def close(self) -> None:
        self._connection.close()
