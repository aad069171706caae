"""
Bases: the first body of each issue and day, which all of its day are told by their difference from.

It lives and dies with them: what retention or a person deletes must not live on in what others refer to. So there is none
for longer than a day, and none for more than an issue.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.store import schema
from ukemi.collector.store.bodies import Base, compress, decompress
from ukemi.collector.store.database import Tx, upsert

MIN_BYTES: Final = 512
"""Shorter bodies are compressed alone."""
_MOST: Final = 64
"""Bases that are kept ready, some 0.3 MB each."""

Key = tuple[int, str, int]
"""project_id, issue_id, received_day"""
_table = schema.event_base
_key = sa.tuple_(_table.c.project_id, _table.c.issue_id, _table.c.received_day)

events_with_bases: Final = schema.event.outerjoin(
    _table,
    sa.and_(
        _table.c.project_id == schema.event.c.project_id,
        _table.c.issue_id == schema.event.c.issue_id,
        _table.c.received_day == schema.event.c.received_day,
    ),
)
"""What to select from where `schema.event.c.body` is read: `base_body` stands beside it."""
base_body: Final = _table.c.body.label("base_body")


class Bases:
    """Those that this process used last, ready for the next event."""

    def __init__(self) -> None:
        self._ready: dict[Key, Base] = {}

    def pack(self, tx: Tx, bodies: Sequence[tuple[Key, bytes]]) -> list[bytes]:
        """Bodies as they are stored. A base that is missing is made of the first body that needs it."""
        keys = {key for key, body in bodies if len(body) >= MIN_BYTES}
        bases = self._find(tx, keys)
        if missing := [key for key in keys if key not in bases]:
            firsts: dict[Key, bytes] = {}
            for key, body in bodies:
                if key in keys and key not in bases and len(body) >= MIN_BYTES:
                    firsts.setdefault(key, body)
            rows = [_row(key, Base(body).name, compress(body)) for key, body in firsts.items()]
            upsert(tx, _table, rows)
            bases |= self._find(tx, missing)  # on PostgreSQL another worker may have been first
        return [
            base.compress(body) if (base := bases.get(key)) is not None and len(body) >= MIN_BYTES else compress(body)
            for key, body in bodies
        ]

    def _find(self, tx: Tx, keys: Collection[Key]) -> dict[Key, Base]:
        if not keys:
            return {}
        c = _table.c
        named = tx.execute(sa.select(c.project_id, c.issue_id, c.received_day, c.name).where(_key.in_(keys)))
        names: dict[Key, bytes] = {(row.project_id, row.issue_id, row.received_day): row.name for row in named}
        # What is ready may be of a transaction that was rolled back, so it is asked for by name.
        found = {key: self._ready[key] for key, name in names.items() if _is_named(self._ready.get(key), name)}
        unknown = [key for key in names if key not in found]
        if unknown:
            query = sa.select(c.project_id, c.issue_id, c.received_day, c.body).where(_key.in_(unknown))
            for row in tx.execute(query):
                found[row.project_id, row.issue_id, row.received_day] = Base(decompress(row.body))
        for key, base in found.items():  # the last used at the end
            self._ready.pop(key, None)
            self._ready[key] = base
        for key in list(self._ready)[:-_MOST]:
            del self._ready[key]
        return found


def unused(before_day: int) -> sa.ColumnElement[bool]:
    """Bases of days before `before_day`, of which no event is there any more. A younger one may get some right now."""
    event = schema.event.c
    day = sa.cast(_table.c.received_day, sa.BigInteger)
    is_used = sa.exists().where(
        event.project_id == _table.c.project_id,
        event.issue_id == _table.c.issue_id,
        event.received_us >= day * DAY_US,
        event.received_us < (day + 1) * DAY_US,
    )
    return sa.and_(_table.c.received_day < before_day, ~is_used)


def _is_named(base: Base | None, name: bytes) -> bool:
    return base is not None and base.name == name


def _row(key: Key, name: bytes, body: bytes) -> dict[str, Any]:
    project_id, issue_id, received_day = key
    return {
        "project_id": project_id,
        "issue_id": issue_id,
        "received_day": received_day,
        "name": name,
        "body": body,
    }
