"""
The check of a database: is it whole, and does every number that we keep beside the rows agree with the rows?

All of it reads one snapshot, so it can run beside a working collector.
"""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.store import bases, bodies, projects, schema
from ukemi.collector.store.database import Database, Tx

SHOWN = 5
"""Examples that a finding names."""
BODIES = 1000
"""The latest event bodies that are unpacked."""


class SpoolEnd(msgspec.Struct, frozen=True):
    """How far a spool file has been written."""

    spool_id: str
    position: int
    """The highest position ever given."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be."""

    check: str
    """Short name of what was checked."""
    count: int
    message: str
    """What, with examples, and what it means."""


def check(database: Database, spool: SpoolEnd | None, now_us: int) -> list[Finding]:
    """
    What is wrong with a database of the present schema; nothing, if all is well.

    Args:
        spool: of the spool beside it, if there is one.
    """
    findings: list[Finding] = []
    with database.read() as tx:
        if database.is_sqlite:
            findings += _integrity(tx)
        findings += _foreign_keys(tx)
        for name, query, message in _COUNTED:
            findings += _found(name, tx.execute(sa.text(query)).mappings().all(), message)
        findings += _accepted(tx, now_us)
        findings += _bodies(tx)
        findings += _cursor(tx, spool)
    return findings


def _found(name: str, rows: Sequence[sa.RowMapping], message: str) -> list[Finding]:
    if not rows:
        return []
    examples = "; ".join(", ".join(f"{key} {value}" for key, value in row.items()) for row in rows[:SHOWN])
    return [Finding(name, len(rows), f"{message} {examples}{'; …' if len(rows) > SHOWN else ''}")]


_COUNTED = [
    (
        "event_without_issue",
        """SELECT e.project_id AS project, e.issue_id AS issue, count(*) AS events FROM event e
           LEFT JOIN issue i ON i.project_id = e.project_id AND i.id = e.issue_id
           LEFT JOIN deletion d ON d.project_id = e.project_id AND d.issue_id = e.issue_id AND d.done_us IS NULL
           WHERE i.id IS NULL AND d.issue_id IS NULL GROUP BY e.project_id, e.issue_id""",
        "Events whose issue is not there, so no page shows them:",
    ),
    (
        "fingerprint_without_issue",
        """SELECT f.project_id AS project, f.issue_id AS issue FROM fingerprint f
           LEFT JOIN issue i ON i.project_id = f.project_id AND i.id = f.issue_id WHERE i.id IS NULL""",
        "Fingerprints of issues that are not there; their next events would go nowhere:",
    ),
    (
        "event_count",
        """SELECT i.project_id AS project, i.id AS issue, i.event_count AS counted, e.kept FROM issue i
           JOIN (SELECT project_id, issue_id, count(*) AS kept FROM event GROUP BY project_id, issue_id) e
           ON e.project_id = i.project_id AND e.issue_id = i.id WHERE e.kept > i.event_count""",
        "Issues with more events than they count:",
    ),
    (
        "rollup_sum",
        """SELECT i.project_id AS project, i.id AS issue, i.event_count AS counted, coalesce(r.rolled, 0) AS rolled_up
           FROM issue i LEFT JOIN (
               SELECT project_id, issue_id, sum(event_count) AS rolled FROM rollup WHERE width_s = 86400
               GROUP BY project_id, issue_id
           ) r ON r.project_id = i.project_id AND r.issue_id = i.id
           WHERE coalesce(r.rolled, 0) > i.event_count
              OR (coalesce(r.rolled, 0) < i.event_count
                  AND i.first_seen_us >= (SELECT coalesce(min(bucket_us), 0) FROM rollup WHERE width_s = 86400))""",
        "Issues whose total differs from the sum of their days:",
    ),
    (
        "user_count",
        """SELECT i.project_id AS project, i.id AS issue, i.user_count AS counted, u.kept FROM issue i
           JOIN (SELECT project_id, issue_id, count(*) AS kept FROM issue_user GROUP BY project_id, issue_id) u
           ON u.project_id = i.project_id AND u.issue_id = i.id WHERE u.kept > i.user_count""",
        "Issues with more users than they count:",
    ),
    (
        "issue_number",
        """SELECT p.id AS project, p.issue_counter AS last_given, i.latest AS in_use FROM project p
           JOIN (SELECT project_id, max(number) AS latest FROM issue GROUP BY project_id) i ON i.project_id = p.id
           WHERE i.latest > p.issue_counter""",
        "Projects whose next issue would get a number that is taken:",
    ),
]
"""(name, query, message): each query finds the rows that contradict each other. PostgreSQL's sums are exact numbers, too."""


