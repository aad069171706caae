"""Releases of each project: a release exists from the first event that names it."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from ukemi.collector.core.release import Release
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

LATEST = 200
"""So many are looked at for the newest one."""


def see(tx: Tx, seen: Mapping[tuple[int, str], int]) -> None:
    """Note that events of these (project_id, name) came at these instants."""
    rows = [
        {"project_id": project_id, "name": name, "first_seen_us": at_us, "last_seen_us": at_us}
        for (project_id, name), at_us in sorted(seen.items())
        if name
    ]
    upsert(tx, schema.release, rows, latest=["last_seen_us"])


def find(tx: Tx, wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], Release]:
    """Those of the (project_id, name) that were ever seen."""
    c = schema.release.c
    found: dict[tuple[int, str], Release] = {}
    for project_id in {project for project, _ in wanted}:
        names = [name for project, name in wanted if project == project_id and name]
        query = sa.select(c.name, c.first_seen_us).where(c.project_id == project_id, c.name.in_(names))
        found |= {(project_id, row.name): Release(row.name, row.first_seen_us) for row in tx.execute(query)}
    return found


def latest(tx: Tx, project_id: int) -> list[Release]:
    """The releases that were seen first most recently, latest first."""
    c = schema.release.c
    query = (
        sa.select(c.name, c.first_seen_us)
        .where(c.project_id == project_id)
        .order_by(c.first_seen_us.desc(), c.name.desc())
        .limit(LATEST)
    )
    return [Release(row.name, row.first_seen_us) for row in tx.execute(query)]
