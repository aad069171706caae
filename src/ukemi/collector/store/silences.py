"""Silences and maintenance windows, as people made them."""

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.silence import Silence
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx
from ukemi.collector.store.errors import NotFound

_COLUMNS = [schema.silence.c[name] for name in Silence.__struct_fields__]


def add(tx: Tx, silence: Silence) -> None:
    row = msgspec.structs.asdict(silence) | {"matchers": msgspec.json.encode(silence.matchers, order="sorted").decode()}
    tx.execute(sa.insert(schema.silence), [row])


def end(tx: Tx, silence_id: str, now_us: int, *, actor: str) -> None:
    """
    End it for good, now. Nothing happens when somebody did so before.

    Raises:
        NotFound: there is none of this id.
    """
    c = schema.silence.c
    if tx.execute(sa.select(c.id).where(c.id == silence_id)).first() is None:
        raise NotFound(f"There is no silence {silence_id[:40]}.")
    mine = sa.and_(c.id == silence_id, c.ended_us.is_(None))
    tx.execute(sa.update(schema.silence).where(mine).values(ended_us=now_us, ended_by=actor))


def current(tx: Tx, now_us: int) -> list[Silence]:
    """Those that may silence something now or later, oldest first."""
    c = schema.silence.c
    query = (
        sa.select(*_COLUMNS)
        .where(c.ended_us.is_(None), sa.or_(c.weekly, c.ends_us > now_us))
        .order_by(c.created_us, c.id)
    )
    return [_silence(row) for row in tx.execute(query).mappings()]


def past(tx: Tx, now_us: int, limit: int) -> list[Silence]:
    """Those that are over, latest first."""
    c = schema.silence.c
    is_over = sa.or_(c.ended_us.is_not(None), sa.and_(sa.not_(c.weekly), c.ends_us <= now_us))
    query = sa.select(*_COLUMNS).where(is_over).order_by(c.created_us.desc(), c.id).limit(limit)
    return [_silence(row) for row in tx.execute(query).mappings()]


def _silence(row: sa.RowMapping) -> Silence:
    return Silence(**{**row, "matchers": msgspec.json.decode(row["matchers"], type=dict[str, str])})
