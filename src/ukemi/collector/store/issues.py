"""Issues: made and added to by digest, opened, resolved and muted by people."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.store import changes, schema
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


class IssueDelta(msgspec.Struct, frozen=True):
    """What one batch adds to one known issue."""

    project_id: int
    id: str
    level: str
    title: str
    last_seen_us: int
    event_count: int
    new_users: int


_CHANGE_OF_STATUS = {"resolved": ChangeKind.RESOLVED, "muted": ChangeKind.MUTED, "open": ChangeKind.REOPENED}


def statuses(tx: Tx, ids: Collection[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Status of each (project_id, issue_id)."""
    c = schema.issue.c
    found: dict[tuple[int, str], str] = {}
    for project_id in {project for project, _ in ids}:
        wanted = [issue for project, issue in ids if project == project_id]
        query = sa.select(c.id, c.status).where(c.project_id == project_id, c.id.in_(wanted))
        found |= {(project_id, issue): status for issue, status in tx.execute(query)}
    return found


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
                "events": d.event_count,
                "users": d.new_users,
            }
            for d in sorted(deltas, key=lambda d: (d.project_id, d.id))
        ],
    )


def reopen(tx: Tx, ids: Collection[tuple[int, str]]) -> None:
    """Set resolved issues to open: an event came. The change is the caller's to write."""
    c = schema.issue.c
    for project_id, issue_id in sorted(ids):
        tx.execute(sa.update(schema.issue).where(c.project_id == project_id, c.id == issue_id).values(status="open"))


def set_status(tx: Tx, project_id: int, issue_id: str, status: str, *, now_us: int, actor: str) -> None:
    """
    What a person wants with an issue: `open`, `resolved` or `muted`. Writes the change as well; none if it is so already.

    Raises:
        NotFound: the project has no such issue.
    """
    c = schema.issue.c
    mine = sa.and_(c.project_id == project_id, c.id == issue_id)
    row = tx.execute(sa.select(c.status, c.title, c.culprit, c.level, c.key_kind).where(mine)).first()
    if row is None:
        raise NotFound("There is no such issue.")
    if row.status == status:
        return
    tx.execute(sa.update(schema.issue).where(mine).values(status=status))
    detail = ChangeDetail(
        title=row.title, culprit=row.culprit, level=row.level, key_kind=row.key_kind, received_us=now_us
    )
    changes.add(tx, [changes.NewChange(project_id, issue_id, _CHANGE_OF_STATUS[status], now_us, detail, actor)])


def add_tags(tx: Tx, rows: Sequence[dict[str, object]]) -> None:
    """Add to an issue's counts per tag value: project_id, issue_id, key, value, event_count, last_seen_us."""
    upsert(tx, schema.issue_tag, rows, add=["event_count"], latest=["last_seen_us"])


def add_users(tx: Tx, users: Mapping[tuple[int, str], Collection[str]], seen_us: int) -> dict[tuple[int, str], int]:
    """Note who met an issue, by (project_id, issue_id); returns how many were new, per issue."""
    new: dict[tuple[int, str], int] = {}
    c = schema.issue_user.c
    rows = []
    for (project_id, issue_id), user_keys in sorted(users.items()):
        known = tx.execute(
            sa.select(sa.func.count()).where(
                c.project_id == project_id, c.issue_id == issue_id, c.user_key.in_(user_keys)
            )
        ).scalar_one()
        new[project_id, issue_id] = len(user_keys) - known
        rows += [
            {"project_id": project_id, "issue_id": issue_id, "user_key": user_key, "last_seen_us": seen_us}
            for user_key in sorted(user_keys)
        ]
    upsert(tx, schema.issue_user, rows, latest=["last_seen_us"])
    return new
