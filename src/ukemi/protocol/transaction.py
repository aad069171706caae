"""
Transactions: what an app did and how long it took, as a `transaction` item or as streamed spans (`span` containers).

Both become the same struct: a streamed span that is a segment is what a transaction is. Read tolerantly: a bad span costs
the span; without usable times or trace there is no transaction. Source: getsentry/relay's transaction processor and
develop.sentry.dev/sdk/telemetry/spans, read 2026-11, and what SDKs send.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ukemi.protocol.errors import PayloadError
from ukemi.protocol.event import Tree, decode_event, read_instant

MAX_SPANS = 1000
"""So many spans of one transaction are read; SDKs themselves stop at 1,000."""
MAX_DURATION_S = 86_400.0
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_STATUS_CODES = (
    "ok cancelled unknown invalid_argument deadline_exceeded not_found already_exists permission_denied resource_exhausted "
    "failed_precondition aborted out_of_range unimplemented internal_error unavailable data_loss unauthenticated"
).split()
_STATUS_ALIASES = {"success": "ok", "unknown_error": "unknown", "error": "internal_error", "failure": "internal_error"}


class Transaction(msgspec.Struct, frozen=True):
    name: str
    source: str
    """How far the name can be trusted to be one of few: route, task, custom …; `url` or "" is as raw as it came."""
    op: str
    status: str
    trace_id: str
    span_id: str
    started_s: float
    """Seconds since the epoch, on the client's clock."""
    duration_s: float
    release: str = ""
    environment: str = ""
    sample_rate: float | None = None
    """Share of such transactions that the client sends; None when it does not say."""
    event_id: str | None = None
    span_count: int = 1
    """With itself."""


class Streamed(msgspec.Struct, frozen=True):
    """A segment and those of its spans that came with it."""

    transaction: Transaction
    tree: Tree
    """In the shape of a transaction item, so that both are shown alike."""


class _Trace(msgspec.Struct):
    trace: Any = None


class _Shape(msgspec.Struct):
    """What is read of a transaction without decoding the rest of it."""

    transaction: Any = None
    transaction_info: Any = None
    start_timestamp: Any = None
    timestamp: Any = None
    release: Any = None
    environment: Any = None
    contexts: _Trace | None = None
    spans: list[msgspec.Raw] | None = None


_shape = msgspec.json.Decoder(_Shape)


def read_transaction(payload: bytes, received_s: float) -> Transaction:
    """
    Read a `transaction` item.

    Args:
        received_s: stands for a missing end.

    Raises:
        PayloadError: no JSON object, times that make no duration, or no trace.
    """
    try:
        shape = _shape.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        shape = _shape_of(decode_event(payload))
    trace = _object(shape.contexts.trace if shape.contexts else None)
    started_s = read_instant(shape.start_timestamp)
    ended_s = received_s if shape.timestamp is None else read_instant(shape.timestamp)
    trace_id, span_id = _id(trace.get("trace_id"), _TRACE_ID), _id(trace.get("span_id"), _SPAN_ID)
    if started_s is None or ended_s is None or ended_s < started_s or not trace_id or not span_id:
        raise PayloadError("bad_transaction", "The transaction has no usable start, end or trace.")
    rate = trace.get("client_sample_rate")
    if rate is None:
        rate = _object(trace.get("data")).get("sentry.sample_rate")
    return Transaction(
        name=_text(shape.transaction, 200) or "<unlabeled transaction>",
        source=_text(_object(shape.transaction_info).get("source"), 16),
        op=_text(trace.get("op"), 64) or "default",
        status=read_status(trace.get("status")),
        trace_id=trace_id,
        span_id=span_id,
        started_s=started_s,
        duration_s=min(ended_s - started_s, MAX_DURATION_S),
        release=_text(shape.release, 200),
        environment=_text(shape.environment, 64),
        sample_rate=read_sample_rate(rate),
        span_count=1 + len(shape.spans or ()),
    )


def read_spans(payload: bytes) -> tuple[list[Streamed], int]:
    """
    Read a container of streamed spans: the segments in it, each with its spans, and how many spans the container holds.

    Raises:
        PayloadError: no container of spans.
    """
    entries = read_container(payload)
    spans = [span for raw in entries if (span := _Span.read(raw))]
    children: dict[str, list[_Span]] = {}
    for span in spans:
        if not span.is_segment:
            children.setdefault(span.segment_id, []).append(span)
    return [_streamed(span, children.get(span.span_id, [])) for span in spans if span.is_segment], len(entries)


def read_container(payload: bytes) -> list[Any]:
    """
    The entries of a container item: spans, logs, metrics. An old single span is its own container.

    Raises:
        PayloadError: neither.
    """
    tree = decode_event(payload)
    items = tree.get("items", [tree])
    if not isinstance(items, list):
        raise PayloadError("bad_container", "The container has no list of items.")
    return items


