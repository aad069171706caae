"""Incidents: the times that a rule came true."""

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.rule import Severity
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx


class Incident(msgspec.Struct, frozen=True):
    """A row of the table; `schema.incident` says what each field means."""

    project_id: int
    id: str
    rule: str
    labels: str
    severity: Severity
    title: str
    issue_id: str | None
    environment: str
    culprit: str
    opened_us: int
    closed_us: int | None
    closed_reason: str
    cause_us: int
    explanation: str


_COLUMNS = [schema.incident.c[name] for name in Incident.__struct_fields__]


def open_(tx: Tx, incident: Incident) -> None:
    tx.execute(sa.insert(schema.incident), [msgspec.structs.asdict(incident)])


def close(tx: Tx, project_id: int, incident_id: str, reason: str, now_us: int) -> None:
    c = schema.incident.c
    mine = sa.and_(c.project_id == project_id, c.id == incident_id)
    tx.execute(sa.update(schema.incident).where(mine).values(closed_us=now_us, closed_reason=reason))


def find_open(tx: Tx, project_id: int, rule: str, labels: str) -> Incident | None:
    """The open incident of a rule for these labels."""
    c = schema.incident.c
    mine = (c.project_id == project_id, c.rule == rule, c.labels == labels, c.closed_us.is_(None))
    row = tx.execute(sa.select(*_COLUMNS).where(*mine)).mappings().first()
    return Incident(**row) if row else None


def all_open(tx: Tx) -> list[Incident]:
    query = sa.select(*_COLUMNS).where(schema.incident.c.closed_us.is_(None))
    return [Incident(**row) for row in tx.execute(query).mappings()]


def opened_between(tx: Tx, after_us: int, until_us: int) -> list[Incident]:
    c = schema.incident.c
    query = sa.select(*_COLUMNS).where(c.opened_us > after_us, c.opened_us <= until_us).order_by(c.opened_us)
    return [Incident(**row) for row in tx.execute(query).mappings()]


def recent(tx: Tx, limit: int) -> list[Incident]:
    """Open ones first, then the latest closed."""
    c = schema.incident.c
    query = sa.select(*_COLUMNS).order_by(c.closed_us.is_not(None), c.opened_us.desc()).limit(limit)
    return [Incident(**row) for row in tx.execute(query).mappings()]
