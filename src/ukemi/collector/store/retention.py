"""
Retention: what is older than its project wants is deleted, in steps small enough that digest never waits long.

An issue whose events are all too old goes with them, and would come back as a new one; a muted issue stays with its totals,
for a mute is a wish about the problem. Counts outlive events: minutes 14 days, hours 90 days, days two years. Where the
database has a limit in bytes, the oldest events of all projects go first; the totals of their issues stay.
"""

import time
from collections import Counter
from typing import Any

import sqlalchemy as sa
import structlog

from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US
from ukemi.collector.core.outcome import Outcome
from ukemi.collector.store import bases, projects, schema, space
from ukemi.collector.store.database import Database
from ukemi.collector.store.events import day_of
from ukemi.collector.store.projects import Project
from ukemi.collector.store.steps import STEP_ROWS, Pause, Stopped, breathe, delete_all, drop_events

log = structlog.get_logger("ukemi.retention")

OLDEST_ROWS = 20_000
"""Events that are looked for at once when the oldest must go: finding them reads a whole day."""
KEEP_HOUR_ROLLUPS_DAYS = 90
KEEP_DAY_ROLLUPS_DAYS = 730
KEEP_MINUTE_ROLLUPS_DAYS = 14
KEEP_EVALUATIONS_DAYS = 14
KEEP_OBSERVATIONS_DAYS = 14
"""So long an alert rule can be back-tested exactly."""
KEEP_SESSION_STATES_DAYS = 6
"""A day longer than messages of a session are taken."""


def apply(
    database: Database, now_us: int, max_bytes: int | None = None, pause: Pause = lambda _: False
) -> dict[str, int]:
    """
    Delete what has outlived its time; returns rows deleted per table. Space that became free goes back to the disk.

    Errors live `keep_errors_days` of their project, performance data `keep_performance_days`, working rows minutes to days.

    Args:
        max_bytes: of the whole database; None for no limit.
        pause: called between steps with the time that others should have.
    """
    deleted: Counter[str] = Counter()
    try:
        _delete_outdated(database, now_us, deleted, pause)
        if max_bytes is not None:
            _keep_below(database, max_bytes, now_us, deleted, pause)
        for took_s in space.give_back(database):
            breathe(pause, took_s)
    except Stopped:
        pass
    return {table: rows for table, rows in deleted.items() if rows}


def _delete_outdated(database: Database, now_us: int, deleted: Counter[str], pause: Pause) -> None:
    with database.read() as tx:
        all_projects = [*projects.list_projects(tx), *projects.own(tx)]

    def delete(table: sa.Table, *conditions: Any) -> None:
        deleted[table.name] += delete_all(database, table, *conditions, pause=pause)

    for project in all_projects:
        errors_before_us = now_us - project.keep_errors_days * DAY_US
        performance_before_us = now_us - project.keep_performance_days * DAY_US
        for table, condition in (
            (schema.event, schema.event.c.received_day < day_of(errors_before_us)),
            (schema.event_base, schema.event_base.c.received_day < day_of(errors_before_us)),
            (schema.issue_user, schema.issue_user.c.last_seen_us < errors_before_us),
            (schema.issue_tag, schema.issue_tag.c.last_seen_us < errors_before_us),
            (schema.change, schema.change.c.at_us < errors_before_us),
            (schema.incident, schema.incident.c.closed_us < errors_before_us),
            (schema.incident_change, schema.incident_change.c.incident_id.not_in(_incidents(project.id))),
            (schema.notification, schema.notification.c.created_us < errors_before_us),
            # By the day, as events, so that what was accepted on a day can be compared with what is kept of it.
            (schema.outcome, schema.outcome.c.minute_us < day_of(errors_before_us) * DAY_US),
            (schema.feedback, schema.feedback.c.received_us < errors_before_us),
            (schema.deletion, schema.deletion.c.done_us < errors_before_us),
            (schema.attachment, schema.attachment.c.received_us < errors_before_us),
            (schema.request_count, schema.request_count.c.bucket_us < performance_before_us),
            (schema.transaction_count, schema.transaction_count.c.bucket_us < performance_before_us),
            (schema.transaction_sample, schema.transaction_sample.c.received_us < performance_before_us),
            (schema.session_count, schema.session_count.c.bucket_us < performance_before_us),
        ):
            delete(table, table.c.project_id == project.id, condition)
        deleted.update(_delete_issues(database, project, errors_before_us, pause))
    for width_s, days in (
        (60, KEEP_MINUTE_ROLLUPS_DAYS),
        (3600, KEEP_HOUR_ROLLUPS_DAYS),
        (86400, KEEP_DAY_ROLLUPS_DAYS),
    ):
        for project in all_projects:
            c = schema.rollup.c
            before_us = now_us - days * DAY_US
            delete(schema.rollup, c.project_id == project.id, c.width_s == width_s, c.bucket_us < before_us)
    minutes_before_us = now_us - KEEP_MINUTE_ROLLUPS_DAYS * DAY_US
    for table in (schema.request_count, schema.transaction_count, schema.session_count):
        delete(table, table.c.width_s == 60, table.c.bucket_us < minutes_before_us)
    delete(schema.request_bucket, schema.request_bucket.c.bucket_us < now_us - 30 * MINUTE_US)
    delete(schema.session_state, schema.session_state.c.last_seen_us < now_us - KEEP_SESSION_STATES_DAYS * DAY_US)
    delete(schema.instance, schema.instance.c.last_report_us < now_us - DAY_US)
    observations_before_us = now_us - KEEP_OBSERVATIONS_DAYS * DAY_US
    delete(schema.observation, schema.observation.c.tick_us < observations_before_us)
    delete(schema.pause, schema.pause.c.until_us < observations_before_us)
    later = schema.service_seen.alias()
    delete(  # how a service stood last is kept until that changes
        schema.service_seen,
        schema.service_seen.c.at_us < observations_before_us,
        sa.exists().where(
            later.c.project_id == schema.service_seen.c.project_id,
            later.c.environment == schema.service_seen.c.environment,
            later.c.id > schema.service_seen.c.id,
        ),
    )
    passed = (schema.change.c.kind == "event", schema.change.c.claimed_us.is_not(None))
    delete(schema.change, *passed, ~schema.change.c.is_evidence, schema.change.c.at_us < now_us - HOUR_US)
    delete(schema.change, *passed, schema.change.c.at_us < observations_before_us)
    delete(schema.evaluation, schema.evaluation.c.at_us < now_us - KEEP_EVALUATIONS_DAYS * DAY_US)
    delete(schema.session, schema.session.c.expires_us < now_us)
    delete(schema.sign_in_link, schema.sign_in_link.c.expires_us < now_us)


