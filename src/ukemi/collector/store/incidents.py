"""Incidents: the times that a rule came true, what befell each, and who did what about it."""

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import MINUTE_US
from ukemi.collector.core.incident import OWN, STORM, IncidentChangeKind
from ukemi.collector.core.rule import Severity
from ukemi.collector.core.suppression import BURST_S, INHIBITION_GRACE_S, INHIBITS, PASSING, Held, Outage
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx
from ukemi.collector.store.errors import NotFound


class Incident(msgspec.Struct, frozen=True):
    """A row of the table; `schema.incident` says what each field means."""

    project_id: int
    id: str
    rule: str
    condition: str
    labels: str
    severity: Severity
    title: str
    issue_id: str | None
    environment: str
    culprit: str
    opened_us: int
    cause_us: int
    explanation: str
    domain: str = ""
    release: str = ""
    closed_us: int | None = None
    closed_reason: str = ""
    closed_by: str = ""
    acknowledged_us: int | None = None
    acknowledged_by: str = ""
    cause_issue_id: str | None = None
    repeat_us: int = 0
    cooldown_us: int = 0
    held: str = ""
    held_by: str = ""
    told_us: int | None = None
    digest_id: str = ""


class IncidentChange(msgspec.Struct, frozen=True):
    """What befell an incident; `schema.incident_change` says what each field means."""

    project_id: int
    incident_id: str
    kind: IncidentChangeKind
    at_us: int
    actor: str = ""
    because: str = ""
    reason: str = ""


_COLUMNS = [schema.incident.c[name] for name in Incident.__struct_fields__]


def open_(tx: Tx, incident: Incident, because: str) -> None:
    """Write a new incident with the first line of its time line."""
    tx.execute(sa.insert(schema.incident), [msgspec.structs.asdict(incident)])
    note(tx, incident, IncidentChangeKind.OPENED, because, incident.opened_us)


def note(
    tx: Tx,
    incident: Incident,
    kind: IncidentChangeKind,
    because: str,
    now_us: int,
    *,
    actor: str = "",
    reason: str = "",
) -> None:
    """Add a line to the time line. A person's waits to be claimed, so that alerts tells of it."""
    tx.execute(
        sa.insert(schema.incident_change),
        [
            {
                "project_id": incident.project_id,
                "incident_id": incident.id,
                "kind": kind.value,
                "at_us": now_us,
                "actor": actor,
                "because": because,
                "reason": reason,
                "claimed_us": None if actor else now_us,
            }
        ],
    )


def close(tx: Tx, incident: Incident, because: str, now_us: int, *, actor: str = "") -> Incident:
    """Close it; returns it as it is now."""
    _update(tx, incident, closed_us=now_us, closed_reason=because, closed_by=actor, held="", held_by="")
    note(tx, incident, IncidentChangeKind.CLOSED, because, now_us, actor=actor)
    return msgspec.structs.replace(
        incident, closed_us=now_us, closed_reason=because, closed_by=actor, held="", held_by=""
    )


def upgrade(tx: Tx, incident: Incident, severity: Severity, explanation: str, because: str, now_us: int) -> Incident:
    """Raise its severity; returns it as it is now."""
    _update(tx, incident, severity=severity, explanation=explanation)
    note(tx, incident, IncidentChangeKind.UPGRADED, because, now_us)
    return msgspec.structs.replace(incident, severity=severity, explanation=explanation)


def acknowledge(tx: Tx, incident: Incident, now_us: int, *, actor: str) -> None:
    """Somebody has taken it on: it is not repeated any more. Nothing happens when it is closed or acknowledged already."""
    if incident.closed_us is None and incident.acknowledged_us is None:
        _update(tx, incident, acknowledged_us=now_us, acknowledged_by=actor)
        note(tx, incident, IncidentChangeKind.ACKNOWLEDGED, "", now_us, actor=actor)


def resolve(tx: Tx, incident: Incident, now_us: int, *, actor: str) -> None:
    """
    Somebody says that it is over. Its rule starts anew, so that it opens another incident if it still holds.

    Nothing happens when it is closed already.
    """
    if incident.closed_us is not None:
        return
    close(tx, incident, f"Resolved by {actor}.", now_us, actor=actor)
    c = schema.rule_state.c
    mine = (c.project_id == incident.project_id, c.rule == incident.rule, c.labels == incident.labels)
    tx.execute(sa.delete(schema.rule_state).where(*mine))


def reopen(tx: Tx, incident: Incident, now_us: int, *, actor: str) -> None:
    """
    Somebody says that it is not over. It stays open until somebody resolves it, or its rule comes true again and ends.

    Nothing happens when it is open, or when another one of its rule and labels is.
    """
    if incident.closed_us is None or find_open(tx, incident.project_id, incident.rule, incident.labels):
        return
    _update(tx, incident, closed_us=None, closed_reason="", closed_by="", acknowledged_us=None, acknowledged_by="")
    note(tx, incident, IncidentChangeKind.REOPENED, "", now_us, actor=actor)


