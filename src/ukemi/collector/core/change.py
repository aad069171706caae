"""A change: what befell an issue. Digest writes it in the transaction that caused it; alerts and the activity list read it."""

from enum import StrEnum

import msgspec


class ChangeKind(StrEnum):
    NEW = "new"
    REGRESSED = "regressed"
    UNMUTED = "unmuted"
    EVENT = "event"
    """More events of an open issue; at most one a batch for each issue, environment, level and domain."""
    RESOLVED = "resolved"
    MUTED = "muted"
    REOPENED = "reopened"
    DELETED = "deleted"


class ChangeDetail(msgspec.Struct, frozen=True):
    """What alert rules may look at: of the first such event of the batch. Scrubbed and bounded like everything stored."""

    title: str = ""
    culprit: str = ""
    level: str = "error"
    environment: str = ""
    release: str = ""
    key_kind: str = "server"
    tags: dict[str, str] = {}
    """At most 50. `domain` and `expected` are what the critical-path rule reads."""
    event_id: str = ""
    event_count: int = 1
    received_us: int = 0
    """Receipt of the earliest of these events: where the delay of an alert starts."""
    note: str = ""
    """What a person's decision holds on to, in words: `in the release after shop@1.2`."""
    until_us: int | None = None
    """Up to when an issue was muted."""
