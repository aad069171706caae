"""The outbox: notifications queued with their incident, and how each delivery went."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx

MAX_ERROR = 500


class Notification(msgspec.Struct, frozen=True):
    """One telling of one channel."""

    project_id: int
    id: str
    incident_id: str
    sequence: int
    channel: str
    reason: Reason
    content: Content
    created_us: int
    attempts: int


def queue(tx: Tx, project_id: int, notification_id: str, channel: str, content: Content, now_us: int) -> None:
    """Put one notification into the outbox, behind those of its incident and channel that wait already."""
    c = schema.notification.c
    earlier = sa.select(sa.func.count()).where(
        c.project_id == project_id, c.incident_id == content.incident_id, c.channel == channel
    )
    tx.execute(
        sa.insert(schema.notification),
        [
            {
                "project_id": project_id,
                "id": notification_id,
                "incident_id": content.incident_id,
                "sequence": tx.execute(earlier).scalar_one(),
                "channel": channel,
                "reason": content.reason.value,
                "state": "queued",
                "content": msgspec.json.encode(content).decode(),
                "created_us": now_us,
                "due_us": now_us,
                "attempts": 0,
                "last_error": "",
            }
        ],
    )


def told(tx: Tx, project_id: int, incident_id: str) -> set[tuple[str, Reason]]:
    """(channel, reason) of everything queued for an incident so far."""
    c = schema.notification.c
    query = sa.select(c.channel, c.reason).where(c.project_id == project_id, c.incident_id == incident_id)
    return {(channel, Reason(reason)) for channel, reason in tx.execute(query)}


def due(tx: Tx, now_us: int, limit: int) -> list[Notification]:
    """What should be delivered now, oldest first. Of one incident and channel, only the first that waits: order is kept."""
    table = schema.notification
    earlier = table.alias("earlier")
    blocked = sa.exists().where(
        earlier.c.project_id == table.c.project_id,
        earlier.c.incident_id == table.c.incident_id,
        earlier.c.channel == table.c.channel,
        earlier.c.sequence < table.c.sequence,
        earlier.c.state == "queued",
    )
    c = table.c
    columns = (c.project_id, c.id, c.incident_id, c.sequence, c.channel, c.reason, c.content, c.created_us, c.attempts)
    query = (
        sa.select(*columns).where(c.state == "queued", c.due_us <= now_us, ~blocked).order_by(c.created_us).limit(limit)
    )
    return [
        Notification(
            **{**row, "reason": Reason(row["reason"]), "content": msgspec.json.decode(row["content"], type=Content)}
        )
        for row in tx.execute(query).mappings()
    ]


def delivered(tx: Tx, one: Notification, now_us: int) -> None:
    _update(tx, one, state="delivered", delivered_us=now_us, attempts=one.attempts + 1, last_error="")


def retry(tx: Tx, one: Notification, error: str, due_us: int) -> None:
    _update(tx, one, due_us=due_us, attempts=one.attempts + 1, last_error=error[:MAX_ERROR])


def failed(tx: Tx, one: Notification, error: str) -> None:
    """Give up on this notification."""
    _update(tx, one, state="failed", attempts=one.attempts + 1, last_error=error[:MAX_ERROR])


def other_channels(tx: Tx, one: Notification, channels: Sequence[str]) -> list[str]:
    """Of `channels`, those that were not told of this incident for this reason: whom a failure can fall back to."""
    already = {channel for channel, reason in told(tx, one.project_id, one.incident_id) if reason is one.reason}
    return [channel for channel in channels if channel not in already]


def _update(tx: Tx, one: Notification, **values: object) -> None:
    c = schema.notification.c
    mine = sa.and_(c.project_id == one.project_id, c.id == one.id)
    tx.execute(sa.update(schema.notification).where(mine).values(**values))


class Delivery(msgspec.Struct, frozen=True):
    """A line of the ledger."""

    id: str
    incident_id: str
    channel: str
    reason: str
    state: str
    """queued | delivered | failed"""
    title: str
    created_us: int
    attempts: int
    last_error: str
    delivered_us: int | None
    delay_us: int | None
    """From the receipt of what opened the incident to the channel's answer; None for what did not open one."""


def ledger(tx: Tx, limit: int) -> list[Delivery]:
    """The latest notifications and how each went, newest first."""
    c, incident = schema.notification.c, schema.incident.c
    query = (
        sa.select(*schema.notification.columns, incident.title, incident.cause_us)
        .join_from(
            schema.notification,
            schema.incident,
            sa.and_(incident.project_id == c.project_id, incident.id == c.incident_id),
        )
        .order_by(c.created_us.desc(), c.id)
        .limit(limit)
    )
    return [
        Delivery(
            id=row.id,
            incident_id=row.incident_id,
            channel=row.channel,
            reason=row.reason,
            state=row.state,
            title=row.title,
            created_us=row.created_us,
            attempts=row.attempts,
            last_error=row.last_error,
            delivered_us=row.delivered_us,
            delay_us=row.delivered_us - row.cause_us if row.delivered_us and row.reason == Reason.OPENED else None,
        )
        for row in tx.execute(query)
    ]