def hold(tx: Tx, incident: Incident, held: Held | None, now_us: int) -> Incident:
    """Write down why nobody is told, or that this is over; a line for each change. Returns it as it is now."""
    why, by = (held.why.value, held.by) if held else ("", "")
    if (incident.held, incident.held_by) == (why, by):
        return incident
    _update(tx, incident, held=why, held_by=by)
    if held:
        note(tx, incident, IncidentChangeKind.SUPPRESSED, held.because, now_us, reason=why)
    else:
        note(tx, incident, IncidentChangeKind.RELEASED, "", now_us, reason=incident.held)
    return msgspec.structs.replace(incident, held=why, held_by=by)


def told(tx: Tx, incident: Incident, at_us: int | None) -> None:
    """Note when somebody was told of news; of a digest, when it is to be told next."""
    _update(tx, incident, told_us=at_us)


def retitle(tx: Tx, incident: Incident, title: str, release: str) -> Incident:
    """Give a digest the title that its members make."""
    _update(tx, incident, title=title, release=release)
    return msgspec.structs.replace(incident, title=title, release=release)


def attach_cause(tx: Tx, incident: Incident, issue_id: str, because: str, now_us: int) -> Incident:
    """Note the new issue that likely caused it; returns it as it is now."""
    _update(tx, incident, cause_issue_id=issue_id)
    note(tx, incident, IncidentChangeKind.ATTACHED, because, now_us)
    return msgspec.structs.replace(incident, cause_issue_id=issue_id)


def join_digest(tx: Tx, incident: Incident, digest_id: str) -> None:
    _update(tx, incident, digest_id=digest_id)


def claim(tx: Tx, now_us: int) -> list[Incident]:
    """The incidents that people changed since the last call, as they are now; each change goes to one caller only."""
    c = schema.incident_change.c
    rows = tx.execute(
        sa.update(schema.incident_change)
        .where(c.claimed_us.is_(None))
        .values(claimed_us=now_us)
        .returning(c.project_id, c.incident_id)
    )
    return [get(tx, project_id, incident_id) for project_id, incident_id in sorted({(r[0], r[1]) for r in rows})]


def get(tx: Tx, project_id: int, incident_id: str) -> Incident:
    """
    Raises:
        NotFound: the project has no such incident.
    """
    c = schema.incident.c
    row = tx.execute(sa.select(*_COLUMNS).where(c.project_id == project_id, c.id == incident_id)).mappings().first()
    if row is None:
        raise NotFound("There is no such incident. Perhaps it has outlived its retention.")
    return Incident(**row)


def find(tx: Tx, incident_id: str) -> Incident:
    """
    An incident of whatever project.

    Raises:
        NotFound: there is none of this id.
    """
    row = tx.execute(sa.select(*_COLUMNS).where(schema.incident.c.id == incident_id)).mappings().first()
    if row is None:
        raise NotFound(f"There is no incident {incident_id}. See: ukemi incident list")
    return Incident(**row)


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
    """Those that rules opened; digests and incidents about ukemi itself are none of these."""
    c = schema.incident.c
    query = (
        sa.select(*_COLUMNS)
        .where(c.opened_us > after_us, c.opened_us <= until_us, c.condition.not_in([STORM, OWN]))
        .order_by(c.opened_us)
    )
    return [Incident(**row) for row in tx.execute(query).mappings()]


def open_of_condition(tx: Tx, condition: str) -> list[Incident]:
    """Open incidents of one kind of condition, the oldest first."""
    c = schema.incident.c
    query = sa.select(*_COLUMNS).where(c.closed_us.is_(None), c.condition == condition).order_by(c.opened_us, c.id)
    return [Incident(**row) for row in tx.execute(query).mappings()]


def waiting(tx: Tx, now_us: int) -> list[Incident]:
    """Open incidents of which somebody may have to be told now: those held for a while, and those to be repeated."""
    c = schema.incident.c
    is_held = c.held.in_([why.value for why in PASSING])
    is_due = sa.and_(c.repeat_us > 0, c.acknowledged_us.is_(None), c.told_us + c.repeat_us <= now_us)
    query = (
        sa.select(*_COLUMNS)
        .where(c.closed_us.is_(None), c.condition != STORM, sa.or_(is_held, is_due))
        .order_by(c.opened_us, c.id)
    )
    return [Incident(**row) for row in tx.execute(query).mappings()]


def outages(tx: Tx, project_id: int, now_us: int) -> list[Outage]:
    """Incidents of a project that others may follow from: open, or just ended."""
    c = schema.incident.c
    since_us = now_us - round(INHIBITION_GRACE_S * 1_000_000)
    query = (
        sa.select(c.id, c.condition, c.environment, c.title, c.closed_us)
        .where(
            c.project_id == project_id,
            c.condition.in_(list(INHIBITS)),
            sa.or_(c.closed_us.is_(None), c.closed_us > since_us),
        )
        .order_by(c.opened_us)
    )
    return [Outage(*row) for row in tx.execute(query)]


