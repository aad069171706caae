"""One issue with all that its page shows."""

from typing import Any

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.change import ChangeDetail
from ukemi.collector.core.clock import DAY_US, HOUR_US, SECOND_US
from ukemi.collector.store import bases, bodies, schema
from ukemi.collector.store.database import Tx
from ukemi.collector.store.errors import NotFound
from ukemi.collector.store.incidents import Incident
from ukemi.collector.store.issues import IssueRow

RECENT_EVENTS = 50
HOURS, DAYS = 24, 30
MAX_TAG_KEYS, MAX_TAG_VALUES = 20, 5
MAX_ACTIVITY = 50


class EventLine(msgspec.Struct, frozen=True):
    id: str
    """32 hex digits."""
    received_us: int
    occurred_us: int
    level: str
    environment: str
    release: str
    user_key: str


class StoredEvent(msgspec.Struct, frozen=True):
    line: EventLine
    body: bytes
    """The scrubbed event, JSON."""
    older: str | None
    """Id of the event before it, if any."""
    newer: str | None


class TagValue(msgspec.Struct, frozen=True):
    value: str
    event_count: int


class Activity(msgspec.Struct, frozen=True):
    kind: str
    at_us: int
    actor: str
    release: str
    note: str
    """What a decision holds on to, in words."""
    until_us: int | None


class IssueDetail(msgspec.Struct, frozen=True):
    issue: IssueRow
    name: str
    project: str
    events: list[EventLine]
    """Newest first, at most 50."""
    per_hour: list[int]
    """The last 24 hours, oldest first."""
    per_day: list[int]
    """The last 30 days, oldest first."""
    tags: dict[str, list[TagValue]]
    """The commonest values of each tag."""
    activity: list[Activity]
    """Newest first."""
    incidents: list[Incident]


def get(tx: Tx, project_id: int, issue_id: str, now_us: int) -> IssueDetail:
    """
    Raises:
        NotFound: the project has no such issue.
    """
    issue, project = schema.issue.c, schema.project.c
    columns = [issue[name] for name in IssueRow.__struct_fields__]
    query = (
        sa.select(*columns, project.slug, project.name.label("project"))
        .join_from(schema.issue, schema.project, project.id == issue.project_id)
        .where(issue.project_id == project_id, issue.id == issue_id)
    )
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound("There is no such issue. Perhaps its events have outlived their retention.")
    per_hour, per_day = _trends(tx, project_id, issue_id, now_us)
    return IssueDetail(
        issue=IssueRow(**{name: row[name] for name in IssueRow.__struct_fields__}),
        name=f"{row['slug'].upper()}-{row['number']}",
        project=row["project"],
        events=_recent(tx, project_id, issue_id),
        per_hour=per_hour,
        per_day=per_day,
        tags=_tags(tx, project_id, issue_id),
        activity=_activity(tx, project_id, issue_id),
        incidents=_incidents(tx, project_id, issue_id),
    )


def event(tx: Tx, project_id: int, issue_id: str, event_id: str | None) -> StoredEvent | None:
    """One event of the issue, or its latest; None when it is not there (any more)."""
    c = schema.event.c
    mine = (c.project_id == project_id, c.issue_id == issue_id)
    query = sa.select(*_LINE, c.body, bases.base_body).select_from(bases.events_with_bases).where(*mine)
    query = query.order_by(c.received_us.desc(), c.id.desc()).limit(1)
    if event_id is not None:
        query = query.where(c.id == bytes.fromhex(event_id))
    row = tx.execute(query).first()
    if row is None:
        return None
    here = sa.tuple_(c.received_us, c.id)
    this = sa.tuple_(sa.literal(row.received_us, sa.BigInteger), sa.literal(row.id, sa.LargeBinary))
    older = sa.select(c.id).where(*mine, here < this).order_by(c.received_us.desc(), c.id.desc()).limit(1)
    newer = sa.select(c.id).where(*mine, here > this).order_by(c.received_us, c.id).limit(1)
    around = tx.execute(sa.select(older.scalar_subquery().label("older"), newer.scalar_subquery().label("newer"))).one()
    return StoredEvent(
        _line(row),
        bodies.decompress(row.body, row.base_body),
        around.older.hex() if around.older else None,
        around.newer.hex() if around.newer else None,
    )


