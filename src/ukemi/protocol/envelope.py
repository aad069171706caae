"""
Envelopes: one header line, then items, each a header line and a payload. Framing only; payloads stay bytes.

Source: develop.sentry.dev/sdk/data-model/envelopes, read 2026-11. Real SDKs leave out `length`, the newline after the
last item, and the Content-Type; `length` counts bytes, and payloads of attachments contain newlines.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from ukemi.protocol.errors import EnvelopeError

MAX_HEADER_BYTES = 16 * 1024
MAX_ITEMS = 1000


class ItemHeader(msgspec.Struct, frozen=True):
    type: str
    length: int | None = None
    content_type: str | None = None
    filename: str | None = None
    item_count: int | None = None
    attachment_type: str | None = None


class Item(msgspec.Struct, frozen=True):
    header: ItemHeader
    raw_header: bytes
    payload: bytes


class Sdk(msgspec.Struct, frozen=True):
    name: str = ""
    version: str = ""


class EnvelopeHeader(msgspec.Struct, frozen=True):
    event_id: str | None = None
    """32 lower-case hex digits."""
    dsn: str | None = None
    sent_at: str | None = None
    sdk: Sdk | None = None
    sample_rate: str | None = None
    """Of the trace that the envelope belongs to, as its client says."""


class Envelope(msgspec.Struct, frozen=True):
    header: EnvelopeHeader
    items: list[Item]


def parse_envelope(body: bytes) -> Envelope:
    """
    Split a decoded body into its items.

    Raises:
        EnvelopeError: says what is broken, and at which item.
    """
    line, position = _line(body, 0, "The envelope header")
    header = _read_header(line)
    items: list[Item] = []
    while position < len(body):
        line, position = _line(body, position, f"The header of item {len(items) + 1}")
        if not line.strip():
            continue
        item_header = _read_item_header(line, len(items) + 1)
        if item_header.length is None:
            end = body.find(b"\n", position)
            end = len(body) if end < 0 else end
        else:
            end = position + item_header.length
            if end > len(body):
                raise EnvelopeError(f"Item {len(items) + 1} says {item_header.length} bytes, but the body ends before.")
            if end < len(body) and body[end] != 0x0A:
                raise EnvelopeError(f"No newline follows the {item_header.length} bytes of item {len(items) + 1}.")
        items.append(Item(item_header, line, body[position:end]))
        if len(items) > MAX_ITEMS:
            raise EnvelopeError(f"The envelope has more than {MAX_ITEMS} items.")
        position = end + 1
    return Envelope(header, items)


def write_envelope(header: EnvelopeHeader, items: Sequence[tuple[dict[str, object], bytes]]) -> bytes:
    """The bytes of an envelope; each item's `length` is added to its header."""
    encoder = msgspec.json.Encoder()
    fields = {key: value for key, value in msgspec.structs.asdict(header).items() if value is not None}
    if sample_rate := fields.pop("sample_rate", None):
        fields["trace"] = {"sample_rate": sample_rate}
    parts = [encoder.encode(fields)]
    for item_header, payload in items:
        parts.append(encoder.encode({**item_header, "length": len(payload)}))
        parts.append(payload)
    return b"\n".join(parts) + b"\n"


def read_event_id(text: object) -> str | None:
    """`text` as 32 lower-case hex digits, or None when it is no UUID. Ids are used in keys, so nothing else passes."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        return UUID(text).hex
    except ValueError:
        return None


def _line(body: bytes, start: int, what: str) -> tuple[bytes, int]:
    end = body.find(b"\n", start, start + MAX_HEADER_BYTES + 1)
    if end < 0:
        if len(body) - start > MAX_HEADER_BYTES:
            raise EnvelopeError(f"{what} is longer than {MAX_HEADER_BYTES} bytes.")
        end = len(body)
    return body[start:end], end + 1


def _decode_object(line: bytes, what: str) -> dict[str, object]:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"{what} is not JSON.") from error
    if not isinstance(value, dict):
        raise EnvelopeError(f"{what} is not a JSON object.")
    return value


def _read_header(line: bytes) -> EnvelopeHeader:
    fields = _decode_object(line, "The envelope header")
    dsn, sent_at, sdk = fields.get("dsn"), fields.get("sent_at"), fields.get("sdk")
    trace = fields.get("trace")
    rate = trace.get("sample_rate") if isinstance(trace, dict) else None
    return EnvelopeHeader(
        event_id=read_event_id(fields.get("event_id")),
        dsn=dsn if isinstance(dsn, str) else None,
        sent_at=sent_at[:64] if isinstance(sent_at, str) else None,
        sdk=Sdk(str(sdk.get("name", ""))[:64], str(sdk.get("version", ""))[:64]) if isinstance(sdk, dict) else None,
        sample_rate=str(rate)[:32] if isinstance(rate, str | int | float) else None,
    )


def _read_item_header(line: bytes, number: int) -> ItemHeader:
    fields = _decode_object(line, f"The header of item {number}")
    length = fields.get("length")
    if not isinstance(fields.get("type"), str):
        raise EnvelopeError(f"Item {number} has no type.")
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 0):
        raise EnvelopeError(f"The length of item {number} is not a number of bytes.")

    def text(name: str) -> str | None:
        value = fields.get(name)
        return value[:256] if isinstance(value, str) else None

    count = fields.get("item_count")
    return ItemHeader(
        type=str(fields["type"])[:64],
        length=length,
        content_type=text("content_type"),
        filename=text("filename"),
        item_count=count if isinstance(count, int) and not isinstance(count, bool) else None,
        attachment_type=text("attachment_type"),
    )
