"""Deleting much without being in anybody's way: in steps, each a short transaction of its own, with a pause behind it."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa

from ukemi.collector.core.clock import MINUTE_US
from ukemi.collector.core.outcome import Outcome
from ukemi.collector.store import outcomes, schema
from ukemi.collector.store.database import Database, Tx

STEP_ROWS = 500

Pause = Callable[[float], bool]
"""Waits so many seconds; True when the process is asked to stop."""


class Stopped(Exception):
    """The process is asked to stop; what is left is done next time."""


def breathe(pause: Pause, took_s: float) -> None:
    """
    Leave the database to others for as long as the last step took it.

    Raises:
        Stopped: the process is asked to stop.
    """
    if pause(min(max(took_s, 0.005), 0.5)):
        raise Stopped


def delete_some(tx: Tx, table: sa.Table, *conditions: Any) -> int:
    """Delete at most STEP_ROWS rows that meet the conditions; returns how many."""
    key = list(table.primary_key.columns)
    step = sa.select(*key).where(*conditions).limit(STEP_ROWS)
    return tx.execute(sa.delete(table).where(sa.tuple_(*key).in_(step))).rowcount


def delete_all(database: Database, table: sa.Table, *conditions: Any, pause: Pause) -> int:
    """
    Delete the rows that meet the conditions in steps; returns how many.

    Raises:
        Stopped: the process is asked to stop.
    """
    total = 0
    while True:
        began_s = time.monotonic()
        with database.write() as tx:
            rows = delete_some(tx, table, *conditions)
        total += rows
        if rows < STEP_ROWS:
            return total
        breathe(pause, time.monotonic() - began_s)


def drop_events(tx: Tx, project_id: int, days: Collection[int], ids: Collection[bytes], fate: Outcome) -> int:
    """
    Delete events of a project with their attachments, and let their outcome say what became of them; returns how many.

    Args:
        days: of receipt.
    """
    c, attached = schema.event.c, schema.attachment.c
    mine = sa.and_(c.project_id == project_id, c.received_day.in_(days), c.id.in_(ids))
    went = tx.execute(sa.delete(schema.event).where(mine).returning(c.received_us)).scalars().all()
    tx.execute(sa.delete(schema.attachment).where(attached.project_id == project_id, attached.event_id.in_(ids)))
    moved: Counter[outcomes.OutcomeKey] = Counter()
    for received_us in went:
        minute_us = received_us - received_us % MINUTE_US
        moved[project_id, minute_us, "error", "accepted", ""] -= 1
        moved[project_id, minute_us, "error", fate.kind, fate.reason] += 1
    outcomes.add(tx, moved)
    return len(went)
