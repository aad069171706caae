"""Blast radius: whom and what an incident hits, and the new issue that likely caused it, as the rows say now."""

from collections.abc import Collection
from typing import Final

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US, MINUTE_US
from ukemi.collector.core.notification import BlastRadius, Line
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx
from ukemi.collector.store.events import day_of
from ukemi.collector.store.incidents import Incident

BEFORE_US: Final = 10 * MINUTE_US
"""What came so long before an incident opened is looked at."""
MOST: Final = 5
SAMPLES: Final = 3
MOST_SUSPECTS: Final = 200


def of_incident(tx: Tx, incident: Incident, base_url: str, now_us: int) -> BlastRadius:
    """
    What is known of its reach, over its time and the minutes before it.

    Args:
        base_url: what the links of the samples begin with; "" makes them paths.
    """
    newest, before = _releases(tx, incident)
    suspect = newest if before else ""
    if incident.issue_id:
        return _of_issue(tx, incident, incident.issue_id, base_url, suspect)
    since_us = incident.opened_us - BEFORE_US
    until_us = incident.closed_us or now_us
    hit = _issues_hit(tx, incident, since_us, until_us)
    events = sum(count for _, count in hit)
    ids = [issue_id for issue_id, _ in hit]
    c = schema.issue_user.c
    users = tx.execute(
        sa.select(sa.func.count(sa.distinct(c.user_key))).where(
            c.project_id == incident.project_id, c.issue_id.in_(ids[:200]), c.last_seen_us >= since_us
        )
    ).scalar_one()
    return BlastRadius(
        events=events,
        users=int(users),
        endpoints=_failing_endpoints(tx, incident, since_us, until_us),
        suspect_release=suspect,
        samples=_samples(tx, incident, ids[:MOST], base_url, since_us, until_us),
    )


class Cause(msgspec.Struct, frozen=True):
    """The issue that likely caused an incident."""

    issue_id: str
    text: str
    """Its short name and its title."""
    is_new: bool
    """It is new, or came back, shortly before; else it has been there, and has most errors of the time."""


def likely_cause(tx: Tx, incident: Incident, route: str, now_us: int) -> Cause | None:
    """
    The error that is new, or came back, shortly before an incident, and has most events since; else the one with most events.

    Args:
        route: that the incident is about, "" when it is about all of the service. Errors of the route come first, and of
            the others only those that are new: a known error elsewhere did not break this route.
    """
    since_us = incident.opened_us - BEFORE_US
    until_us = min(now_us, incident.opened_us + BEFORE_US)
    hit = [issue_id for issue_id, _ in _issues_hit(tx, incident, since_us, now_us)[:MOST_SUSPECTS]]
    if not hit:
        return None
    issue, change, tag = schema.issue.c, schema.change.c, schema.issue_tag.c
    came_back = sa.exists().where(
        change.project_id == issue.project_id,
        change.issue_id == issue.id,
        change.kind == "regressed",
        change.at_us >= since_us,
        change.at_us <= until_us,
    )
    on_route = sa.exists().where(
        tag.project_id == issue.project_id,
        tag.issue_id == issue.id,
        tag.key == "transaction",
        tag.value.in_([route, route.partition(" ")[2]]),
        tag.last_seen_us >= since_us,
    )
    query = (
        sa.select(
            issue.id,
            schema.project.c.slug,
            issue.number,
            issue.title,
            sa.or_(issue.first_seen_us.between(since_us, until_us), came_back).label("is_new"),
            (on_route if route else sa.true()).label("is_here"),
        )
        .join_from(schema.issue, schema.project, schema.project.c.id == issue.project_id)
        .where(issue.project_id == incident.project_id, issue.id.in_(hit), issue.level.in_(["error", "fatal"]))
    )
    suspects = sorted(tx.execute(query), key=lambda row: (not row.is_here, not row.is_new, hit.index(row.id)))
    if not suspects or not (suspects[0].is_here or suspects[0].is_new):
        return None
    first = suspects[0]
    return Cause(first.id, f"{first.slug.upper()}-{first.number}: {first.title}", bool(first.is_new))


def places_hit(tx: Tx, project_ids: Collection[int], since_us: int) -> set[tuple[int, str]]:
    """Where events came since an instant: project_id and environment."""
    c = schema.rollup.c
    query = (
        sa.select(c.project_id, c.environment)
        .where(c.project_id.in_(project_ids), c.width_s == 60, c.bucket_us >= since_us - since_us % MINUTE_US)
        .distinct()
    )
    return {(row.project_id, row.environment) for row in tx.execute(query)}


