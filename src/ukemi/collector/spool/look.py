"""The spool as seen from beside: how much waits, and for how long. Costs microseconds, however much it is."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from ukemi.collector.spool.item import Lane


class Waiting(msgspec.Struct, frozen=True):
    items: int
    """About: positions may have gaps."""
    bytes: int
    """In use in the file, payloads and all else."""
    oldest_us: int | None
    """Receipt of the oldest; None when nothing waits."""


_ENDS = "SELECT min(position), max(position) FROM item WHERE lane = ?"
_RECEIVED = "SELECT received_us FROM item WHERE position = ?"


def look(path: Path) -> Waiting:
    """
    What waits in the spool at `path`.

    Raises:
        sqlite3.Error: there is no spool, or it cannot be read.
    """
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as connection:
        items, oldest = 0, []
        for lane in Lane:
            first, last = connection.execute(_ENDS, (lane,)).fetchone()
            if first is not None:
                items += last - first + 1
                oldest += [row[0] for row in connection.execute(_RECEIVED, (first,))]
        pages, free, page_bytes = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return Waiting(items, (pages - free) * page_bytes if oldest else 0, min(oldest, default=None))
