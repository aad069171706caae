"""Attachments: kept with their event. Texts are scrubbed; what is no text cannot be, and is marked so."""

import hashlib
from collections import Counter
from typing import Final

import msgspec

from ukemi.collector.digest.family import Counts, count
from ukemi.collector.spool.item import ItemContext, SpoolItem
from ukemi.collector.store import attachments, bodies
from ukemi.collector.store.attachments import AttachmentRow
from ukemi.collector.store.database import Tx
from ukemi.privacy import Rules, scrub, scrub_text

_PIECE: Final = 100_000
"""Characters of a long text that are searched at once; cut at line ends."""
_MAX_JSON_BYTES: Final = 1 << 20


class _Header(msgspec.Struct):
    filename: object = None
    content_type: object = None


class Attachments:
    item_types: tuple[str, ...] = ("attachment",)

    def __init__(self, rules: Rules, max_per_event: int) -> None:
        self._rules, self._max_per_event = rules, max_per_event
        self.begin()

    def begin(self) -> None:
        self._taken: list[tuple[SpoolItem, AttachmentRow]] = []

    def take(self, item: SpoolItem, counts: Counts) -> None:  # noqa: ARG002
        context = msgspec.json.decode(item.context, type=ItemContext)
        header = msgspec.convert(msgspec.json.decode(context.item_header), _Header)
        name = header.filename if isinstance(header.filename, str) and header.filename else "attachment"
        kind = header.content_type if isinstance(header.content_type, str) else ""
        content, is_scrubbed = scrub_content(item.payload, self._rules)
        row = AttachmentRow(
            project_id=item.project_id,
            event_id=bytes.fromhex(item.event_id),
            id=hashlib.blake2b(name.encode() + b"\0" + item.payload, digest_size=16).digest(),
            received_us=item.received_us,
            filename=scrub_text(_printable(name), self._rules)[:200],
            content_type=_printable(kind)[:100],
            byte_count=len(item.payload),
            is_scrubbed=is_scrubbed,
            body=bodies.compress(content),
        )
        self._taken.append((item, row))

    def write(self, tx: Tx, counts: Counts) -> None:
        if not self._taken:
            return
        ids, numbers = attachments.known(tx, {(row.project_id, row.event_id) for _, row in self._taken})
        total = Counter(numbers)
        rows = []
        for item, row in self._taken:
            key, event = (row.project_id, row.event_id, row.id), (row.project_id, row.event_id)
            if key in ids:
                count(counts, item, "duplicate", "attachment")
            elif total[event] >= self._max_per_event:
                count(counts, item, "invalid", "too_many")
            else:
                ids.add(key)
                total[event] += 1
                rows.append(row)
                count(counts, item, "accepted")
        attachments.add(tx, rows)


def scrub_content(content: bytes, rules: Rules) -> tuple[bytes, bool]:
    """
    The content without secrets, and whether it could be searched: JSON by its keys and values, other text line by line.

    Bytes that are no UTF-8 text come back as they are.
    """
    if b"\0" in content:
        return content, False
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content, False
    if len(content) <= _MAX_JSON_BYTES and text.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.format(msgspec.json.encode(scrub(msgspec.json.decode(content), rules).tree)), True
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass  # it only looks like JSON
    return "".join(scrub_text(piece, rules) for piece in _pieces(text)).encode(), True


def _pieces(text: str) -> list[str]:
    """A text in pieces that end with a line, where its lines are not longer than a piece."""
    pieces = []
    start = 0
    while start < len(text):
        end = len(text)
        if end - start > _PIECE:
            end = text.rfind("\n", start, start + _PIECE) + 1 or start + _PIECE
            begun = text.rfind("-----BEGIN", start + 1, end)
            if begun > text.rfind("-----END", start, end):  # a key is not cut in two
                end = begun
        pieces.append(text[start:end])
        start = end
    return pieces


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())