def _of_issue(tx: Tx, incident: Incident, issue_id: str, base_url: str, suspect: str) -> BlastRadius:
    c, tag = schema.issue.c, schema.issue_tag.c
    mine = (c.project_id == incident.project_id, c.id == issue_id)
    row = tx.execute(sa.select(c.event_count, c.user_count, c.first_release).where(*mine)).first()
    if row is None:
        return BlastRadius()
    endpoints = tx.execute(
        sa.select(tag.value, tag.event_count)
        .where(tag.project_id == incident.project_id, tag.issue_id == issue_id, tag.key == "transaction")
        .order_by(tag.event_count.desc(), tag.value)
        .limit(MOST)
    )
    return BlastRadius(
        events=row.event_count,
        users=row.user_count,
        endpoints=[Line(f"{name} ({count})") for name, count in endpoints],
        first_release=row.first_release,
        suspect_release=suspect,
        samples=_samples(tx, incident, [issue_id], base_url, 0, 1 << 62),
    )


def _issues_hit(tx: Tx, incident: Incident, since_us: int, until_us: int) -> list[tuple[str, int]]:
    """Issues with events in the incident's environment, by how many, most first."""
    c = schema.rollup.c
    total = sa.func.sum(c.event_count).label("total")
    query = (
        sa.select(c.issue_id, total)
        .where(
            c.project_id == incident.project_id,
            c.width_s == 60,
            c.bucket_us >= since_us - since_us % MINUTE_US,
            c.bucket_us <= until_us,
            *([c.environment == incident.environment] if incident.environment else []),
        )
        .group_by(c.issue_id)
        .order_by(total.desc(), c.issue_id)
    )
    return [(row.issue_id, int(row.total)) for row in tx.execute(query)]


def _failing_endpoints(tx: Tx, incident: Incident, since_us: int, until_us: int) -> list[Line]:
    c = schema.request_count.c
    failed = sa.func.sum(sa.case((c.status >= 500, c.request_count), else_=0))
    query = (
        sa.select(c.method, c.route, failed.label("failed"), sa.func.sum(c.request_count).label("total"))
        .where(
            c.project_id == incident.project_id,
            c.width_s == 60,
            c.bucket_us >= since_us - since_us % MINUTE_US,
            c.bucket_us <= until_us,
            *([c.environment == incident.environment] if incident.environment else []),
        )
        .group_by(c.method, c.route)
        .having(failed > 0)
        .order_by(failed.desc(), c.route, c.method)
        .limit(MOST)
    )
    return [Line(f"{row.method} {row.route} ({row.failed} of {row.total} failed)") for row in tx.execute(query)]


def _samples(
    tx: Tx, incident: Incident, issue_ids: list[str], base_url: str, since_us: int, until_us: int
) -> list[Line]:
    c = schema.event.c
    found: list[Line] = []
    for issue_id in issue_ids:
        query = (
            sa.select(c.id, c.title)
            .where(
                c.project_id == incident.project_id,
                c.issue_id == issue_id,
                c.received_us >= since_us,
                c.received_us <= until_us,
                c.received_day >= (day_of(since_us) if since_us else 0),
            )
            .order_by(c.received_us.desc(), c.id)
            .limit(SAMPLES if len(issue_ids) == 1 else 1)
        )
        for row in tx.execute(query):
            path = f"{base_url}/projects/{incident.project_id}/issues/{issue_id}?event={row.id.hex()}"
            found.append(Line(row.title, path))
    return found[:SAMPLES]


def _releases(tx: Tx, incident: Incident) -> tuple[str, str]:
    """The release that came last to the service within a day before the incident, and the one before it; "" if none."""
    c = schema.instance.c
    began = sa.func.min(c.started_us).label("began")
    query = (
        sa.select(c.release, began)
        .where(
            c.project_id == incident.project_id,
            c.release != "",
            *([c.environment == incident.environment] if incident.environment else []),
        )
        .group_by(c.release)
        .having(began <= incident.opened_us)
        .order_by(began.desc())
        .limit(2)
    )
    rows = tx.execute(query).all()
    if len(rows) < 2 or rows[0].began < incident.opened_us - DAY_US:
        return "", ""
    return rows[0].release, rows[1].release
