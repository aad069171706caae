"""
Deletion of one issue, when a person wants it gone with everything that was said of it.

It is off every page with the transaction in which it is asked for: the issue and its fingerprints go, so the next event of the
kind makes a new one. What is left, perhaps a million events, goes in steps that never block digest. Open incidents about it
close first and are told so, as when it is resolved; what the channels keep is theirs. The row of the deletion stays: who, when,
how much.
"""

import contextlib
import time
from typing import Final

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.incident import IncidentChangeKind
from ukemi.collector.core.notification import without_issue
from ukemi.collector.core.outcome import Outcome
from ukemi.collector.store import changes, notifications, schema
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.errors import NotFound
from ukemi.collector.store.steps import STEP_ROWS, Pause, Stopped, breathe, delete_some, drop_events

SETTLE_US: Final = 10 * SECOND_US
"""A batch of digest that knew the issue has long been written after this time, so what it filed there is found, too."""
SHOWN: Final = 50


class Deletion(msgspec.Struct, frozen=True):
    """A row of the table; `schema.deletion` says what each field means."""

    project_id: int
    issue_id: str
    number: int
    actor: str
    asked_us: int
    event_count: int
    done_us: int | None


_COLUMNS = [schema.deletion.c[name] for name in Deletion.__struct_fields__]


def ask(tx: Tx, project_id: int, issue_id: str, *, now_us: int, actor: str) -> None:
    """
    Take an issue off all pages, and leave the rest of it to `step`.

    Raises:
        NotFound: the project has no such issue.
    """
    issue, change, fingerprint = schema.issue.c, schema.change.c, schema.fingerprint.c
    mine = sa.and_(issue.project_id == project_id, issue.id == issue_id)
    row = tx.execute(sa.select(issue.number).where(mine).with_for_update()).first()
    if row is None:
        raise NotFound("There is no such issue.")
    deletion = Deletion(project_id, issue_id, row.number, actor, now_us, 0, None)
    tx.execute(sa.insert(schema.deletion), [msgspec.structs.asdict(deletion)])
    tx.execute(
        sa.delete(schema.fingerprint).where(fingerprint.project_id == project_id, fingerprint.issue_id == issue_id)
    )
    tx.execute(sa.delete(schema.issue).where(mine))
    # Nothing that waits to be judged opens an incident now; those that are open close.
    waiting = (change.project_id == project_id, change.issue_id == issue_id, change.claimed_us.is_(None))
    tx.execute(sa.delete(schema.change).where(*waiting))
    detail = ChangeDetail(received_us=now_us)
    changes.add(tx, [changes.NewChange(project_id, issue_id, ChangeKind.DELETED, now_us, detail, actor)])


def latest(tx: Tx, project_id: int) -> list[Deletion]:
    """The latest deletions of a project, newest first."""
    c = schema.deletion.c
    query = sa.select(*_COLUMNS).where(c.project_id == project_id).order_by(c.asked_us.desc(), c.issue_id).limit(SHOWN)
    return [Deletion(**row) for row in tx.execute(query).mappings()]


def step(database: Database, now_us: int, pause: Pause = lambda _: False) -> int:
    """
    Take one step of the deletions that are at work. Returns rows deleted; 0 when there is nothing to do at present.

    Args:
        pause: called behind a step with the time that others should have.
    """
    c = schema.deletion.c
    with database.read() as tx:
        query = sa.select(*_COLUMNS).where(c.done_us.is_(None)).order_by(c.asked_us, c.issue_id)
        at_work = [Deletion(**row) for row in tx.execute(query).mappings()]
    for one in at_work:
        began_s = time.monotonic()
        with database.write() as tx:
            mine = sa.and_(c.project_id == one.project_id, c.issue_id == one.issue_id)
            # Where several workers share a database, each takes another one.
            if tx.execute(sa.select(c.number).where(mine).with_for_update(skip_locked=True)).first() is None:
                continue
            events, rows = _delete_some(tx, one)
            if events:
                tx.execute(sa.update(schema.deletion).where(mine).values(event_count=c.event_count + events))
            elif not rows and now_us - one.asked_us >= SETTLE_US and not _is_left(tx, one):
                tx.execute(sa.update(schema.deletion).where(mine).values(done_us=now_us))
        if events + rows:
            with contextlib.suppress(Stopped):
                breathe(pause, time.monotonic() - began_s)
            return events + rows
    return 0


