"""Outcomes: every item that reaches us gets exactly one, and it is counted."""

from typing import Literal

import msgspec

OutcomeKind = Literal["accepted", "duplicate", "sampled", "filtered", "rate_limited", "invalid", "not_kept", "lost"]


class Outcome(msgspec.Struct, frozen=True):
    kind: OutcomeKind
    reason: str = ""
    """A short word from a small set, for it becomes a metric label; the long story goes into the log."""


ACCEPTED = Outcome("accepted")


class OutcomeCount(msgspec.Struct, frozen=True):
    """So many items of one category met one fate. Ingest hands these to digest through the spool as JSON."""

    category: str
    outcome: OutcomeKind
    reason: str
    quantity: int
