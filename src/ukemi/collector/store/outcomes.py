"""Outcomes: how many items of a category met which fate, per minute."""

from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

OutcomeKey = tuple[int, int, str, str, str]
"""project_id, minute_us, category, outcome, reason"""
_KEY = ("project_id", "minute_us", "category", "outcome", "reason")


def add(tx: Tx, counts: Mapping[OutcomeKey, int]) -> None:
    """Add to the counts."""
    rows = [dict(zip(_KEY, key, strict=True)) | {"quantity": quantity} for key, quantity in sorted(counts.items())]
    upsert(tx, schema.outcome, rows, add=["quantity"])


def totals(tx: Tx, project_id: int, since_us: int) -> Counter[tuple[str, str, str]]:
    """Quantities since an instant by (category, outcome, reason)."""
    c = schema.outcome.c
    query = (
        sa.select(c.category, c.outcome, c.reason, sa.func.sum(c.quantity))
        .where(c.project_id == project_id, c.minute_us >= since_us)
        .group_by(c.category, c.outcome, c.reason)
    )
    return Counter({(category, kind, reason): int(n) for category, kind, reason, n in tx.execute(query)})


def refused(tx: Tx, project_id: int, since_us: int) -> int:
    """How many items of a project were refused because of a limit since an instant."""
    c = schema.outcome.c
    query = sa.select(sa.func.coalesce(sa.func.sum(c.quantity), 0)).where(
        c.project_id == project_id, c.minute_us >= since_us, c.outcome == "rate_limited"
    )
    return int(tx.execute(query).scalar_one())
