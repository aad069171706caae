"""What alert rules may look at, from what digest understood. Only what came with a server key, for a browser's is public. Pure."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from ukemi.collector.core.observation import MAX_USERS, EventCount, EventKind, Service, Source, Traffic, request
from ukemi.collector.digest.understand import Understood
from ukemi.protocol.session import Ending
from ukemi.protocol.transaction import Transaction
from ukemi.protocol.vocabulary import HEALTH_SEGMENTS, latency_bin

Events = dict[tuple[Service, Source, int], dict[EventKind, EventCount]]
Routes = dict[tuple[Service, Source, int], dict[str, Traffic]]

_SERVER_ERRORS: Final = frozenset({"internal_error", "unimplemented", "unavailable", "deadline_exceeded", "data_loss"})
"""Statuses of transactions that SDKs give to answers of 500 and above."""
_LOST_SESSIONS: Final[tuple[Ending, ...]] = ("crashed", "abnormal", "unhandled")


def kind_of(issue_id: str, level: str, tags: Mapping[str, str], key_kind: str) -> EventKind:
    """What rules can ask of an event."""
    return EventKind(
        issue=issue_id,
        level=level,
        domain=tags.get("domain", "")[:64],
        is_expected=tags.get("expected") in ("yes", "true"),
        key_kind=key_kind,
    )


def observe_events(events: Iterable[tuple[Understood, str]]) -> Events:
    """
    Count events by what rules can ask for.

    Args:
        events: each with its issue.
    """
    found: Events = {}
    for one, issue_id in events:
        service = Service(one.project_id, one.environment, one.release)
        kinds = found.setdefault((service, "events", one.received_us), {})
        count = kinds.setdefault(kind_of(issue_id, one.level, one.told_tags, one.key_kind), EventCount())
        count.events += 1
        if (key := one.user_key) and len(count.users) < MAX_USERS:
            count.users = sorted({*count.users, blake2b(key.encode(), digest_size=8).hexdigest()})
    return found


def observe_transaction(
    found: Routes, service: Service, name: str, transaction: Transaction, rate: float | None, received_us: int
) -> None:
    """Count a request that an SDK traced, with the weight of those that it did not."""
    if transaction.op != "http.server" or HEALTH_SEGMENTS & set(name.lower().split("/")):
        return
    latency = {latency_bin(transaction.duration_s * 1000): 1.0}
    routes = found.setdefault((service, "transactions", received_us), {})
    has_failed = transaction.status in _SERVER_ERRORS
    routes.setdefault(name, Traffic()).add(request(latency, failed=has_failed, rate=rate or 1.0))


def observe_sessions(found: Routes, service: Service, endings: Mapping[Ending, int], received_us: int) -> None:
    """Count sessions that ended."""
    all_, lost = sum(endings.values()), sum(endings.get(ending, 0) for ending in _LOST_SESSIONS)
    traffic = found.setdefault((service, "sessions", received_us), {}).setdefault("", Traffic())
    if all_ > lost:
        traffic.add(request({}, count=all_ - lost))
    if lost:
        traffic.add(request({}, count=lost, failed=True))
