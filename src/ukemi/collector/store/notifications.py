"""The outbox: notifications queued with their incident, and how each delivery went."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.notification import Content, Reason, Sent
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
    stands_in_for: str = ""
    """The channel that did not take it, when this one is told in its stead."""


_COLUMNS = [schema.notification.c[name] for name in Notification.__struct_fields__]
_COLUMNS_OF_NEW = [name for name in Notification.__struct_fields__ if name != "sequence"]


class Queued(msgspec.Struct, frozen=True):
    """A notification on its way into the outbox."""

    project_id: int
    id: str
    channel: str
    content: Content
    stands_in_for: str = ""


def queue(tx: Tx, new: Sequence[Queued], now_us: int) -> None:
    """Put notifications into the outbox, each behind those of its incident and channel that wait already."""
    if not new:
        return
    c = schema.notification.alias("earlier").c
    earlier = sa.select(sa.func.count()).where(
        c.project_id == sa.bindparam("project_id"),
        c.incident_id == sa.bindparam("incident_id"),
        c.incident_id != "",
        c.channel == sa.bindparam("channel"),
    )
    names = [*_COLUMNS_OF_NEW, "state", "due_us", "last_error"]
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names} | {"sequence": earlier.scalar_subquery()}
    rows = [
        {
            "project_id": one.project_id,
            "id": one.id,
            "incident_id": one.content.incident_id,
            "channel": one.channel,
            "reason": one.content.reason.value,
            "state": "queued",
            "content": msgspec.json.encode(one.content).decode(),
            "created_us": now_us,
            "due_us": now_us,
            "attempts": 0,
            "last_error": "",
            "stands_in_for": one.stands_in_for,
        }
        for one in new
    ]
    tx.execute(sa.insert(schema.notification).values(values), rows)


def last_sent(tx: Tx, project_id: int, incident_id: str) -> dict[str, Sent]:
    """What each channel was told of an incident last, be it delivered or still on its way."""
    c = schema.notification.c
    query = (
        sa.select(c.channel, c.content, c.created_us)
        .where(c.project_id == project_id, c.incident_id == incident_id)
        .order_by(c.sequence)
    )
    found: dict[str, Sent] = {}
    for channel, text, at_us in tx.execute(query):
        content = msgspec.json.decode(text, type=Content)
        found[channel] = Sent(content.reason, content.severity, content.is_acknowledged, at_us)
    return found


def due(tx: Tx, now_us: int, limit: int, without: Collection[str] = ()) -> list[Notification]:
    """
    What should be delivered now, oldest first. Of one incident and channel, only the first that waits: order is kept.

    Args:
        without: channels that are to be left out.
    """
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
    query = (
        sa.select(*_COLUMNS)
        .where(c.state == "queued", c.due_us <= now_us, c.channel.not_in(list(without)), ~blocked)
        .order_by(c.created_us, c.id)
        .limit(limit)
    )
    return [_notification(row) for row in tx.execute(query).mappings()]


def delivered(tx: Tx, one: Notification, answer: str, now_us: int) -> None:
    """Note that the channel took it, and what it answered."""
    _update(
        tx,
        one,
        state="delivered",
        delivered_us=now_us,
        attempts=one.attempts + 1,
        last_error="",
        answer=answer[:MAX_ERROR],
    )


def retry(tx: Tx, one: Notification, error: str, due_us: int) -> None:
    _update(tx, one, due_us=due_us, attempts=one.attempts + 1, last_error=error[:MAX_ERROR])


def failed(tx: Tx, one: Notification, error: str) -> None:
    """Give up on this notification."""
    _update(tx, one, state="failed", attempts=one.attempts + 1, last_error=error[:MAX_ERROR])


def hold_back(tx: Tx, one: Notification) -> None:
    """The channel's budget of this hour is used up: it will stand in the digest of the next."""
    _update(tx, one, state="held")


def held_back(tx: Tx, channel: str, before_us: int) -> list[Notification]:
    """What the budget kept back before an instant, oldest first."""
    c = schema.notification.c
    query = (
        sa.select(*_COLUMNS)
        .where(c.state == "held", c.channel == channel, c.due_us < before_us)
        .order_by(c.created_us, c.id)
    )
    return [_notification(row) for row in tx.execute(query).mappings()]


def digested(tx: Tx, ones: Collection[Notification]) -> None:
    """They stand in a digest that is queued."""
    for one in ones:
        _update(tx, one, state="digested")


def handed_over(tx: Tx, one: Notification, now_us: int) -> None:
    """Another channel is told in its stead, while trying goes on."""
    _update(tx, one, handed_over_us=now_us)


