"""What the families of items have in common: each is understood item by item, then written with the batch."""

from collections import Counter
from typing import Protocol

from ukemi.collector.core.clock import MINUTE_US
from ukemi.collector.core.outcome import OutcomeKind
from ukemi.collector.spool.item import SpoolItem
from ukemi.collector.store.database import Tx
from ukemi.collector.store.outcomes import OutcomeKey
from ukemi.protocol.quantities import quantities

Counts = Counter[OutcomeKey]
"""Outcomes of a batch."""


class Family(Protocol):
    """One family of items. What `take` learned is written by `write`, or forgotten by `begin` when the batch failed."""

    item_types: tuple[str, ...]

    def begin(self) -> None:
        """A new batch begins; one that was not written never was."""

    def take(self, item: SpoolItem, counts: Counts) -> None:
        """
        Understand one item, in memory.

        Raises:
            PayloadError: the item cannot be understood; then nothing of it was taken.
        """

    def write(self, tx: Tx, counts: Counts) -> None:
        """Write what was taken since `begin`."""


def count(counts: Counts, item: SpoolItem, kind: OutcomeKind, reason: str = "") -> None:
    """Note an item's outcome for all that it counts for."""
    for category, quantity in quantities(item.item_type, item.payload):
        counts[item.project_id, minute_of(item), category, kind, reason] += quantity


def minute_of(item: SpoolItem) -> int:
    """Start of the minute of receipt."""
    return item.received_us - item.received_us % MINUTE_US
