"""How full the spool is, asked often and therefore cheap: two pages of its file are looked at, not the items."""

from pathlib import Path

import msgspec

from ukemi.collector.spool.file import open_spool
from ukemi.collector.spool.item import Lane


class Fill(msgspec.Struct, frozen=True):
    bytes: int
    """In use by waiting items."""
    oldest_us: int | None = None
    """Receipt of the oldest waiting item of the lanes that are not samples."""
    oldest_sample_us: int | None = None


class SpoolGauge:
    def __init__(self, path: Path) -> None:
        self._connection = open_spool(path)

    def read(self) -> Fill:
        oldest = {lane: self._oldest(lane) for lane in Lane}
        others = [at_us for lane, at_us in oldest.items() if lane is not Lane.SAMPLES and at_us is not None]
        return Fill(self._bytes(), min(others, default=None), oldest[Lane.SAMPLES])

    def close(self) -> None:
        self._connection.close()

    def _bytes(self) -> int:
        facts = [self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
        return int(facts[0] - facts[1]) * int(self._connection.execute("PRAGMA page_size").fetchone()[0])

    def _oldest(self, lane: Lane) -> int | None:
        query = "SELECT received_us FROM item WHERE lane = ? ORDER BY position LIMIT 1"
        row = self._connection.execute(query, (lane,)).fetchone()
        return row[0] if row else None