_LINE = [
    schema.event.c[name] for name in ("id", "received_us", "occurred_us", "level", "environment", "release", "user_key")
]


def _line(row: Any) -> EventLine:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's documented way to a row's columns by name
    return EventLine(**{**{column.name: values[column.name] for column in _LINE}, "id": values["id"].hex()})


def _recent(tx: Tx, project_id: int, issue_id: str) -> list[EventLine]:
    c = schema.event.c
    query = (
        sa.select(*_LINE)
        .where(c.project_id == project_id, c.issue_id == issue_id)
        .order_by(c.received_us.desc(), c.id.desc())
        .limit(RECENT_EVENTS)
    )
    return [_line(row) for row in tx.execute(query)]


def _trends(tx: Tx, project_id: int, issue_id: str, now_us: int) -> tuple[list[int], list[int]]:
    """Events of the last hours and of the last days, oldest first."""
    c = schema.rollup.c
    trends = {HOUR_US: [0] * HOURS, DAY_US: [0] * DAYS}
    firsts_us = {
        width_us: now_us - now_us % width_us - (len(trend) - 1) * width_us for width_us, trend in trends.items()
    }
    recent = [
        sa.and_(c.width_s == width_us // SECOND_US, c.bucket_us >= first_us) for width_us, first_us in firsts_us.items()
    ]
    query = (
        sa.select(c.width_s, c.bucket_us, sa.func.sum(c.event_count).label("events"))
        .where(c.project_id == project_id, c.issue_id == issue_id, sa.or_(*recent))
        .group_by(c.width_s, c.bucket_us)
    )
    for row in tx.execute(query):
        width_us = row.width_s * SECOND_US
        if (place := (row.bucket_us - firsts_us[width_us]) // width_us) < len(trends[width_us]):
            trends[width_us][place] += int(row.events)
    return trends[HOUR_US], trends[DAY_US]


def _tags(tx: Tx, project_id: int, issue_id: str) -> dict[str, list[TagValue]]:
    c = schema.issue_tag.c
    rank = sa.func.row_number().over(partition_by=c.key, order_by=(c.event_count.desc(), c.value)).label("rank")
    ranked = (
        sa.select(c.key, c.value, c.event_count, rank)
        .where(c.project_id == project_id, c.issue_id == issue_id)
        .subquery()
    )
    query = sa.select(ranked).where(ranked.c.rank <= MAX_TAG_VALUES).order_by(ranked.c.key, ranked.c.rank)
    tags: dict[str, list[TagValue]] = {}
    for row in tx.execute(query):
        if row.key in tags or len(tags) < MAX_TAG_KEYS:
            tags.setdefault(row.key, []).append(TagValue(row.value, row.event_count))
    return tags


def _activity(tx: Tx, project_id: int, issue_id: str) -> list[Activity]:
    c = schema.change.c
    query = (
        sa.select(c.kind, c.at_us, c.actor, c.detail)
        .where(c.project_id == project_id, c.issue_id == issue_id, c.kind != "event")
        .order_by(c.id.desc())
        .limit(MAX_ACTIVITY)
    )
    return [
        Activity(row.kind, row.at_us, row.actor, detail.release, detail.note, detail.until_us)
        for row in tx.execute(query)
        for detail in [msgspec.json.decode(row.detail, type=ChangeDetail)]
    ]


def _incidents(tx: Tx, project_id: int, issue_id: str) -> list[Incident]:
    table = schema.incident
    query = (
        sa.select(*(table.c[name] for name in Incident.__struct_fields__))
        .where(table.c.project_id == project_id, table.c.issue_id == issue_id)
        .order_by(table.c.opened_us.desc())
        .limit(20)
    )
    return [Incident(**row) for row in tx.execute(query).mappings()]
