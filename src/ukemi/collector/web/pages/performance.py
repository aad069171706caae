"""Performance: how often, how fast and how well each transaction of a project runs, with examples of it."""

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.core.clock import HOUR_US, SECOND_US
from ukemi.collector.core.measure import quantile_ms
from ukemi.collector.store import projects, transactions
from ukemi.collector.store.transactions import Performance, SampleLine
from ukemi.collector.web.context import respond, web_of
from ukemi.protocol.event import decode_event, read_instant

HOURS: Final = (1, 24, 168)
MAX_SPANS_SHOWN: Final = 200


class Line(msgspec.Struct, frozen=True):
    """One name's transactions over the time that was asked for."""

    op: str
    name: str
    key_kind: str
    count: int
    """Weighted by the sample rates."""
    sample_count: int
    per_minute: float
    failure_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Bar(msgspec.Struct, frozen=True):
    """One span of the waterfall."""

    op: str
    description: str
    depth: int
    start: float
    """Share of the whole that is over when it begins."""
    share: float
    duration_us: int
    is_failed: bool


class Example(msgspec.Struct, frozen=True):
    line: SampleLine
    spans: list[Bar]
    """In order of beginning, below what they belong to; at most 200."""


class PerformancePage(msgspec.Struct, frozen=True):
    """All that `performance.html` may see."""

    project_id: int
    project: str
    hours: int
    lines: list[Line]
    """Busiest first."""
    op: str
    name: str
    """Of the transaction whose examples are shown; "" for none."""
    samples: list[SampleLine]
    example: Example | None


def show(request: Request) -> Response:
    web, project_id, query = web_of(request), request.path_params["project_id"], request.query_params
    hours = next((hours for hours in HOURS if str(hours) == query.get("hours")), HOURS[1])
    since_us = web.clock.now_us() - hours * HOUR_US
    op, name, wanted = query.get("op", "")[:64], query.get("name", "")[:200], query.get("example", "")
    with web.database.read() as tx:
        project = projects.get(tx, project_id)
        lines = [_line(one, hours) for one in transactions.performance(tx, project_id, since_us)]
        samples = transactions.samples(tx, project_id, since_us, op, name) if name else []
        chosen = next((one.id for one in samples if one.id == wanted), samples[0].id if samples else None)
        example = _example(*transactions.sample(tx, project_id, chosen)) if chosen else None
    page = PerformancePage(project_id, project.name, hours, lines, op, name, samples, example)
    return respond(request, "performance.html", page)


def _line(one: Performance, hours: int) -> Line:
    latency = {int(number): count for number, count in one.counted.latency.items()}
    p50, p95, p99 = (quantile_ms(latency, share) for share in (0.5, 0.95, 0.99))
    count = one.counted.count
    return Line(
        op=one.op,
        name=one.name,
        key_kind=one.key_kind,
        count=count,
        sample_count=one.sample_count,
        per_minute=count / (hours * 60),
        failure_rate=one.failed / count if count else 0.0,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


def _example(line: SampleLine, body: bytes) -> Example:
    tree = decode_event(body)
    began_s = read_instant(tree.get("start_timestamp")) or 0.0
    whole_s = max(line.duration_us / SECOND_US, 1e-6)
    spans = [span for span in tree.get("spans") or [] if isinstance(span, dict)]
    children: dict[str, list[dict[str, Any]]] = {}
    ids = {str(span.get("span_id")) for span in spans}
    for span in sorted(spans, key=lambda span: read_instant(span.get("start_timestamp")) or 0.0):
        parent = str(span.get("parent_span_id"))
        children.setdefault(parent if parent in ids and parent != str(span.get("span_id")) else "", []).append(span)
    bars: list[Bar] = []
    waiting = [(span, 0) for span in reversed(children.get("", []))]
    seen: set[str] = set()
    while waiting and len(bars) < MAX_SPANS_SHOWN:
        span, depth = waiting.pop()
        if (bar := _bar(span, depth, began_s, whole_s)) is not None:
            bars.append(bar)
        if (own := str(span.get("span_id"))) not in seen:
            seen.add(own)
            waiting += [(child, depth + 1) for child in reversed(children.get(own, []))]
    return Example(line, bars)


def _bar(span: dict[str, Any], depth: int, began_s: float, whole_s: float) -> Bar | None:
    start_s, end_s = read_instant(span.get("start_timestamp")), read_instant(span.get("timestamp"))
    if start_s is None or end_s is None or end_s < start_s:
        return None
    start = min(max((start_s - began_s) / whole_s, 0.0), 1.0)
    return Bar(
        op=str(span.get("op") or "default")[:64],
        description=str(span.get("description") or "")[:500],
        depth=min(depth, 12),
        start=start,
        share=min((end_s - start_s) / whole_s, 1.0 - start),
        duration_us=round((end_s - start_s) * SECOND_US),
        is_failed=span.get("status") not in (None, "ok", "cancelled", "unknown"),
    )