def _integrity(tx: Tx) -> list[Finding]:
    said = [row[0] for row in tx.exec_driver_sql("PRAGMA integrity_check")]
    if said == ["ok"]:
        return []
    return [
        Finding("integrity", len(said), f"SQLite finds the file damaged; restore a backup: {'; '.join(said[:SHOWN])}")
    ]


def _foreign_keys(tx: Tx) -> list[Finding]:
    """PostgreSQL keeps them itself, SQLite only for connections that ask for it, so another program may have broken one."""
    if tx.dialect.name != "sqlite":
        return []
    rows = tx.exec_driver_sql("PRAGMA foreign_key_check").all()
    tables = sorted({row[0] for row in rows})
    message = f"Rows that refer to a row which is not there, in: {', '.join(tables)}"
    return [Finding("foreign_keys", len(rows), message)] if rows else []


def _accepted(tx: Tx, now_us: int) -> list[Finding]:
    """The events of each day that retention has not reached are exactly those that were counted as accepted."""
    rows: list[sa.RowMapping] = []
    query = sa.text(
        """SELECT o.project_id AS project, o.day, o.accepted, coalesce(e.kept, 0) AS kept FROM (
               SELECT project_id, minute_us / 86400000000 AS day, sum(quantity) AS accepted FROM outcome
               WHERE project_id = :project AND category IN ('error', 'security') AND outcome = 'accepted'
                 AND minute_us >= :since_us
               GROUP BY project_id, minute_us / 86400000000
           ) o LEFT JOIN (
               SELECT received_day AS day, count(*) AS kept FROM event
               WHERE project_id = :project AND received_day >= :since_day GROUP BY received_day
           ) e ON e.day = o.day WHERE coalesce(e.kept, 0) <> o.accepted"""
    )
    for project in projects.list_projects(tx):
        since_day = now_us // DAY_US - project.keep_errors_days + 1
        values = {"project": project.id, "since_day": since_day, "since_us": since_day * DAY_US}
        rows += tx.execute(query, values).mappings().all()
    return _found("accepted", rows, "Days (since 1970) on which as many events were accepted as are not kept:")


def _bodies(tx: Tx) -> list[Finding]:
    c = schema.event.c
    broken = []
    columns = (c.project_id, c.id, c.body, bases.base_body)
    query = sa.select(*columns).select_from(bases.events_with_bases)
    query = query.order_by(c.received_day.desc(), c.project_id).limit(BODIES)
    for row in tx.execute(query):
        try:
            msgspec.json.decode(bodies.decompress(row.body, row.base_body))
        except Exception:  # whatever is wrong with bytes that we wrote ourselves, it is a finding
            broken.append(f"project {row.project_id}, event {row.id.hex()}")
    message = f"Events that cannot be read: {'; '.join(broken[:SHOWN])}"
    return [Finding("bodies", len(broken), message)] if broken else []


def _cursor(tx: Tx, spool: SpoolEnd | None) -> list[Finding]:
    if spool is None:
        return []
    c = schema.spool_cursor.c
    query = sa.select(c.lane, c.position).where(c.spool_id == spool.spool_id, c.position > spool.position)
    message = f"The spool was written up to {spool.position}, yet digest believes to have read on; new items would be skipped:"
    return _found("cursor", tx.execute(query).mappings().all(), message)
