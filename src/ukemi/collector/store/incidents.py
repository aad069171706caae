"""Incidents: the times that a rule came true, what befell each, and who did what about it."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.incident import OWN, STORM, IncidentChangeKind
from ukemi.collector.core.rule import LONGEST_AFTERMATH_S, Severity
from ukemi.collector.core.suppression import BURST_S, INHIBITS, PASSING, Outage
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
    aftermath_us: int = 0
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


def insert(tx: Tx, new: Sequence[Incident]) -> None:
    if new:
        tx.execute(sa.insert(schema.incident), [msgspec.structs.asdict(incident) for incident in new])


def update(tx: Tx, changed: Sequence[tuple[Incident, Incident]]) -> None:
    """
    Write what is different now, and nothing else: people may change the rest meanwhile.

    Args:
        changed: each as it was and as it is now.
    """
    c = schema.incident.c
    rows: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for before, after in changed:
        names = tuple(name for name in Incident.__struct_fields__ if getattr(before, name) != getattr(after, name))
        key = {"its_project": after.project_id, "its_id": after.id}
        rows.setdefault(names, []).append(key | {name: getattr(after, name) for name in names})
    for names, alike in rows.items():
        if names:
            mine = sa.and_(c.project_id == sa.bindparam("its_project"), c.id == sa.bindparam("its_id"))
            values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
            tx.execute(sa.update(schema.incident).where(mine).values(values), alike)


def add_changes(tx: Tx, changes: Sequence[IncidentChange]) -> None:
    """Add lines to the time lines. A person's waits to be claimed, so that alerts tells of it."""
    rows = [
        {**msgspec.structs.asdict(one), "kind": one.kind.value, "claimed_us": None if one.actor else one.at_us}
        for one in changes
    ]
    if rows:
        tx.execute(sa.insert(schema.incident_change), rows)


def acknowledge(tx: Tx, incident: Incident, now_us: int, *, actor: str) -> None:
    """Somebody has taken it on: it is not repeated any more. Nothing happens when it is closed or acknowledged already."""
    if incident.closed_us is None and incident.acknowledged_us is None:
        _change(
            tx,
            incident,
            IncidentChangeKind.ACKNOWLEDGED,
            now_us,
            actor=actor,
            acknowledged_us=now_us,
            acknowledged_by=actor,
        )


def resolve(tx: Tx, incident: Incident, now_us: int, *, actor: str) -> None:
    """
    Somebody says that it is over. Its rule starts anew, so that it opens another incident if it still holds.

    Nothing happens when it is closed already.
    """
    if incident.closed_us is not None:
        return
    because = f"Resolved by {actor}."
    _change(
        tx,
        incident,
        IncidentChangeKind.CLOSED,
        now_us,
        because,
        actor=actor,
        closed_us=now_us,
        closed_reason=because,
        closed_by=actor,
        held="",
        held_by="",
    )
    c = schema.rule_state.c
    mine = (c.project_id == incident.project_id, c.rule == incident.rule, c.labels == incident.labels)
    tx.execute(sa.delete(schema.rule_state).where(*mine))


def reopen(tx: Tx, incident: Incident, now_us: int, *, actor: str) -> None:
    """
    Somebody says that it is not over. It stays open until somebody resolves it, or its rule comes true again and ends.

    Nothing happens when it is open, or when another one of its rule and labels is.
    """
    if incident.closed_us is None or find_open(tx, [(incident.project_id, incident.rule, incident.labels)]):
        return
    _change(
        tx,
        incident,
        IncidentChangeKind.REOPENED,
        now_us,
        actor=actor,
        closed_us=None,
        closed_reason="",
        closed_by="",
        acknowledged_us=None,
        acknowledged_by="",
    )


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


def find_open(tx: Tx, keys: Collection[tuple[int, str, str]]) -> list[Incident]:
    """The open incidents of rules for labels; `keys` are (project_id, rule, labels)."""
    c = schema.incident.c
    wanted, found = sorted(set(keys)), []
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        query = sa.select(*_COLUMNS).where(
            c.closed_us.is_(None),
            c.project_id.in_({project_id for project_id, _, _ in part}),
            c.rule.in_({rule for _, rule, _ in part}),
            c.labels.in_({labels for _, _, labels in part}),
        )
        rows = (Incident(**row) for row in tx.execute(query).mappings())
        found += [one for one in rows if (one.project_id, one.rule, one.labels) in part]
    return found


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


def without_cause(tx: Tx, conditions: Collection[str], since_us: int) -> list[Incident]:
    """Open incidents of some kinds of conditions that opened after an instant and have no likely cause yet."""
    c = schema.incident.c
    query = sa.select(*_COLUMNS).where(
        c.closed_us.is_(None), c.condition.in_(list(conditions)), c.opened_us > since_us, c.cause_issue_id.is_(None)
    )
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
    since_us = now_us - round(LONGEST_AFTERMATH_S * SECOND_US)
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


def last_ends(tx: Tx, project_id: int, rule: str, since_us: int) -> dict[str, int]:
    """When the latest incident of a rule closed since an instant, by labels."""
    c = schema.incident.c
    query = (
        sa.select(c.labels, sa.func.max(c.closed_us))
        .where(c.project_id == project_id, c.rule == rule, c.closed_us > since_us)
        .group_by(c.labels)
    )
    return {labels: int(at_us) for labels, at_us in tx.execute(query)}


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


def key_id(tx: Tx, project_id: int, incident_id: str, channel: str) -> str:
    """Which key an incident is told to a channel with; "" when it has not begun, or is gone."""
    return _key_ids(tx, project_id, incident_id).get(channel, "")


def begin_with_key(tx: Tx, project_id: int, incident_id: str, channel: str, current: str) -> str:
    """Note which key an incident is told to a channel with from now on, unless it has begun; returns the one that counts."""
    ids = _key_ids(tx, project_id, incident_id)
    if channel not in ids:
        ids[channel] = current
        c = schema.incident.c
        mine = sa.and_(c.project_id == project_id, c.id == incident_id)
        tx.execute(sa.update(schema.incident).where(mine).values(key_ids=msgspec.json.encode(ids).decode()))
    return ids[channel]


def _key_ids(tx: Tx, project_id: int, incident_id: str) -> dict[str, str]:
    c = schema.incident.c
    query = sa.select(c.key_ids).where(c.project_id == project_id, c.id == incident_id)
    text = tx.execute(query).scalar_one_or_none()
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}


def _change(
    tx: Tx,
    incident: Incident,
    kind: IncidentChangeKind,
    now_us: int,
    because: str = "",
    *,
    actor: str,
    **fields: Any,
) -> None:
    """What a person did."""
    update(tx, [(incident, msgspec.structs.replace(incident, **fields))])
    add_changes(tx, [IncidentChange(incident.project_id, incident.id, kind, now_us, actor, because)])
