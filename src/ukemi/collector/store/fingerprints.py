"""Which issue a fingerprint belongs to. Several may belong to one."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert


def find(tx: Tx, wanted: Collection[tuple[int, bytes]]) -> dict[tuple[int, bytes], str]:
    """Issue id for each (project_id, hash) that is known."""
    found: dict[tuple[int, bytes], str] = {}
    c = schema.fingerprint.c
    for project_id in {project for project, _ in wanted}:
        hashes = [value for project, value in wanted if project == project_id]
        query = sa.select(c.hash, c.issue_id).where(c.project_id == project_id, c.hash.in_(hashes))
        found |= {(project_id, value): issue_id for value, issue_id in tx.execute(query)}
    return found


def add(tx: Tx, rows: Iterable[tuple[int, bytes, str]]) -> None:
    """Bind (project_id, hash) to an issue id, unless it is bound already."""
    upsert(tx, schema.fingerprint, [{"project_id": p, "hash": h, "issue_id": i} for p, h, i in rows])
