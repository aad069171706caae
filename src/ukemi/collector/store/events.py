"""Events as stored: what lists and counts need as columns, the whole of it as a compressed body."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.store import bases, schema
from ukemi.collector.store.database import Tx


class EventRow(msgspec.Struct, frozen=True):
    """A row of the table; `schema.event` says what each field means."""

    project_id: int
    received_day: int
    id: bytes
    issue_id: str
    received_us: int
    occurred_us: int
    key_kind: str
    level: str
    environment: str
    release: str
    title: str
    user_key: str
    body: bytes


def day_of(received_us: int) -> int:
    """Days since the epoch."""
    return received_us // DAY_US


def known(tx: Tx, ids: Collection[tuple[int, bytes]], received_us: Collection[int]) -> set[tuple[int, bytes]]:
    """
    Those of the (project_id, event id) that are stored already.

    Args:
        received_us: when they came this time. Their days and the ones beside are looked at: a client resends within
            minutes, and the clock of a machine may be set.
    """
    c = schema.event.c
    days = _days_around(received_us)
    found: set[tuple[int, bytes]] = set()
    for project_id in {project for project, _ in ids}:
        wanted = [event_id for project, event_id in ids if project == project_id]
        query = sa.select(c.id).where(c.project_id == project_id, c.received_day.in_(days), c.id.in_(wanted))
        found |= {(project_id, event_id) for event_id in tx.execute(query).scalars()}
    return found


def insert(tx: Tx, rows: Sequence[EventRow]) -> None:
    if rows:
        tx.execute(sa.insert(schema.event), [msgspec.structs.asdict(row) for row in rows])


class EventPlace(msgspec.Struct, frozen=True):
    """Where an event was filed: what counting it again needs."""

    issue_id: str
    level: str
    title: str
    environment: str
    release: str
    key_kind: str
    received_day: int
    repeat_count: int
    body: bytes
    base_body: bytes | None


def places(
    tx: Tx, ids: Collection[tuple[int, bytes]], received_us: Collection[int]
) -> dict[tuple[int, bytes], EventPlace]:
    """Where the events of these (project_id, event id) were filed, those of the days around `received_us`."""
    c = schema.event.c
    columns = [c[name] for name in EventPlace.__struct_fields__ if name in c]
    days = _days_around(received_us)
    found: dict[tuple[int, bytes], EventPlace] = {}
    for project_id in {project for project, _ in ids}:
        wanted = [event_id for project, event_id in ids if project == project_id]
        query = sa.select(c.id, *columns, bases.base_body).select_from(bases.events_with_bases)
        query = query.where(c.project_id == project_id, c.received_day.in_(days), c.id.in_(wanted))
        for row in tx.execute(query).mappings():
            found[project_id, row["id"]] = EventPlace(**{name: row[name] for name in EventPlace.__struct_fields__})
    return found


def note_repeats(tx: Tx, totals: Mapping[tuple[int, int, bytes], int]) -> None:
    """Set how often events (project_id, received_day, event id) happened again."""
    c = schema.event.c
    statement = (
        sa.update(schema.event)
        .where(
            c.project_id == sa.bindparam("project"),
            c.received_day == sa.bindparam("day"),
            c.id == sa.bindparam("event"),
        )
        .values(repeat_count=sa.bindparam("total"))
    )
    rows = [{"project": p, "day": day, "event": event, "total": total} for (p, day, event), total in totals.items()]
    if rows:
        tx.execute(statement, rows)


def issue_of(tx: Tx, project_id: int, event_id: str) -> tuple[str, str] | None:
    """Issue id and short name (WWMAA-12) of an event by its id of 32 hex digits; None while it is not stored."""
    event, issue, project = schema.event.c, schema.issue.c, schema.project.c
    query = (
        sa.select(issue.id, project.slug, issue.number)
        .join_from(
            schema.event, schema.issue, sa.and_(issue.project_id == event.project_id, issue.id == event.issue_id)
        )
        .join(schema.project, project.id == event.project_id)
        .where(event.project_id == project_id, event.id == bytes.fromhex(event_id))
    )
    row = tx.execute(query).first()
    return (row.id, f"{row.slug.upper()}-{row.number}") if row else None


def _days_around(received_us: Collection[int]) -> list[int]:
    return sorted({day_of(each) + beside for each in received_us for beside in (-1, 0, 1)})