def read_status(value: object) -> str:
    """A status of the protocol; `unknown` for what is none."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(_STATUS_CODES):
        return _STATUS_CODES[value]
    text = value.lower() if isinstance(value, str) else ""
    text = _STATUS_ALIASES.get(text, text)
    return text if text in _STATUS_CODES else "unknown"


def read_sample_rate(value: object) -> float | None:
    """A rate in (0, 1], from a number or a text; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        rate = float(value[:32] if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return rate if 0 < rate <= 1 else None


class _Span(msgspec.Struct, frozen=True):
    """One streamed span."""

    name: str
    status: str
    trace_id: str
    span_id: str
    parent_span_id: str
    segment_id: str
    is_segment: bool
    started_s: float
    ended_s: float
    attributes: Tree

    @classmethod
    def read(cls, raw: object) -> "_Span | None":
        span = _object(raw)
        started_s, ended_s = read_instant(span.get("start_timestamp")), read_instant(span.get("end_timestamp"))
        trace_id, span_id = _id(span.get("trace_id"), _TRACE_ID), _id(span.get("span_id"), _SPAN_ID)
        if started_s is None or ended_s is None or ended_s < started_s or not trace_id or not span_id:
            return None
        attributes = dict(_attributes(span.get("attributes")))
        parent_id = _id(span.get("parent_span_id"), _SPAN_ID)
        return cls(
            name=_text(span.get("name"), 200),
            status=read_status(span.get("status")),
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=parent_id,
            segment_id=_text(attributes.get("sentry.segment.id"), 16) or parent_id,
            is_segment=span.get("is_segment") is True,
            started_s=started_s,
            ended_s=ended_s,
            attributes=attributes,
        )

    def as_tree(self) -> Tree:
        """As a span of a transaction item."""
        return {
            "span_id": self.span_id,
            "parent_span_id": self.parent_span_id,
            "trace_id": self.trace_id,
            "op": _text(self.attributes.get("sentry.op"), 64),
            "description": self.name,
            "status": self.status,
            "start_timestamp": self.started_s,
            "timestamp": self.ended_s,
            "data": self.attributes,
        }


def _streamed(segment: _Span, spans: list[_Span]) -> Streamed:
    attributes = segment.attributes
    sources = ("sentry.segment.name.source", "sentry.span.source", "sentry.transaction_info.source")
    transaction = Transaction(
        name=segment.name or _text(attributes.get("sentry.segment.name"), 200) or "<unlabeled transaction>",
        source=next((_text(attributes[name], 16) for name in sources if attributes.get(name)), ""),
        op=_text(attributes.get("sentry.op"), 64) or "default",
        status=segment.status,
        trace_id=segment.trace_id,
        span_id=segment.span_id,
        started_s=segment.started_s,
        duration_s=min(segment.ended_s - segment.started_s, MAX_DURATION_S),
        release=_text(attributes.get("sentry.release"), 200),
        environment=_text(attributes.get("sentry.environment"), 64),
        sample_rate=read_sample_rate(attributes.get("sentry.sample_rate")),
        span_count=1 + len(spans),
    )
    tree = {
        "type": "transaction",
        "transaction": transaction.name,
        "transaction_info": {"source": transaction.source},
        "start_timestamp": segment.started_s,
        "timestamp": segment.ended_s,
        "release": transaction.release,
        "environment": transaction.environment,
        "contexts": {
            "trace": {
                "trace_id": segment.trace_id,
                "span_id": segment.span_id,
                "parent_span_id": segment.parent_span_id,
                "op": transaction.op,
                "status": segment.status,
                "data": attributes,
            }
        },
        "spans": [span.as_tree() for span in spans[:MAX_SPANS]],
    }
    return Streamed(transaction, tree)


def _shape_of(tree: Tree) -> _Shape:
    """The slow way, for a transaction with a field of an unexpected type."""
    spans, contexts = tree.get("spans"), tree.get("contexts")
    return _Shape(
        transaction=tree.get("transaction"),
        transaction_info=tree.get("transaction_info"),
        start_timestamp=tree.get("start_timestamp"),
        timestamp=tree.get("timestamp"),
        release=tree.get("release"),
        environment=tree.get("environment"),
        contexts=_Trace(contexts.get("trace")) if isinstance(contexts, dict) else None,
        spans=[msgspec.Raw(b"{}")] * len(spans) if isinstance(spans, list) else None,
    )


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    """Name and plain value of attributes that come as `{"value": v, "type": t}`."""
    for name, entry in _object(value).items():
        yield name[:200], entry.get("value") if isinstance(entry, dict) and "value" in entry else entry


def _object(value: object) -> Tree:
    return value if isinstance(value, dict) else {}


def _id(value: object, shape: re.Pattern[str]) -> str:
    """Lower-case hex digits of the right number that are not all zero, else "". Dashes of a UUID are left out."""
    text = value.replace("-", "").lower() if isinstance(value, str) else ""
    return text if shape.fullmatch(text) and text.strip("0") else ""


def _text(value: object, limit: int) -> str:
    if isinstance(value, str):
        return value.replace("\0", "").strip()[:limit]
    return str(value)[:limit] if isinstance(value, int | float) and not isinstance(value, bool) else ""
