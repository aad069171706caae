"""
Which alerts must arrive in the inbox, and what is missing of them.

Rules are judged in the collector, and each channel has its own words; here both come together. Pure: what was received and
what the collector says it sent are handed in.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

Received = dict[str, Any]
"""One message of the inbox; its fields are those of `demo.inbox.Received`."""
Delivery = dict[str, Any]
"""One line of the collector's own ledger of notifications."""


RANKS = {"warning": 0, "high": 1, "critical": 2}


class Row(NamedTuple):
    """A rule or a step of one, and who must hear of it."""

    name: str
    rule: str
    severity: str
    told: frozenset[str]


def _row(name: str, severity: str, *told: str, rule: str = "") -> Row:
    return Row(name, rule or name, severity, frozenset(told))


ROWS = (
    _row("high error rate", "high", "slack", "email", "webhook"),
    # A step is the same incident, upgraded: who heard of it hears that, and the others hear of it for the first time.
    _row("urgent error rate", "critical", "slack", "pagerduty", "webhook", rule="high error rate"),
    _row("critical path", "critical", "slack", "pagerduty", "webhook"),
    _row("subscription errors", "high", "slack", "email", "webhook"),
    _row("API downtime", "critical", "slack", "pagerduty", "webhook"),
    _row("new error type", "warning", "slack"),
    _row("expected failures", "warning", "slack"),
    _row("slow", "warning", "slack"),
    _row("very slow", "high", "slack", "email", "webhook", rule="slow"),
)
ROW = {row.name: row for row in ROWS}


def telling(received: Sequence[Received], row: Row) -> dict[str, Received]:
    """The first message of each channel that tells of a row; on a busy machine all may be so slow that the step comes at once."""
    found: dict[str, Received] = {}
    for one in received:
        is_news = one["state"] in ("opened", "upgraded") and one["rule"] == row.rule and one["channel"] in row.told
        if is_news and RANKS[one["severity"]] >= RANKS[row.severity]:
            found.setdefault(one["channel"], one)
    return found


def is_heard(received: Sequence[Received], row: Row) -> bool:
    """Whether every channel heard of a row that must."""
    return telling(received, row).keys() == row.told


def ended_s(received: Sequence[Received], row: Row) -> float | None:
    """When a channel was told first that it is over; seconds since the epoch."""
    return next((one["at_s"] for one in received if one["rule"] == row.rule and one["state"] == "closed"), None)


def complaints(received: Sequence[Received], ledger: Sequence[Delivery]) -> list[str]:
    """What is missing, and what came too often; empty when all is well."""
    found = []
    for row in ROWS:
        if missing := row.told - telling(received, row).keys():
            found.append(f"{row.name}: {', '.join(sorted(missing))} heard nothing of it.")
        elif ended_s(received, row) is None:
            found.append(f"{row.name}: nobody heard of its end.")
    found += [f"{channel} was not told of an end: {rule}." for channel, rule in unfinished(received)]
    rules = {row.rule for row in ROWS}
    found += [
        f"{one['channel']} was told of something else: {one['title']}." for one in received if one["rule"] not in rules
    ]
    return found + _not_once(received, ledger)


def unfinished(received: Sequence[Received]) -> list[tuple[str, str]]:
    """Channel and rule of the incidents whose opening a channel was told, and not their end."""
    closed = {(one["channel"], one["key"]) for one in received if one["state"] == "closed"}
    return [
        (one["channel"], one["rule"])
        for one in received
        if one["key"] and one["state"] == "opened" and (one["channel"], one["key"]) not in closed
    ]


def _not_once(received: Sequence[Received], ledger: Sequence[Delivery]) -> list[str]:
    """Changes that a channel was told of more than once, or not: by what it got, and by what the collector says it sent."""
    queued = Counter((one["incident_id"], one["channel"], one["reason"]) for one in ledger)
    found = [
        f"Queued {count} times: {channel}, {reason}." for (_, channel, reason), count in queued.items() if count > 1
    ]
    sent = Counter(one["channel"] for one in ledger)
    got = Counter(one["channel"] for one in received)
    found += [
        f"{channel} got {got[channel]} messages, {sent[channel]} were sent."
        for channel in sorted(sent.keys() | got.keys())
        if got[channel] != sent[channel]
    ]
    keyed = Counter((one["channel"], one["key"], one["state"], one["rule"]) for one in received if one["key"])
    return found + [
        f"{channel} was told twice: {rule} {state}." for (channel, _, state, rule), n in keyed.items() if n > 1
    ]
