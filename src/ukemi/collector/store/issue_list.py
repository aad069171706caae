"""
The list of issues: one page of it, with what each row shows.

At most four queries, whatever the page holds, and one for each word of the search.
"""

from typing import Any

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import HOUR_US
from ukemi.collector.core.search import Search
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx
from ukemi.collector.store.issues import fold

PAGE = 50
TREND_HOURS = 24
FEW = 200
"""So many issues that match a word are fetched by their ids. Where more match, a page is full before many were looked at."""


class IssueListRow(msgspec.Struct, frozen=True):
    project_id: int
    id: str
    name: str
    """WWMAA-12"""
    status: str
    level: str
    title: str
    culprit: str
    platform: str
    key_kind: str
    project: str
    first_seen_us: int
    last_seen_us: int
    event_count: int
    user_count: int
    per_hour: list[int]
    """Events in each of the last 24 hours, oldest first."""


class Cursor(msgspec.Struct, frozen=True):
    """Where the next page begins: after this issue."""

    last_seen_us: int
    id: str


def find(
    tx: Tx, search: Search, now_us: int, *, project_id: int | None = None, after: Cursor | None = None
) -> tuple[list[IssueListRow], Cursor | None]:
    """The issues that match, latest first, and where the next page begins (None: this is the last)."""
    issue, project = schema.issue.c, schema.project.c
    query = (
        sa.select(*schema.issue.columns, project.slug, project.name.label("project"))
        .join_from(schema.issue, schema.project, project.id == issue.project_id)
        .where(*_conditions(tx, search))
        .order_by(issue.last_seen_us.desc(), issue.id.desc())
        .limit(PAGE + 1)
    )
    if project_id is not None:
        query = query.where(issue.project_id == project_id)
    if after is not None:
        query = query.where(sa.tuple_(issue.last_seen_us, issue.id) < sa.tuple_(after.last_seen_us, after.id))
    found = tx.execute(query).all()
    shown = found[:PAGE]
    trends = _trends(tx, [(row.project_id, row.id) for row in shown], now_us)
    rows = [
        IssueListRow(
            project_id=row.project_id,
            id=row.id,
            name=f"{row.slug.upper()}-{row.number}",
            status=row.status,
            level=row.level,
            title=row.title,
            culprit=row.culprit,
            platform=row.platform,
            key_kind=row.key_kind,
            project=row.project,
            first_seen_us=row.first_seen_us,
            last_seen_us=row.last_seen_us,
            event_count=row.event_count,
            user_count=row.user_count,
            per_hour=trends.get((row.project_id, row.id), [0] * TREND_HOURS),
        )
        for row in shown
    ]
    more = len(found) > PAGE
    return rows, Cursor(shown[-1].last_seen_us, shown[-1].id) if more else None


def count_by_status(tx: Tx, project_id: int | None) -> dict[str, int]:
    """How many issues are open, resolved and muted."""
    c = schema.issue.c
    query = sa.select(c.status, sa.func.count()).group_by(c.status)
    if project_id is not None:
        query = query.where(c.project_id == project_id)
    return {status: int(count) for status, count in tx.execute(query)}


def _conditions(tx: Tx, search: Search) -> list[sa.ColumnElement[bool]]:
    issue, tag, user = schema.issue.c, schema.issue_tag.c, schema.issue_user.c
    every_project = sa.select(schema.project.c.id)  # the indexes of tags and users begin with it
    wanted: list[sa.ColumnElement[bool]] = []
    if search.status:
        wanted.append(issue.status == search.status)
    for text in map(fold, search.texts):
        found = [column.contains(text, autoescape=True) for column in (issue.title_folded, issue.culprit_folded)]
        ids = sa.select(issue.project_id, issue.id).where(sa.or_(*found))
        wanted.append(_few(tx, ids, otherwise=sa.or_(*found)))
    named = [(schema.issue_tag, sa.and_(tag.key == key, tag.value == value)) for key, value in search.tags]
    named += [(schema.issue_user, user.user_key == key) for key in search.user_keys]
    for table, is_named in named:
        c = table.c
        ids = sa.select(c.project_id, c.issue_id).where(c.project_id.in_(every_project), is_named)
        beside = sa.exists().where(c.project_id == issue.project_id, c.issue_id == issue.id, is_named)
        wanted.append(_few(tx, ids, otherwise=beside))
    return wanted


def _few(tx: Tx, ids: sa.Select[Any], *, otherwise: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """That an issue is one of `ids`, when these are few; else `otherwise`, which says the same of an issue in its row."""
    found = [(int(project_id), str(issue_id)) for project_id, issue_id in tx.execute(ids.limit(FEW + 1))]
    return _among(found, schema.issue.c.project_id, schema.issue.c.id) if len(found) <= FEW else otherwise


def _among(
    ids: list[tuple[int, str]], project_id: sa.ColumnElement[int], issue_id: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    """That a row is of one of these issues. Not as pairs: for those SQLite reads all of the project (benchmarks/scale.py)."""
    by_project: dict[int, list[str]] = {}
    for project, one in ids:
        by_project.setdefault(project, []).append(one)
    return sa.or_(
        sa.false(), *(sa.and_(project_id == project, issue_id.in_(ones)) for project, ones in by_project.items())
    )


def _trends(tx: Tx, issues: list[tuple[int, str]], now_us: int) -> dict[tuple[int, str], list[int]]:
    c = schema.rollup.c
    first_us = now_us - now_us % HOUR_US - (TREND_HOURS - 1) * HOUR_US
    query = (
        sa.select(c.project_id, c.issue_id, c.bucket_us, sa.func.sum(c.event_count).label("events"))
        .where(_among(issues, c.project_id, c.issue_id), c.width_s == 3600, c.bucket_us >= first_us)
        .group_by(c.project_id, c.issue_id, c.bucket_us)
    )
    trends: dict[tuple[int, str], list[int]] = {}
    for row in tx.execute(query) if issues else ():
        hours = trends.setdefault((row.project_id, row.issue_id), [0] * TREND_HOURS)
        if (hour := (row.bucket_us - first_us) // HOUR_US) < TREND_HOURS:
            hours[hour] += int(row.events)
    return trends
