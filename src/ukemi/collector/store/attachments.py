"""Attachments: files that came with an event."""

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.store import bodies, schema
from ukemi.collector.store.database import Tx, upsert
from ukemi.collector.store.errors import NotFound


class AttachmentRow(msgspec.Struct, frozen=True):
    """A row of the table; `schema.attachment` says what each field means."""

    project_id: int
    event_id: bytes
    id: bytes
    received_us: int
    filename: str
    content_type: str
    byte_count: int
    is_scrubbed: bool
    body: bytes


class AttachmentLine(msgspec.Struct, frozen=True):
    id: str
    """32 hex digits."""
    filename: str
    content_type: str
    byte_count: int
    is_scrubbed: bool


def known(
    tx: Tx, events: Collection[tuple[int, bytes]]
) -> tuple[set[tuple[int, bytes, bytes]], Counter[tuple[int, bytes]]]:
    """What the events (project_id, event id) have already: (project_id, event id, id), and how many of them."""
    c = schema.attachment.c
    query = sa.select(c.project_id, c.event_id, c.id).where(c.event_id.in_([event_id for _, event_id in events]))
    ids = {(row.project_id, row.event_id, row.id) for row in tx.execute(query)}
    return ids, Counter((project_id, event_id) for project_id, event_id, _ in ids)


def add(tx: Tx, rows: Sequence[AttachmentRow]) -> None:
    upsert(tx, schema.attachment, [msgspec.structs.asdict(row) for row in rows])


def of_event(tx: Tx, project_id: int, event_id: str) -> list[AttachmentLine]:
    """The attachments of an event, by name."""
    c = schema.attachment.c
    query = (
        sa.select(*(c[name] for name in AttachmentLine.__struct_fields__))
        .where(c.project_id == project_id, c.event_id == bytes.fromhex(event_id))
        .order_by(c.filename, c.id)
    )
    return [AttachmentLine(**{**row, "id": row["id"].hex()}) for row in tx.execute(query).mappings()]


def content(tx: Tx, project_id: int, event_id: str, attachment_id: str) -> tuple[str, bytes]:
    """
    File name and content of an attachment.

    Raises:
        NotFound: the event has no such attachment.
    """
    c = schema.attachment.c
    query = sa.select(c.filename, c.body).where(
        c.project_id == project_id, c.event_id == bytes.fromhex(event_id), c.id == bytes.fromhex(attachment_id)
    )
    row = tx.execute(query).first()
    if row is None:
        raise NotFound("There is no such attachment. Perhaps it has outlived its retention.")
    return row.filename, bodies.decompress(row.body)
