"""Feedback of people who met an error. It finds its issue through the event, whichever of the two comes first."""

from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

MAX_SHOWN = 50


class FeedbackRow(msgspec.Struct, frozen=True):
    """A row of the table; `schema.feedback` says what each field means."""

    project_id: int
    id: bytes
    event_id: bytes | None
    issue_id: str
    received_us: int
    key_kind: str
    environment: str
    release: str
    name: str
    email: str
    message: str
    url: str


def add(tx: Tx, rows: Sequence[FeedbackRow]) -> None:
    """Write feedback; one of the same id takes the place of the old one, as a second form for one event does."""
    latest = {(row.project_id, row.id): msgspec.structs.asdict(row) for row in rows}
    replace = ["issue_id", "received_us", "name", "email", "message", "url"]
    upsert(tx, schema.feedback, list(latest.values()), replace=replace)


def waits(tx: Tx) -> bool:
    """Whether any feedback waits for the event that it is about."""
    c = schema.feedback.c
    query = sa.select(c.id).where(c.issue_id == "", c.event_id.is_not(None)).limit(1)
    return tx.execute(query).first() is not None


def link(tx: Tx, issues: Mapping[tuple[int, bytes], str]) -> None:
    """File waiting feedback under the issues of events that came: issue id by (project_id, event id)."""
    c = schema.feedback.c
    for project_id in {project for project, _ in issues}:
        ids = [event_id for project, event_id in issues if project == project_id]
        waiting = sa.select(c.event_id).where(c.project_id == project_id, c.event_id.in_(ids), c.issue_id == "")
        for event_id in set(tx.execute(waiting).scalars()):
            mine = (c.project_id == project_id, c.event_id == event_id, c.issue_id == "")
            tx.execute(sa.update(schema.feedback).where(*mine).values(issue_id=issues[project_id, event_id]))


def of_issue(tx: Tx, project_id: int, issue_id: str) -> list[FeedbackRow]:
    """What people said about an issue, newest first."""
    c = schema.feedback.c
    return _rows(tx, c.project_id == project_id, c.issue_id == issue_id)


def without_issue(tx: Tx, project_id: int) -> list[FeedbackRow]:
    """What people said about nothing that is known here, newest first."""
    c = schema.feedback.c
    return _rows(tx, c.project_id == project_id, c.issue_id == "")


def _rows(tx: Tx, *conditions: sa.ColumnElement[bool]) -> list[FeedbackRow]:
    c = schema.feedback.c
    query = (
        sa.select(*(c[name] for name in FeedbackRow.__struct_fields__))
        .where(*conditions)
        .order_by(c.received_us.desc(), c.id)
        .limit(MAX_SHOWN)
    )
    return [FeedbackRow(**row) for row in tx.execute(query).mappings()]
