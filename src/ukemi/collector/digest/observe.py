"""What alert rules may look at, from what digest understood. Pure."""

from collections.abc import Iterable
from hashlib import blake2b

from ukemi.collector.core.observation import MAX_USERS, EventCount, EventKind, Service, Source
from ukemi.collector.digest.understand import Understood

EventPlaces = dict[tuple[Service, Source, int], dict[EventKind, EventCount]]


def events_observed(events: Iterable[tuple[Understood, str]]) -> EventPlaces:
    """
    Count events by what rules can ask for.

    Args:
        events: each with its issue.
    """
    found: EventPlaces = {}
    for one, issue_id in events:
        count = _count(found, one, issue_id)
        count.events += 1
        if (key := one.event.user.key) and len(count.users) < MAX_USERS:
            count.users = sorted({*count.users, blake2b(key.encode(), digest_size=8).hexdigest()})
    return found


def _count(found: EventPlaces, one: Understood, issue_id: str) -> EventCount:
    service = Service(one.project_id, one.event.environment, one.event.release)
    kinds = found.setdefault((service, "events", one.received_us), {})
    kind = EventKind(
        issue=issue_id,
        level=one.event.level,
        domain=one.event.tags.get("domain", ""),
        is_expected=one.event.tags.get("expected") in ("yes", "true"),
        key_kind=one.key_kind,
    )
    return kinds.setdefault(kind, EventCount())
