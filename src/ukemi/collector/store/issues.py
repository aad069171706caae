"""Issues: made and added to by digest, opened, resolved and muted by people."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import HOUR_US
from ukemi.collector.core.issue import Condition, Standing, Wish, condition_of, note_of
from ukemi.collector.core.release import newest
from ukemi.collector.store import changes, releases, schema
from ukemi.collector.store.database import Tx, upsert
from ukemi.collector.store.errors import NotFound


class IssueRow(msgspec.Struct, frozen=True):
    """A row of the table; `schema.issue` says what each field means."""

    project_id: int
    id: str
    number: int
    status: str
    level: str
    title: str
    culprit: str
    platform: str
    key_kind: str
    grouping: str
    first_release: str
    first_seen_us: int
    last_seen_us: int
    event_count: int
    user_count: int
    last_release: str = ""
    condition: str = "{}"


class IssueDelta(msgspec.Struct, frozen=True):
    """What one batch adds to one known issue."""

    project_id: int
    id: str
    level: str
    title: str
    last_seen_us: int
    event_count: int
    new_users: int
    release: str = ""
    """Of the latest of these events that had one."""


MAX_AT_ONCE = 200
_CHANGE_OF_STATUS = {"resolved": ChangeKind.RESOLVED, "muted": ChangeKind.MUTED, "open": ChangeKind.REOPENED}


def standings(tx: Tx, ids: Collection[tuple[int, str]]) -> dict[tuple[int, str], Standing]:
    """
    How each (project_id, issue_id) stands, of those that are there.

    PostgreSQL keeps them from being deleted before this transaction ends; on SQLite nobody else writes meanwhile.
    """
    c = schema.issue.c
    found: dict[tuple[int, str], Standing] = {}
    for project_id in {project for project, _ in ids}:
        wanted = [issue for project, issue in ids if project == project_id]
        query = sa.select(c.id, *_STANDING).where(c.project_id == project_id, c.id.in_(wanted))
        query = query.with_for_update(read=True, key_share=True)
        found |= {(project_id, row.id): _standing(row) for row in tx.execute(query)}
    return found


_STANDING = [schema.issue.c[name] for name in ("status", "condition", "event_count", "user_count")]


def _standing(row: sa.Row[Any]) -> Standing:
    condition = Condition() if row.condition == "{}" else msgspec.json.decode(row.condition, type=Condition)
    return Standing(row.status, condition, row.event_count, row.user_count)


def next_numbers(tx: Tx, project_id: int, count: int) -> range:
    """The next `count` short numbers of a project."""
    table = schema.project
    last = tx.execute(
        sa.update(table)
        .where(table.c.id == project_id)
        .values(issue_counter=table.c.issue_counter + count)
        .returning(table.c.issue_counter)
    ).scalar_one()
    return range(last - count + 1, last + 1)


def fold(text: str) -> str:
    """`text` as search compares it: without case, in all scripts and the same on every database."""
    return text.casefold()


def insert(tx: Tx, rows: Sequence[IssueRow]) -> None:
    if rows:
        folded = [{"title_folded": fold(row.title), "culprit_folded": fold(row.culprit)} for row in rows]
        tx.execute(
            sa.insert(schema.issue),
            [msgspec.structs.asdict(row) | more for row, more in zip(rows, folded, strict=True)],
        )


def bump(tx: Tx, deltas: Sequence[IssueDelta]) -> None:
    """Add each known issue's part of a batch to its totals; one statement for the whole batch."""
    if not deltas:
        return
    c = schema.issue.c
    latest = sa.func.max if tx.dialect.name == "sqlite" else sa.func.greatest
    tx.execute(
        sa.update(schema.issue)
        .where(c.project_id == sa.bindparam("p"), c.id == sa.bindparam("i"))
        .values(
            level=sa.bindparam("new_level"),
            title=sa.bindparam("new_title"),
            title_folded=sa.bindparam("new_title_folded"),
            last_seen_us=latest(c.last_seen_us, sa.bindparam("seen", type_=sa.BigInteger)),
            last_release=sa.case((sa.bindparam("release") != "", sa.bindparam("release")), else_=c.last_release),
            event_count=c.event_count + sa.bindparam("events"),
            user_count=c.user_count + sa.bindparam("users"),
        ),
        [
            {
                "p": d.project_id,
                "i": d.id,
                "new_level": d.level,
                "new_title": d.title,
                "new_title_folded": fold(d.title),
                "seen": d.last_seen_us,
                "release": d.release,
                "events": d.event_count,
                "users": d.new_users,
            }
            for d in sorted(deltas, key=lambda d: (d.project_id, d.id))
        ],
    )


