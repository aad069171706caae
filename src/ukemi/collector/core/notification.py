"""Notifications: who must be told what, and when to try again. Pure."""

from enum import StrEnum
from typing import Final

import msgspec

from ukemi.collector.core.clock import HOUR_US, SECOND_US
from ukemi.collector.core.rule import Severity

MAX_TEXT: Final = 1000
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 900.0
GIVE_UP_AFTER_S: Final = 24 * 3600
"""A channel that fails for so long is given up for this notification, and the failure is shown."""
HAND_OVER_AFTER_S: Final = 120.0
"""What a channel has not taken for so long is told through another one, while trying goes on."""
BREAK_AFTER: Final = 5
"""Failures in a row, of any notifications, after which a channel is left alone for a while."""
FIRST_BREAK_S, LONGEST_BREAK_S = 10.0, 300.0
RANKS: Final = {"warning": 0, "high": 1, "critical": 2}


class Reason(StrEnum):
    OPENED = "opened"
    UPGRADED = "upgraded"
    STILL_OPEN = "still_open"
    ACKNOWLEDGED = "acknowledged"
    REOPENED = "reopened"
    CLOSED = "closed"
    HELD_BACK = "held_back"
    """What the hourly budget of a channel kept back, in one."""
    TEST = "test"
    """A person asked for it."""
    SELF_TEST = "self_test"
    """The collector asked for it, for nothing had passed through the channel for long."""


NEWS: Final = (Reason.OPENED, Reason.UPGRADED, Reason.STILL_OPEN, Reason.REOPENED)
"""What wakes people, so it can be suppressed, and is worth handing over to another channel."""


class Line(msgspec.Struct, frozen=True):
    """One of several things that a notification tells."""

    text: str
    link: str = ""


class BlastRadius(msgspec.Struct, frozen=True):
    """Whom and what it hits, as far as is known when it is told."""

    events: int = 0
    users: int = 0
    endpoints: list[Line] = []
    """The most affected, with their numbers."""
    first_release: str = ""
    """The release that the issue was first seen in."""
    suspect_release: str = ""
    """The release that came last before it began, when one did."""
    samples: list[Line] = []
    """A few events."""


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
    actor: str = ""
    """Who acknowledged, closed or reopened it, when a person did."""
    is_acknowledged: bool = False
    blast_radius: BlastRadius | None = None
    cause: Line | None = None
    """The new issue that likely caused it."""
    lines: list[Line] = []
    """Of a digest: what it is made of."""
    incident_link: str = ""
    """Where it can be acknowledged and silenced; `link` leads to the issue when there is one."""


def without_issue(content: Content, issue_id: str) -> Content:
    """What is left to tell of other things once an issue was deleted: nothing that leads to it, or was said of it."""

    def others(lines: list[Line]) -> list[Line]:
        return [line for line in lines if not leads_to(line)]

    def leads_to(line: Line) -> bool:
        return f"/issues/{issue_id}" in line.link

    hit = content.blast_radius
    return msgspec.structs.replace(
        content,
        blast_radius=msgspec.structs.replace(hit, samples=others(hit.samples)) if hit else None,
        cause=None if content.cause and leads_to(content.cause) else content.cause,
        lines=others(content.lines),
    )


class Sent(msgspec.Struct, frozen=True):
    """What a channel was told of an incident last."""

    reason: Reason
    severity: Severity
    is_acknowledged: bool
    at_us: int


class Standing(msgspec.Struct, frozen=True):
    """How an incident stands now."""

    is_open: bool
    severity: Severity
    is_acknowledged: bool
    repeat_us: int
    """After so long "still open" is told; 0: never."""


def why_notify(it: Standing, last: Sent | None, now_us: int) -> Reason | None:
    """Why a channel should be told of an incident now, or None to stay silent. `last`: what it was told last."""
    if last is None:
        # Nobody was told that it opened: don't tell that it closed, nor what somebody knows already.
        return Reason.OPENED if it.is_open and not it.is_acknowledged else None
    if not it.is_open:
        return None if last.reason is Reason.CLOSED else Reason.CLOSED
    if last.reason is Reason.CLOSED:
        return Reason.REOPENED
    if RANKS[it.severity] > RANKS[last.severity]:
        return Reason.UPGRADED
    if it.is_acknowledged:
        return None if last.is_acknowledged else Reason.ACKNOWLEDGED
    if it.repeat_us and now_us - last.at_us >= it.repeat_us:
        return Reason.STILL_OPEN
    return None


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


def break_until_us(failures: int, retry_after_s: float | None, now_us: int) -> int | None:
    """
    Until when a failing channel is left alone altogether, or None to go on.

    Args:
        failures: in a row, of any notifications.
        retry_after_s: what the channel asked for: then it is left alone at once.
    """
    pause_s = retry_after_s or 0.0
    if failures >= BREAK_AFTER:
        pause_s = max(pause_s, min(LONGEST_BREAK_S, FIRST_BREAK_S * 2.0 ** min(failures - BREAK_AFTER, 10)))
    return now_us + round(pause_s * SECOND_US) if pause_s else None


def must_hand_over(reason: Reason, attempts: int, created_us: int, failing_since_us: int | None, now_us: int) -> bool:
    """
    Whether another channel should be told, since this one does not take it.

    Args:
        failing_since_us: since when the channel has taken nothing; None while it works.
    """
    if reason not in NEWS:
        return False
    patience_us = HAND_OVER_AFTER_S * SECOND_US
    is_dead = failing_since_us is not None and now_us - failing_since_us >= patience_us
    return is_dead or (attempts > 0 and now_us - created_us >= patience_us)


def has_room(delivered_this_hour: int, per_hour: int) -> bool:
    """Whether a channel's budget allows one more; 0 means no budget."""
    return not per_hour or delivered_this_hour < per_hour


def hour_of(now_us: int) -> int:
    """Start of the clock hour, in which budgets are counted."""
    return now_us - now_us % HOUR_US
