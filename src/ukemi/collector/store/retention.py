"""Retention: what is older than its project wants is deleted, in steps small enough that digest never waits long."""

from collections import Counter
from typing import Any

import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US
from ukemi.collector.store import projects, schema
from ukemi.collector.store.database import Database
from ukemi.collector.store.events import day_of

STEP_ROWS = 500
KEEP_MINUTE_ROLLUPS_DAYS = 14
"""So long an alert rule can be replayed exactly."""
KEEP_EVALUATIONS_DAYS = 14
KEEP_SESSION_STATES_DAYS = 6
"""A day longer than messages of a session are taken."""


def apply(database: Database, now_us: int) -> dict[str, int]:
    """
    Delete what has outlived its time; returns rows deleted per table.

    Errors live `keep_errors_days` of their project, performance data `keep_performance_days`, working rows minutes to days.
    """
    with database.read() as tx:
        all_projects = projects.list_projects(tx)
    deleted: Counter[str] = Counter()

    def delete(table: sa.Table, *conditions: Any) -> None:
        deleted[table.name] += _delete(database, table, *conditions)

    for project in all_projects:
        errors_before_us = now_us - project.keep_errors_days * DAY_US
        performance_before_us = now_us - project.keep_performance_days * DAY_US
        for table, condition in (
            (schema.event, schema.event.c.received_day < day_of(errors_before_us)),
            (schema.issue_user, schema.issue_user.c.last_seen_us < errors_before_us),
            (schema.issue_tag, schema.issue_tag.c.last_seen_us < errors_before_us),
            (schema.rollup, schema.rollup.c.bucket_us < errors_before_us),
            (schema.fingerprint, schema.fingerprint.c.issue_id.in_(_outdated_issues(project.id, errors_before_us))),
            (schema.issue, schema.issue.c.last_seen_us < errors_before_us),
            (schema.change, schema.change.c.at_us < errors_before_us),
            (schema.incident, schema.incident.c.closed_us < errors_before_us),
            (schema.notification, schema.notification.c.created_us < errors_before_us),
            (schema.outcome, schema.outcome.c.minute_us < errors_before_us),
            (schema.feedback, schema.feedback.c.received_us < errors_before_us),
            (schema.attachment, schema.attachment.c.received_us < errors_before_us),
            (schema.request_count, schema.request_count.c.bucket_us < performance_before_us),
            (schema.transaction_count, schema.transaction_count.c.bucket_us < performance_before_us),
            (schema.transaction_sample, schema.transaction_sample.c.received_us < performance_before_us),
            (schema.session_count, schema.session_count.c.bucket_us < performance_before_us),
        ):
            delete(table, table.c.project_id == project.id, condition)
    minutes_before_us = now_us - KEEP_MINUTE_ROLLUPS_DAYS * DAY_US
    for table in (schema.rollup, schema.request_count, schema.transaction_count, schema.session_count):
        delete(table, table.c.width_s == 60, table.c.bucket_us < minutes_before_us)
    delete(
        schema.request_count, schema.request_count.c.width_s == 10, schema.request_count.c.bucket_us < now_us - DAY_US
    )
    delete(schema.request_bucket, schema.request_bucket.c.bucket_us < now_us - 30 * MINUTE_US)
    delete(schema.session_state, schema.session_state.c.last_seen_us < now_us - KEEP_SESSION_STATES_DAYS * DAY_US)
    delete(schema.instance, schema.instance.c.last_report_us < now_us - DAY_US)
    delete(schema.change, schema.change.c.kind == "event", schema.change.c.claimed_us < now_us - HOUR_US)
    delete(schema.evaluation, schema.evaluation.c.at_us < now_us - KEEP_EVALUATIONS_DAYS * DAY_US)
    delete(schema.session, schema.session.c.expires_us < now_us)
    delete(schema.sign_in_link, schema.sign_in_link.c.expires_us < now_us)
    return {table: rows for table, rows in deleted.items() if rows}


def _outdated_issues(project_id: int, before_us: int) -> sa.Select[tuple[str]]:
    c = schema.issue.c
    return sa.select(c.id).where(c.project_id == project_id, c.last_seen_us < before_us)


def _delete(database: Database, table: sa.Table, *conditions: Any) -> int:
    """Delete the rows in steps of STEP_ROWS, each a transaction of its own."""
    key = list(table.primary_key.columns)
    total = 0
    while True:
        step = sa.select(*key).where(*conditions).limit(STEP_ROWS)
        with database.write() as tx:
            rows = tx.execute(sa.delete(table).where(sa.tuple_(*key).in_(step))).rowcount
        total += rows
        if rows < STEP_ROWS:
            return total