def _delete_some(tx: Tx, one: Deletion) -> tuple[int, int]:
    """Delete at most STEP_ROWS rows of whatever is left; returns how many were events, and how many others."""
    event, feedback, change = schema.event.c, schema.feedback.c, schema.change.c
    query = sa.select(event.received_day, event.id).where(
        event.project_id == one.project_id, event.issue_id == one.issue_id
    )
    if found := tx.execute(query.limit(STEP_ROWS)).all():
        days, ids = {row.received_day for row in found}, [row.id for row in found]
        return drop_events(tx, one.project_id, days, ids, Outcome("not_kept", "deleted")), 0
    said = sa.select(feedback.id).where(feedback.project_id == one.project_id, feedback.issue_id == one.issue_id)
    if ids := list(tx.execute(said.limit(STEP_ROWS)).scalars()):
        attached = schema.attachment.c
        tx.execute(
            sa.delete(schema.attachment).where(attached.project_id == one.project_id, attached.event_id.in_(ids))
        )
        gone = (feedback.project_id == one.project_id, feedback.id.in_(ids))
        return 0, tx.execute(sa.delete(schema.feedback).where(*gone)).rowcount
    for table, condition in (
        (schema.event_base, sa.true()),
        (schema.issue_user, sa.true()),
        (schema.issue_tag, sa.true()),
        (schema.rollup, sa.true()),
        (schema.fingerprint, sa.true()),
        (schema.change, change.claimed_us.is_not(None)),
    ):
        mine = (table.c.project_id == one.project_id, table.c.issue_id == one.issue_id, condition)
        if rows := delete_some(tx, table, *mine):
            return 0, rows
    return 0, _forget_incidents(tx, one) or _forget_mentions(tx, one)


def _forget_incidents(tx: Tx, one: Deletion) -> int:
    """Delete the incidents about the issue of which nobody has to be told any more, with what the rules noted of it."""
    c, waiting = schema.incident.c, schema.notification.alias("waiting")
    is_waiting = sa.exists().where(
        waiting.c.project_id == c.project_id, waiting.c.incident_id == c.id, waiting.c.state.in_(["queued", "held"])
    )
    mine = (c.project_id == one.project_id, c.issue_id == one.issue_id)
    over = sa.select(c.id).where(*mine, c.closed_us.is_not(None), ~is_waiting).limit(STEP_ROWS)
    ids = list(tx.execute(over).scalars())
    rows = 0
    for table, column in (
        (schema.incident_change, schema.incident_change.c.incident_id),
        (schema.notification, schema.notification.c.incident_id),
        (schema.incident, c.id),
    ):
        rows += tx.execute(sa.delete(table).where(table.c.project_id == one.project_id, column.in_(ids))).rowcount
    if rows or tx.execute(sa.select(c.id).where(*mine).limit(1)).first():
        return rows
    for table in (schema.rule_state, schema.evaluation):
        about = table.c.labels.contains(f'"issue":"{one.issue_id}"')
        rows += delete_some(tx, table, table.c.project_id == one.project_id, about)
    return rows


def _forget_mentions(tx: Tx, one: Deletion) -> int:
    """Take the issue out of what is kept of other incidents: those that it caused, and digests that told of it."""
    incident, note, told = schema.incident.c, schema.incident_change.c, schema.notification.c
    caused = (incident.project_id == one.project_id, incident.cause_issue_id == one.issue_id)
    ids = list(tx.execute(sa.select(incident.id).where(*caused).limit(STEP_ROWS)).scalars())
    attached = (note.project_id == one.project_id, note.incident_id.in_(ids), note.kind == IncidentChangeKind.ATTACHED)
    tx.execute(sa.update(schema.incident_change).where(*attached).values(because="Its issue was deleted."))
    gone = (incident.project_id == one.project_id, incident.id.in_(ids))
    rows = tx.execute(sa.update(schema.incident).where(*gone).values(cause_issue_id=None)).rowcount
    for notification_id, content in notifications.naming(tx, one.project_id, one.issue_id, STEP_ROWS):
        less = without_issue(content, one.issue_id)
        if less != content:  # else it is of an incident about the issue, and goes with that
            mine = (told.project_id == one.project_id, told.id == notification_id)
            written = msgspec.json.encode(less).decode()
            rows += tx.execute(sa.update(schema.notification).where(*mine).values(content=written)).rowcount
    return rows


def _is_left(tx: Tx, one: Deletion) -> bool:
    """Whether something is left that waits for others: a change for alerts, an incident for its channels."""
    return any(
        tx.execute(
            sa.select(table.c.id).where(table.c.project_id == one.project_id, table.c.issue_id == one.issue_id).limit(1)
        ).first()
        for table in (schema.change, schema.incident)
    )
