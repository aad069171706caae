"""What alert rules look at, as it stands now."""

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.failure_run import InstanceSeen
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx


class Subject(msgspec.Struct, frozen=True):
    """How an issue is called in notifications."""

    name: str
    """WWMAA-12"""
    title: str
    culprit: str


def services(tx: Tx) -> dict[tuple[int, str], list[InstanceSeen]]:
    """The remembered processes of each service, by (project_id, environment)."""
    c = schema.instance.c
    query = sa.select(
        c.project_id, c.environment, c.last_report_us, c.last_request_us, c.last_success_us, c.failures_us, c.ended_us
    )
    found: dict[tuple[int, str], list[InstanceSeen]] = {}
    for row in tx.execute(query):
        instance = InstanceSeen(
            last_report_us=row.last_report_us,
            last_request_us=row.last_request_us,
            last_success_us=row.last_success_us,
            failures_us=msgspec.json.decode(row.failures_us, type=list[int]),
            ended_us=row.ended_us,
        )
        found.setdefault((row.project_id, row.environment), []).append(instance)
    return found


def subject(tx: Tx, project_id: int, issue_id: str) -> Subject | None:
    issue, project = schema.issue.c, schema.project.c
    query = (
        sa.select(project.slug, issue.number, issue.title, issue.culprit)
        .join_from(schema.issue, schema.project, project.id == issue.project_id)
        .where(issue.project_id == project_id, issue.id == issue_id)
    )
    row = tx.execute(query).first()
    return Subject(f"{row.slug.upper()}-{row.number}", row.title, row.culprit) if row else None


def project_name(tx: Tx, project_id: int) -> str:
    return str(tx.execute(sa.select(schema.project.c.name).where(schema.project.c.id == project_id)).scalar_one())


def are_changes_waiting(tx: Tx) -> bool:
    return (
        tx.execute(sa.select(schema.change.c.id).where(schema.change.c.claimed_us.is_(None)).limit(1)).first()
        is not None
    )
