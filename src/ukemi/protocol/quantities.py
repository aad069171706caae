"""How much an item counts for, and under which categories: as getsentry/relay counts, so that SDKs' loss reports add up with it."""

import msgspec

from ukemi.protocol.vocabulary import ITEM_CATEGORIES, UNKNOWN_CATEGORY, Category

Quantities = list[tuple[Category, int]]

_BYTES_OF = {"log": "log_byte", "trace_metric": "trace_metric_byte"}
_CONTAINERS = frozenset({"span", "log", "trace_metric"})
_OPENTELEMETRY = frozenset({"otel_span", "otel_logs_data"})


class _Lists(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    """Of a container."""
    spans: list[msgspec.Raw] | None = None
    """Of a transaction."""


_lists = msgspec.json.Decoder(_Lists)


def quantities(item_type: str, payload: bytes, told: int | None = None) -> Quantities:
    """
    What one item counts for.

    A container counts for its entries, a transaction also for its spans with itself, an attachment for its bytes and as one
    item. What cannot be read counts for one.

    Args:
        told: entries of a payload of OpenTelemetry, which are not read here.
    """
    category = ITEM_CATEGORIES.get(item_type, UNKNOWN_CATEGORY)
    if item_type == "transaction":
        return [(category, 1), ("span", 1 + len(_read(payload).spans or ()))]
    if item_type == "attachment":
        return [(category, max(1, len(payload))), ("attachment_item", 1)]
    if item_type in _OPENTELEMETRY:
        return [(category, max(1, min(told or 1, len(payload))))]
    if item_type in _CONTAINERS:
        entries = len(_read(payload).items or ()) or 1  # an old single span is an item of its own
        more = [(_BYTES_OF[item_type], len(payload))] if item_type in _BYTES_OF else []
        return [(category, entries), *more]
    return [(category, 1)]


def _read(payload: bytes) -> _Lists:
    """The lists in a payload, without decoding their entries."""
    try:
        return _lists.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Lists()