def _delete_issues(database: Database, project: Project, before_us: int, pause: Pause) -> Counter[str]:
    """Their events, tags and users are gone already, since those are never younger than their issue."""
    deleted: Counter[str] = Counter()
    issue = schema.issue.c
    outdated = sa.and_(issue.project_id == project.id, issue.last_seen_us < before_us, issue.status != "muted")
    while True:
        began_s = time.monotonic()
        with database.write() as tx:
            # Locked on PostgreSQL, so that an event which comes right now either keeps its issue or makes a new one.
            ids = list(tx.execute(sa.select(issue.id).where(outdated).limit(STEP_ROWS).with_for_update()).scalars())
            for table, column in ((schema.fingerprint, schema.fingerprint.c.issue_id), (schema.issue, issue.id)):
                mine = sa.and_(table.c.project_id == project.id, column.in_(ids))
                deleted[table.name] += tx.execute(sa.delete(table).where(mine)).rowcount
        if len(ids) < STEP_ROWS:
            return deleted
        breathe(pause, time.monotonic() - began_s)


def _incidents(project_id: int) -> sa.Select[tuple[str]]:
    return sa.select(schema.incident.c.id).where(schema.incident.c.project_id == project_id)


def _keep_below(database: Database, max_bytes: int, now_us: int, deleted: Counter[str], pause: Pause) -> None:
    """Delete the oldest events until the database is 5 % below its limit; each is counted as `not_kept`, `disk_limit`."""
    with database.read() as tx:
        used = space.used_bytes(tx)
    if used <= max_bytes:
        return
    log.warning("the database is larger than allowed; its oldest events go", bytes=used, max_bytes=max_bytes)
    unused = bases.unused(day_of(now_us) - 1)
    deleted[schema.event_base.name] += delete_all(database, schema.event_base, unused, pause=pause)
    while used > max_bytes * 0.95:
        oldest = _oldest(database)
        if not oldest:
            log.error("the database is larger than allowed, and holds no event any more", bytes=used)
            return
        for begin in range(0, len(oldest), STEP_ROWS):
            began_s = time.monotonic()
            project_id, day = oldest[begin][:2]
            ids = [event_id for _, _, event_id in oldest[begin : begin + STEP_ROWS]]
            with database.write() as tx:
                deleted["event"] += drop_events(tx, project_id, [day], ids, Outcome("not_kept", "disk_limit"))
            with database.read() as tx:
                used = space.used_bytes(tx)
            if used <= max_bytes * 0.95:
                return
            breathe(pause, time.monotonic() - began_s)


def _oldest(database: Database) -> list[tuple[int, int, bytes]]:
    """(project_id, received_day, id) of the oldest events, oldest first, all of the oldest day."""
    c = schema.event.c
    with database.read() as tx:
        first_days = [
            (day, project.id)
            for project in projects.list_projects(tx)
            if (day := tx.execute(sa.select(sa.func.min(c.received_day)).where(c.project_id == project.id)).scalar())
            is not None
        ]
        if not first_days:
            return []
        day, project_id = min(first_days)
        query = (
            sa.select(c.project_id, c.received_day, c.id)
            .where(c.project_id == project_id, c.received_day == day)
            .order_by(c.received_us)
            .limit(OLDEST_ROWS)
        )
        return [tuple(row) for row in tx.execute(query)]