def reopen(tx: Tx, ids: Collection[tuple[int, str]]) -> None:
    """Set resolved and muted issues to open: an event came. The change is the caller's to write."""
    c = schema.issue.c
    for project_id, issue_id in sorted(ids):
        mine = sa.and_(c.project_id == project_id, c.id == issue_id)
        tx.execute(sa.update(schema.issue).where(mine).values(status="open", condition="{}"))


def set_status(tx: Tx, project_id: int, issue_ids: Collection[str], wish: Wish, *, now_us: int, actor: str) -> int:
    """
    Do what a person wants with some issues of a project, at most 200. Writes the changes as well; none where it is so already.

    Returns how many changed.

    Raises:
        NotFound: the project has none of these issues.
    """
    c = schema.issue.c
    query = sa.select(c.id, c.title, c.culprit, c.level, c.key_kind, *_STANDING).where(
        c.project_id == project_id, c.id.in_(sorted(issue_ids)[:MAX_AT_ONCE])
    )
    rows = tx.execute(query.order_by(c.id)).all()
    if not rows:
        raise NotFound("There is no such issue.")
    current = newest(releases.latest(tx, project_id)) if wish.release else None
    made = []
    for row in rows:
        standing = _standing(row)
        condition = condition_of(wish, standing, current, now_us)
        if (standing.status, standing.condition) == (wish.status, condition):
            continue
        made.append(_change(project_id, row, wish.status, condition, now_us, actor))
        mine = sa.and_(c.project_id == project_id, c.id == row.id)
        written = msgspec.json.encode(condition).decode()
        tx.execute(sa.update(schema.issue).where(mine).values(status=wish.status, condition=written))
    changes.add(tx, made)
    return len(made)


def _change(project_id: int, row: Any, status: str, condition: Condition, now_us: int, actor: str) -> changes.NewChange:
    detail = ChangeDetail(
        title=row.title,
        culprit=row.culprit,
        level=row.level,
        key_kind=row.key_kind,
        received_us=now_us,
        note=note_of(status, condition, _standing(row)),
        until_us=condition.until_us,
    )
    return changes.NewChange(project_id, row.id, _CHANGE_OF_STATUS[status], now_us, detail, actor)


def resolve_idle(tx: Tx, now_us: int) -> int:
    """Resolve open issues of which nothing was seen for as long as their project says. Returns how many."""
    c, project = schema.issue.c, schema.project.c
    idle = (
        sa.select(c.project_id, c.id, c.title, c.culprit, c.level, c.key_kind, *_STANDING, project.resolve_after_hours)
        .join_from(schema.issue, schema.project, project.id == c.project_id)
        .where(
            project.resolve_after_hours > 0,
            c.status == "open",
            c.last_seen_us < now_us - sa.cast(project.resolve_after_hours, sa.BigInteger) * HOUR_US,
        )
        .order_by(c.project_id, c.id)
        .limit(MAX_AT_ONCE)
    )
    rows = tx.execute(idle).all()
    made = []
    for row in rows:
        mine = sa.and_(c.project_id == row.project_id, c.id == row.id)
        tx.execute(sa.update(schema.issue).where(mine).values(status="resolved", condition="{}"))
        change = _change(row.project_id, row, "resolved", Condition(), now_us, "")
        note = f"after {row.resolve_after_hours} h without an event"
        made.append(msgspec.structs.replace(change, detail=msgspec.structs.replace(change.detail, note=note)))
    changes.add(tx, made)
    return len(rows)


def add_tags(tx: Tx, rows: Sequence[dict[str, object]]) -> None:
    """Add to an issue's counts per tag value: project_id, issue_id, key, value, event_count, last_seen_us."""
    upsert(tx, schema.issue_tag, rows, add=["event_count"], latest=["last_seen_us"])


def add_users(tx: Tx, users: Mapping[tuple[int, str], Collection[str]], seen_us: int) -> dict[tuple[int, str], int]:
    """Note who met an issue, by (project_id, issue_id); returns how many were new, per issue."""
    c = schema.issue_user.c
    new = {issue: len(user_keys) for issue, user_keys in users.items()}
    for project_id in {project_id for project_id, _ in users}:
        mine = {issue_id: user_keys for (project, issue_id), user_keys in users.items() if project == project_id}
        query = sa.select(c.issue_id, c.user_key).where(
            c.project_id == project_id,
            c.issue_id.in_(mine),
            c.user_key.in_({key for user_keys in mine.values() for key in user_keys}),
        )
        for issue_id, user_key in tx.execute(query):
            new[project_id, issue_id] -= user_key in mine[issue_id]
    rows = [
        {"project_id": project_id, "issue_id": issue_id, "user_key": user_key, "last_seen_us": seen_us}
        for (project_id, issue_id), user_keys in sorted(users.items())
        for user_key in sorted(user_keys)
    ]
    upsert(tx, schema.issue_user, rows, latest=["last_seen_us"])
    return new
