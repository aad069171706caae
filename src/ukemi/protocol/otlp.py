"""
OpenTelemetry's own protocol (OTLP/HTTP): how many spans or log records a request holds. They are counted, not kept.

Requests for traces and for logs nest alike: field 1 of the request are resources, field 2 of these scopes, field 2 of
those the records. Source: opentelemetry-proto, collector/{trace,logs}/v1, and protobuf.dev/programming-guides/encoding,
read 2026-11.
"""

from collections.abc import Iterator

from ukemi.protocol.errors import EnvelopeError
from ukemi.protocol.event import decode_event

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_NAMES = {"traces": ("resourceSpans", "scopeSpans", "spans"), "logs": ("resourceLogs", "scopeLogs", "logRecords")}


def count_records(body: bytes, signal: str, is_json: bool) -> int:
    """
    How many records a request holds.

    Args:
        signal: traces | logs

    Raises:
        EnvelopeError: it cannot be read.
    """
    if is_json:
        found: list[object] = [decode_event(body)]
        for name in _NAMES[signal]:
            found = [entry for one in found if isinstance(one, dict) for entry in _list(one.get(name))]
        return len(found)
    return sum(1 for resource in _fields(body, 1) for scope in _fields(resource, 2) for _ in _fields(scope, 2))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _fields(message: memoryview | bytes, wanted: int) -> Iterator[memoryview]:
    """The contents of the length-delimited fields of one number."""
    view = memoryview(message)
    position = 0
    while position < len(view):
        tag, position = _varint(view, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _varint(view, position)
        elif kind in (_FIXED_64, _FIXED_32):
            position += 8 if kind == _FIXED_64 else 4
        elif kind == _BYTES:
            length, position = _varint(view, position)
            if position + length > len(view):
                raise EnvelopeError("bad_otlp", "The protobuf message ends in the middle of a field.")
            if tag >> 3 == wanted:
                yield view[position : position + length]
            position += length
        else:
            raise EnvelopeError("bad_otlp", "The body is no protobuf message.")
    if position > len(view):
        raise EnvelopeError("bad_otlp", "The protobuf message ends in the middle of a field.")


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise EnvelopeError("bad_otlp", "The protobuf message ends in the middle of a number.")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise EnvelopeError("bad_otlp", "A number of the protobuf message does not end.")
