"""Sessions: the counts that health of releases stands on, and what is remembered of individual ones."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.session import SessionState
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

WIDTHS_S: Final = (60, 3600)
COLUMNS: Final = ("started", "exited", "errored", "unhandled", "crashed", "abnormal")

CountKey = tuple[int, int, str, str, str]
"""project_id, instant of receipt, environment, release, key_kind"""


class Remembered(msgspec.Struct, frozen=True):
    """An individual session, and where its ending was counted."""

    state: SessionState
    counted_us: int
    environment: str
    release: str
    key_kind: str


def add(tx: Tx, counts: Mapping[CountKey, Mapping[str, int]]) -> None:
    """
    Add to the rollups of all widths.

    Args:
        counts: by column of the table; negative where a session left an ending for another.
    """
    sums: dict[tuple[int, int, int, str, str, str], dict[str, int]] = {}
    for (project_id, at_us, environment, release, key_kind), columns in counts.items():
        for width_s in WIDTHS_S:
            bucket_us = at_us - at_us % (width_s * SECOND_US)
            row = sums.setdefault(
                (project_id, width_s, bucket_us, environment, release, key_kind), dict.fromkeys(COLUMNS, 0)
            )
            for name, count in columns.items():
                row[name] += count
    names = ("project_id", "width_s", "bucket_us", "environment", "release", "key_kind")
    rows = [dict(zip(names, key, strict=True)) | row for key, row in sorted(sums.items())]
    upsert(tx, schema.session_count, rows, add=COLUMNS)


def states(tx: Tx, keys: Collection[tuple[int, bytes]]) -> dict[tuple[int, bytes], Remembered]:
    """What is remembered of the sessions (project_id, sid)."""
    c = schema.session_state.c
    found: dict[tuple[int, bytes], Remembered] = {}
    for project_id in {project for project, _ in keys}:
        sids = [sid for project, sid in keys if project == project_id]
        for row in tx.execute(sa.select(schema.session_state).where(c.project_id == project_id, c.sid.in_(sids))):
            state = SessionState(row.sequence, row.is_started, row.status, row.ending or None)
            found[project_id, row.sid] = Remembered(state, row.counted_us, row.environment, row.release, row.key_kind)
    return found


def remember(tx: Tx, sessions: Mapping[tuple[int, bytes], Remembered], now_us: int) -> None:
    rows: list[dict[str, Any]] = [
        {
            "project_id": project_id,
            "sid": sid,
            "sequence": one.state.sequence,
            "is_started": one.state.is_started,
            "status": one.state.status,
            "ending": one.state.ending or "",
            "counted_us": one.counted_us,
            "environment": one.environment,
            "release": one.release,
            "key_kind": one.key_kind,
            "last_seen_us": now_us,
        }
        for (project_id, sid), one in sorted(sessions.items())
    ]
    replace = [name for name in schema.session_state.c.keys() if name not in ("project_id", "sid")]  # noqa: SIM118
    upsert(tx, schema.session_state, rows, replace=replace)


class SessionTotals(msgspec.Struct, frozen=True):
    """The sessions of one release in one environment."""

    environment: str
    release: str
    key_kind: str
    started: int
    exited: int
    errored: int
    unhandled: int
    crashed: int
    abnormal: int

    @property
    def crash_free(self) -> float | None:
        """Share of sessions that did not crash; None without sessions."""
        return 1 - min(self.crashed, self.started) / self.started if self.started else None


def totals(tx: Tx, project_id: int, since_us: int) -> list[SessionTotals]:
    """Sessions since an instant, by environment and release, most first."""
    c = schema.session_count.c
    sums = [sa.func.sum(c[name]).label(name) for name in COLUMNS]
    query = (
        sa.select(c.environment, c.release, c.key_kind, *sums)
        .where(c.project_id == project_id, c.width_s == 3600, c.bucket_us >= since_us - since_us % (3600 * SECOND_US))
        .group_by(c.environment, c.release, c.key_kind)
    )
    found = [
        SessionTotals(row.environment, row.release, row.key_kind, *(int(getattr(row, name)) for name in COLUMNS))
        for row in tx.execute(query)
    ]
    return sorted(found, key=lambda one: -one.started)
