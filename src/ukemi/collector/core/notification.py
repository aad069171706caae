"""Notifications: who must be told what, and when to try again. Pure."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.rule import Severity

MAX_TEXT: Final = 1000
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 900.0
GIVE_UP_AFTER_S: Final = 24 * 3600
"""A channel that fails for so long is given up for this notification, and the failure is shown."""


class Reason(StrEnum):
    OPENED = "opened"
    CLOSED = "closed"


class Content(msgspec.Struct, frozen=True):
    """What to tell. Texts from events are scrubbed and cut, but still a stranger's: each channel escapes them its way."""

    incident_id: str
    reason: Reason
    severity: Severity
    rule: str
    title: str
    because: str
    project: str
    environment: str
    culprit: str
    link: str
    opened_us: int
    closed_us: int | None = None


def why_notify(channel: str, told: Collection[tuple[str, Reason]], *, is_open: bool) -> Reason | None:
    """
    Why `channel` should be told of an incident now, or None to stay silent.

    Args:
        told: (channel, reason) of what was queued for this incident before.
    """
    if is_open:
        return None if (channel, Reason.OPENED) in told else Reason.OPENED
    if (channel, Reason.OPENED) not in told:
        return None  # nobody was told that it opened: don't tell that it closed
    return None if (channel, Reason.CLOSED) in told else Reason.CLOSED


def next_try_us(attempts: int, created_us: int, retry_after_s: float | None, jitter: float, now_us: int) -> int | None:
    """
    When to try a failed delivery again; None to give up.

    Args:
        attempts: so far, at least 1.
        retry_after_s: what the channel asked for.
        jitter: 0 to 1; spreads tries of many notifications.
    """
    if now_us - created_us > GIVE_UP_AFTER_S * SECOND_US:
        return None
    pause_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempts - 1, 20)) * (1 + 0.2 * jitter)
    return now_us + round(max(pause_s, retry_after_s or 0) * SECOND_US)
