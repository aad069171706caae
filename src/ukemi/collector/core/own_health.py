"""
Ukemi itself: what is wrong with the collector, and what no longer is. Pure.

Each finding opens well above where it closes, so that what wavers at a limit is one incident and not a flood.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import HAND_OVER_AFTER_S
from ukemi.collector.core.rule import Severity

SPOOL: Final = "ukemi: spool ageing"
DISK: Final = "ukemi: disk nearly full"
QUOTA: Final = "ukemi: quota reached"
CHANNEL: Final = "ukemi: channel failed"
NOBODY: Final = "ukemi: nobody is told"

SPOOL_OLD_S, SPOOL_FINE_S = 60.0, 10.0
DISK_LOW, DISK_FINE = (0.05, 1 << 30), (0.08, 3 << 29)
"""Share and bytes that are free: low is below either, fine is above both."""
REFUSED_WITHIN_S, REFUSED_FINE_S = 300.0, 900.0

Key = tuple[str, str]
"""Rule and subject (a channel, a project, a machine; "" where there is only one): what an incident is about."""


class FailingChannel(msgspec.Struct, frozen=True):
    failing_since_us: int
    is_refusing: bool
    error: str


class Reading(msgspec.Struct, frozen=True):
    """How the collector does now."""

    machine: str
    spool_age_s: float | None
    """Since the oldest item that waits came; 0 when nothing waits, None when that could not be seen."""
    disk_free: int
    """Bytes, of the data folder's disk."""
    disk_bytes: int
    refused: Mapping[str, int]
    """By project: items refused because of a limit within REFUSED_WITHIN_S."""
    refused_before: Collection[str]
    """Projects of which items were refused within REFUSED_FINE_S."""
    failing: Mapping[str, FailingChannel]
    """The configured channels whose latest tries failed."""
    channels: Collection[str]
    """The configured ones."""


class Finding(msgspec.Struct, frozen=True):
    key: Key
    severity: Severity
    title: str
    because: str


def findings(reading: Reading, now_us: int) -> list[Finding]:
    """What is bad enough to open an incident."""
    found = []
    if reading.spool_age_s is not None and reading.spool_age_s > SPOOL_OLD_S:
        because = f"The oldest item has waited for {reading.spool_age_s:.0f} s. Digest is stopped, or too slow for what is sent."
        found.append(
            Finding((SPOOL, reading.machine), "critical", "ukemi falls behind: events wait in the spool", because)
        )
    if _share(reading) < DISK_LOW[0] or reading.disk_free < DISK_LOW[1]:
        because = (
            f"{_size(reading.disk_free)} of {_size(reading.disk_bytes)} are free. When it is full, events are refused."
        )
        found.append(Finding((DISK, reading.machine), "critical", "The disk of ukemi is nearly full", because))
    found += [
        Finding(
            (QUOTA, project),
            "warning",
            f"Items of {project} are refused",
            f"{count} in the last {REFUSED_WITHIN_S / 60:.0f} minutes, because of a limit; the page of projects says which.",
        )
        for project, count in sorted(reading.refused.items())
    ]
    found += [
        Finding((CHANNEL, name), "high", f"The channel {name} does not work", one.error)
        for name, one in sorted(reading.failing.items())
        if one.is_refusing or now_us - one.failing_since_us >= HAND_OVER_AFTER_S * SECOND_US
    ]
    if not reading.channels:
        because = "No channel is configured, so alerts stand on the pages only."
        found.append(Finding((NOBODY, ""), "high", "Nobody is being told", because))
    return found


def why_over(key: Key, reading: Reading) -> str | None:
    """Why an open incident is over, or None while it is not."""
    rule, subject = key
    if rule == SPOOL:
        is_over = subject == reading.machine and reading.spool_age_s is not None and reading.spool_age_s < SPOOL_FINE_S
        return "Digest has caught up." if is_over else None
    if rule == DISK:
        is_over = subject == reading.machine and _share(reading) > DISK_FINE[0] and reading.disk_free > DISK_FINE[1]
        return f"{_size(reading.disk_free)} are free again." if is_over else None
    if rule == QUOTA:
        is_over = subject not in reading.refused_before
        return f"Nothing was refused for {REFUSED_FINE_S / 60:.0f} minutes." if is_over else None
    if rule == CHANNEL:
        if subject not in reading.channels:
            return "It is no longer configured."
        return "It works again." if subject not in reading.failing else None
    return "A channel is configured." if reading.channels else None


def _share(reading: Reading) -> float:
    return reading.disk_free / max(1, reading.disk_bytes)


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