def to_hand_over(tx: Tx, before_us: int, failing: Collection[str]) -> list[Notification]:
    """What waits since before an instant, or for a channel that fails, and for which no other channel was told yet."""
    c = schema.notification.c
    query = (
        sa.select(*_COLUMNS)
        .where(
            c.state == "queued",
            c.handed_over_us.is_(None),
            sa.or_(sa.and_(c.attempts > 0, c.created_us <= before_us), c.channel.in_(list(failing))),
        )
        .order_by(c.created_us, c.id)
        .limit(200)
    )
    return [_notification(row) for row in tx.execute(query).mappings()]


def other_channels(tx: Tx, one: Notification, channels: Sequence[str]) -> list[str]:
    """Of `channels`, those that were told nothing for this reason of this incident: whom a failure can fall back to."""
    c = schema.notification.c
    query = sa.select(c.channel).where(
        c.project_id == one.project_id,
        c.incident_id == one.incident_id,
        sa.or_(c.channel == one.channel, c.reason == one.reason.value, c.sequence >= one.sequence),
    )
    already = set(tx.execute(query).scalars())
    return [channel for channel in channels if channel not in already]


def delivered_since(tx: Tx, channel: str, since_us: int) -> int:
    """How many a channel has taken since an instant."""
    c = schema.notification.c
    query = sa.select(sa.func.count()).where(c.channel == channel, c.delivered_us >= since_us)
    return int(tx.execute(query).scalar_one())


def is_waiting(tx: Tx, channel: str) -> bool:
    """Whether anything waits for a channel."""
    c = schema.notification.c
    query = sa.select(c.id).where(c.channel == channel, c.state == "queued").limit(1)
    return tx.execute(query).first() is not None


def of_channels_without(tx: Tx, channels: Collection[str], limit: int) -> list[Notification]:
    """What waits for channels that are none of these: nobody would ever deliver it."""
    c = schema.notification.c
    query = (
        sa.select(*_COLUMNS)
        .where(c.state.in_(["queued", "held"]), c.channel.not_in(list(channels)))
        .order_by(c.created_us, c.id)
        .limit(limit)
    )
    return [_notification(row) for row in tx.execute(query).mappings()]


def naming(tx: Tx, project_id: int, issue_id: str, limit: int) -> list[tuple[str, Content]]:
    """Id and content of notifications that link to an issue."""
    c = schema.notification.c
    mine = (c.project_id == project_id, c.content.contains(f"/issues/{issue_id}"))
    rows = tx.execute(sa.select(c.id, c.content).where(*mine).limit(limit))
    return [(row.id, msgspec.json.decode(row.content, type=Content)) for row in rows]


def _notification(row: sa.RowMapping) -> Notification:
    content = msgspec.json.decode(row["content"], type=Content)
    return Notification(**{**row, "reason": Reason(row["reason"]), "content": content})


def _update(tx: Tx, one: Notification, **values: object) -> None:
    c = schema.notification.c
    mine = sa.and_(c.project_id == one.project_id, c.id == one.id)
    tx.execute(sa.update(schema.notification).where(mine).values(**values))


class Delivery(msgspec.Struct, frozen=True):
    """A line of the ledger."""

    id: str
    project_id: int
    incident_id: str
    """"" for a test, and for what a budget held back."""
    channel: str
    reason: str
    state: str
    """queued | delivered | failed | held | digested"""
    title: str
    created_us: int
    attempts: int
    last_error: str
    answer: str
    """What came back when it was delivered, in a few words."""
    delivered_us: int | None
    handed_over_us: int | None
    stands_in_for: str
    delay_us: int | None
    """From the receipt of what opened the incident to the channel's answer; None for what did not open one."""


def ledger(
    tx: Tx, limit: int, *, channel: str = "", state: str = "", incident: tuple[int, str] | None = None
) -> list[Delivery]:
    """The latest notifications and how each went, newest first; of an incident (project_id, id) the oldest first."""
    c, incident_c = schema.notification.c, schema.incident.c
    query = sa.select(*schema.notification.columns, incident_c.cause_us).outerjoin_from(
        schema.notification,
        schema.incident,
        sa.and_(incident_c.project_id == c.project_id, incident_c.id == c.incident_id),
    )
    if channel:
        query = query.where(c.channel == channel)
    if state:
        query = query.where(c.state == state)
    if incident:
        query = query.where(c.project_id == incident[0], c.incident_id == incident[1])
        query = query.order_by(c.created_us, c.channel, c.sequence)
    else:
        query = query.order_by(c.created_us.desc(), c.id)
    return [_delivery(row) for row in tx.execute(query.limit(limit)).mappings()]


def _delivery(row: sa.RowMapping) -> Delivery:
    is_first = row["delivered_us"] and row["cause_us"] and row["reason"] == Reason.OPENED
    return Delivery(
        **{name: row[name] for name in Delivery.__struct_fields__ if name not in ("title", "delay_us")},
        title=msgspec.json.decode(row["content"], type=Content).title,
        delay_us=row["delivered_us"] - row["cause_us"] if is_first else None,
    )