def last_end_us(tx: Tx, incident: Incident) -> int | None:
    """When the latest incident before this one, of the same rule and labels, closed."""
    c = schema.incident.c
    query = sa.select(sa.func.max(c.closed_us)).where(
        c.project_id == incident.project_id,
        c.rule == incident.rule,
        c.labels == incident.labels,
        c.id != incident.id,
        c.opened_us > incident.opened_us - incident.cooldown_us - 24 * 60 * MINUTE_US,
    )
    found = tx.execute(query).scalar_one_or_none()
    return int(found) if found is not None else None


def burst(tx: Tx, incident: Incident) -> int:
    """How many incidents of its rule and project opened shortly before it, itself included."""
    c = schema.incident.c
    query = sa.select(sa.func.count()).where(
        c.project_id == incident.project_id,
        c.rule == incident.rule,
        c.condition == incident.condition,
        c.opened_us > incident.opened_us - round(BURST_S * 1_000_000),
        c.opened_us <= incident.opened_us,
    )
    return int(tx.execute(query).scalar_one())


def open_storm(tx: Tx, project_id: int, rule: str) -> Incident | None:
    """The digest that collects incidents of this rule at present."""
    c = schema.incident.c
    mine = (c.project_id == project_id, c.rule == rule, c.condition == STORM, c.closed_us.is_(None))
    row = tx.execute(sa.select(*_COLUMNS).where(*mine).limit(1)).mappings().first()
    return Incident(**row) if row else None


def members(tx: Tx, digest: Incident, since_us: int = 0) -> list[Incident]:
    """The incidents that a digest tells of and that opened after an instant, oldest first."""
    c = schema.incident.c
    query = (
        sa.select(*_COLUMNS)
        .where(c.project_id == digest.project_id, c.digest_id == digest.id, c.opened_us > since_us)
        .order_by(c.opened_us, c.id)
    )
    return [Incident(**row) for row in tx.execute(query).mappings()]


def recent(
    tx: Tx, limit: int, *, state: str = "", severity: str = "", rule: str = "", project_id: int | None = None
) -> list[Incident]:
    """Open ones first, then the latest closed. `state`: open, closed or "" for both."""
    c = schema.incident.c
    query = sa.select(*_COLUMNS).order_by(c.closed_us.is_not(None), c.opened_us.desc(), c.id).limit(limit)
    if state:
        query = query.where(c.closed_us.is_(None) if state == "open" else c.closed_us.is_not(None))
    if severity:
        query = query.where(c.severity == severity)
    if rule:
        query = query.where(c.rule == rule)
    if project_id is not None:
        query = query.where(c.project_id == project_id)
    return [Incident(**row) for row in tx.execute(query).mappings()]


def count_open(tx: Tx) -> int:
    c = schema.incident.c
    return int(tx.execute(sa.select(sa.func.count()).where(c.closed_us.is_(None))).scalar_one())


def rules(tx: Tx) -> list[str]:
    """Names of the rules that incidents are known of."""
    return list(tx.execute(sa.select(schema.incident.c.rule).distinct().order_by(schema.incident.c.rule)).scalars())


def changes(tx: Tx, project_id: int, incident_id: str) -> list[IncidentChange]:
    """Its time line, oldest first."""
    c = schema.incident_change.c
    query = (
        sa.select(*(c[name] for name in IncidentChange.__struct_fields__))
        .where(c.project_id == project_id, c.incident_id == incident_id)
        .order_by(c.id)
    )
    return [IncidentChange(**{**row, "kind": IncidentChangeKind(row["kind"])}) for row in tx.execute(query).mappings()]


def suppressed(tx: Tx, limit: int) -> list[tuple[IncidentChange, str]]:
    """The latest suppressions with the titles of their incidents, newest first."""
    c, incident = schema.incident_change.c, schema.incident.c
    query = (
        sa.select(*(c[name] for name in IncidentChange.__struct_fields__), incident.title)
        .join_from(
            schema.incident_change,
            schema.incident,
            sa.and_(incident.project_id == c.project_id, incident.id == c.incident_id),
        )
        .where(c.kind == IncidentChangeKind.SUPPRESSED.value)
        .order_by(c.id.desc())
        .limit(limit)
    )
    names = IncidentChange.__struct_fields__
    return [
        (
            IncidentChange(**{**{name: row[name] for name in names}, "kind": IncidentChangeKind(row["kind"])}),
            row["title"],
        )
        for row in tx.execute(query).mappings()
    ]


def key_id(tx: Tx, project_id: int, incident_id: str, channel: str, current: str) -> str:
    """Which key an incident is told to a channel with: the one that it began with, now if it has not begun."""
    c = schema.incident.c
    mine = sa.and_(c.project_id == project_id, c.id == incident_id)
    text = tx.execute(sa.select(c.key_ids).where(mine)).scalar_one_or_none()
    ids = msgspec.json.decode(text, type=dict[str, str]) if text else {}
    if channel not in ids and text is not None:
        ids[channel] = current
        tx.execute(sa.update(schema.incident).where(mine).values(key_ids=msgspec.json.encode(ids).decode()))
    return ids.get(channel, current)


def _update(tx: Tx, incident: Incident, **values: object) -> None:
    c = schema.incident.c
    mine = sa.and_(c.project_id == incident.project_id, c.id == incident.id)
    tx.execute(sa.update(schema.incident).where(mine).values(**values))
