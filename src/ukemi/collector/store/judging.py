"""
Which worker judges, how far it has judged, and when nobody did.

The one row of `judging` is the border between digest and alerts: digest shares it while it adds to ticks, the judge takes it for
itself while it judges one. So nothing is added to a tick that was judged, and no tick is judged twice.
"""

import msgspec
import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert


class Judging(msgspec.Struct, frozen=True):
    judge: str
    """Random, of the worker that judges."""
    tick_us: int
    """The last tick judged; 0: none."""


class Pause(msgspec.Struct, frozen=True):
    """Ticks between these two were not judged, for no collector ran. It has been listening since the second."""

    from_us: int
    """The last tick judged before; 0: none ever."""
    until_us: int


NEVER_US = 1 << 62
_ROW = {"id": 1, "judge": "", "tick_us": 0}


def last_tick(tx: Tx) -> int:
    """The last tick judged, 0 if none was; it stays so until the transaction ends."""
    c = schema.judging.c
    return tx.execute(sa.select(c.tick_us).with_for_update(read=True)).scalar() or 0


def take(tx: Tx) -> Judging:
    """How far judging has come; nobody else can judge, nor add to a tick, until the transaction ends."""
    c = schema.judging.c
    query = sa.select(c.judge, c.tick_us).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        upsert(tx, schema.judging, [_ROW])
        row = tx.execute(query).one()
    return Judging(row.judge, row.tick_us)


def put(tx: Tx, now: Judging) -> None:
    tx.execute(sa.update(schema.judging).values(msgspec.structs.asdict(now)))


def add_pause(tx: Tx, pause: Pause) -> None:
    upsert(tx, schema.pause, [msgspec.structs.asdict(pause)], replace=["until_us"])


def pauses(tx: Tx, after_us: int) -> list[Pause]:
    """Those that ended after an instant, in order."""
    c = schema.pause.c
    query = sa.select(c.from_us, c.until_us).where(c.until_us > after_us).order_by(c.from_us)
    return [Pause(row.from_us, row.until_us) for row in tx.execute(query)]


def listening_since(tx: Tx, at_us: int) -> int:
    """End of the last pause before an instant; 0 when there was none."""
    c = schema.pause.c
    return tx.execute(sa.select(sa.func.max(c.until_us)).where(c.until_us <= at_us)).scalar() or 0


def begin(tx: Tx) -> int:
    """The first tick that was judged, as far as that is still known; far in the future when none was."""
    if not last_tick(tx):
        return NEVER_US
    c = schema.pause.c
    return tx.execute(sa.select(c.until_us).where(c.from_us == 0)).scalar() or 0
