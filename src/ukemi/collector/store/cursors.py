"""How far digest has read each spool; written in the transaction that holds the effects of what was read."""

import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert


def position(tx: Tx, spool_id: str, lane: int) -> int:
    """Everything up to this position is digested; 0 for a spool that is new to us."""
    table = schema.spool_cursor
    found = tx.execute(sa.select(table.c.position).where(table.c.spool_id == spool_id, table.c.lane == lane)).scalar()
    return found or 0


def advance(tx: Tx, spool_id: str, lane: int, to: int) -> None:
    upsert(tx, schema.spool_cursor, [{"spool_id": spool_id, "lane": lane, "position": to}], latest=["position"])
