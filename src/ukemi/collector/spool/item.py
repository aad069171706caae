"""What lies in the spool: one row for each item, as raw as it came, for the seconds until digest takes it."""

from enum import IntEnum

import msgspec


class Lane(IntEnum):
    """Signals overtake events, so that alerts on rates and failure runs keep their delay when events queue up."""

    SIGNALS = 0
    """Request counts, loss reports, outcomes: few, small, and what alerts stand on."""
    EVENTS = 1
    SAMPLES = 2
    """Transactions and spans: many, and the first to be refused when too much waits."""


OUTCOMES_ITEM = "ukemi_outcomes"
"""Item type of a row that ingest itself wrote: a JSON list of `OutcomeCount` for items that it refused."""


class ItemContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """What digest needs of the request and the envelope around an item. Stored as JSON beside the payload."""

    item_header: msgspec.Raw = msgspec.Raw(b"{}")
    sent_at: str | None = None
    sdk: str = ""
    """`name/version` as the client called itself."""
    user_agent: str = ""
    client_ip: str = ""
    sample_rate: str = ""
    """Share of such traces that the client sends, as the envelope's header says."""


class SpoolItem(msgspec.Struct, frozen=True):
    position: int
    """Grows, never reused. 0 before the item is written."""
    lane: Lane
    received_us: int
    project_id: int
    key_kind: str
    item_type: str
    event_id: str
    """32 lower-case hex digits, or "" for an item without one."""
    context: bytes
    """`ItemContext` as JSON."""
    payload: bytes
