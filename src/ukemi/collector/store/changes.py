"""Changes: what befell issues. Written with their cause, claimed once by alerts, kept as the issue's activity."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx


class NewChange(msgspec.Struct, frozen=True):
    project_id: int
    issue_id: str
    kind: ChangeKind
    at_us: int
    detail: ChangeDetail
    actor: str = ""


class Change(msgspec.Struct, frozen=True):
    id: int
    project_id: int
    issue_id: str
    kind: ChangeKind
    at_us: int
    detail: ChangeDetail


def add(tx: Tx, changes: Sequence[NewChange]) -> None:
    """Write changes; alerts will find them."""
    if changes:
        tx.execute(
            sa.insert(schema.change),
            [
                {
                    "project_id": change.project_id,
                    "issue_id": change.issue_id,
                    "kind": change.kind.value,
                    "at_us": change.at_us,
                    "detail": msgspec.json.encode(change.detail).decode(),
                    "actor": change.actor,
                }
                for change in changes
            ],
        )


def claim(tx: Tx, limit: int, now_us: int) -> list[Change]:
    """Take the oldest waiting changes, in their order. Each goes to one caller only, also with several at work."""
    c = schema.change.c
    waiting = sa.select(c.id).where(c.claimed_us.is_(None)).order_by(c.id).limit(limit)
    if tx.dialect.name == "postgresql":
        waiting = waiting.with_for_update(skip_locked=True)
    rows = tx.execute(
        sa.update(schema.change)
        .where(c.id.in_(waiting), c.claimed_us.is_(None))
        .values(claimed_us=now_us)
        .returning(c.id, c.project_id, c.issue_id, c.kind, c.at_us, c.detail)
    ).all()
    return [
        Change(
            row.id,
            row.project_id,
            row.issue_id,
            ChangeKind(row.kind),
            row.at_us,
            msgspec.json.decode(row.detail, type=ChangeDetail),
        )
        for row in sorted(rows, key=lambda row: row.id)
    ]


def keep(tx: Tx, ids: Sequence[int]) -> None:
    """Keep changes that a rule wanted for as long as rules can be back-tested."""
    if ids:
        tx.execute(sa.update(schema.change).where(schema.change.c.id.in_(ids)).values(is_evidence=True))


def claimed_between(tx: Tx, after_us: int, until_us: int) -> list[tuple[int, list[Change]]]:
    """What was claimed together, by the instant of the claim, in order."""
    c = schema.change.c
    query = (
        sa.select(c.id, c.project_id, c.issue_id, c.kind, c.at_us, c.detail, c.claimed_us)
        .where(c.claimed_us > after_us, c.claimed_us <= until_us)
        .order_by(c.claimed_us, c.id)
    )
    found: list[tuple[int, list[Change]]] = []
    for row in tx.execute(query):
        if not found or found[-1][0] != row.claimed_us:
            found.append((row.claimed_us, []))
        detail = msgspec.json.decode(row.detail, type=ChangeDetail)
        found[-1][1].append(Change(row.id, row.project_id, row.issue_id, ChangeKind(row.kind), row.at_us, detail))
    return found
