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
    oldest_us: int | None = None
    """Receipt of the oldest of the lanes that are not samples; None when nothing waits there."""
    oldest_sample_us: int | None = None

    @property
    def oldest_of_all_us(self) -> int | None:
        known = [at_us for at_us in (self.oldest_us, self.oldest_sample_us) if at_us is not None]
        return min(known, default=None)


_ENDS = "SELECT min(position), max(position) FROM item WHERE lane = ?"
_RECEIVED = "SELECT received_us FROM item WHERE position = ?"


def look(path: Path) -> Waiting:
    """
    What waits in the spool at `path`.

    Raises:
        sqlite3.Error: there is no spool, or it cannot be read.
    """
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2, isolation_level=None)
    with contextlib.closing(opened) as connection:
        connection.execute("BEGIN")  # one snapshot: digest may take between two statements what the first one saw
        items, ends, oldest = 0, set[int](), dict[Lane, int]()
        for lane in Lane:
            first, last = connection.execute(_ENDS, (lane,)).fetchone()
            if first is not None:
                items += last - first + 1
                ends |= {first, last}
                oldest[lane] = connection.execute(_RECEIVED, (first,)).fetchone()[0]
        pages, free, page_bytes = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    items = min(items, max(ends) - min(ends) + 1) if ends else 0  # lanes take their positions from one row of numbers
    others = [at_us for lane, at_us in oldest.items() if lane is not Lane.SAMPLES]
    return Waiting(
        items, (pages - free) * page_bytes if oldest else 0, min(others, default=None), oldest.get(Lane.SAMPLES)
    )
