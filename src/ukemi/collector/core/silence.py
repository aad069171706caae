"""
Silences: what somebody does not want to be told of for a while, and maintenance windows. Pure.

A silence matches an incident by facts that it has (rule, project, environment, severity, issue, domain, any label). While
it lasts, the incident opens and stands on the pages, but nobody is told; when it ends and the incident is still open, they are.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from ukemi.collector.core.clock import DAY_US, SECOND_US

FIELDS: Final = ("rule", "project", "environment", "severity", "issue", "domain")
"""What a silence usually matches by; besides, any label of the rule, such as `endpoint`."""
WEEK_US: Final = 7 * DAY_US
MAX_MATCHERS: Final = 10
MAX_TEXT: Final = 200

Facts = Mapping[str, Collection[str]]
"""What an incident can be matched by: each name with all its spellings, as `issue` with id and short name."""


class Silence(msgspec.Struct, frozen=True):
    id: str
    kind: str
    """silence | maintenance: the word that the time line uses."""
    matchers: dict[str, str]
    """All must hold. Empty: everything; only maintenance may be so."""
    starts_us: int
    ends_us: int
    """Of the first window when it is weekly."""
    weekly: bool
    zone: str
    """IANA name of the time zone whose wall clock a weekly window keeps to."""
    author: str
    comment: str
    created_us: int
    ended_us: int | None = None
    """When somebody ended it for good."""
    ended_by: str = ""


def matches(silence: Silence, facts: Facts) -> bool:
    """Whether the silence is about an incident with these facts."""
    return all(wanted in facts.get(name, ()) for name, wanted in silence.matchers.items())


def window(silence: Silence, now_us: int) -> tuple[int, int] | None:
    """The window (start, end) that runs at `now_us`, or the next one to come; None when none will come."""
    if silence.ended_us is not None and silence.ended_us <= now_us:
        return None
    if not silence.weekly:
        return (silence.starts_us, silence.ends_us) if now_us < silence.ends_us else None
    weeks = max(0, (now_us - silence.ends_us) // WEEK_US)
    while now_us >= (end_us := _weeks_later(silence.ends_us, weeks, silence.zone)):
        weeks += 1
    return _weeks_later(silence.starts_us, weeks, silence.zone), end_us


def is_active(silence: Silence, now_us: int) -> bool:
    """Whether it keeps anybody from being told at `now_us`."""
    found = window(silence, now_us)
    return found is not None and found[0] <= now_us


def why_wrong(silence: Silence) -> str | None:
    """What is wrong with a silence that somebody wishes for, and how to mend it; None when nothing is."""
    if not silence.matchers and silence.kind == "silence":
        return "Say what to silence: at least one of rule, project, environment, severity, issue or domain."
    if len(silence.matchers) > MAX_MATCHERS or any(len(text) > MAX_TEXT for text in silence.matchers.values()):
        return f"At most {MAX_MATCHERS} matchers of {MAX_TEXT} characters each."
    length_us = silence.ends_us - silence.starts_us
    if length_us < 60 * SECOND_US:
        return "The end must lie at least a minute behind the start."
    if length_us > 366 * DAY_US:
        return "A silence lasts at most a year. Switch the rule off instead."
    if silence.weekly and length_us > WEEK_US:
        return "A weekly window lasts at most a week."
    if silence.zone != "UTC" and silence.zone not in available_timezones():
        return f"There is no time zone {silence.zone[:40]!r}. They are called like Europe/Berlin or UTC."
    return None


def _weeks_later(start_us: int, weeks: int, zone: str) -> int:
    """The same weekday and wall-clock time `weeks` later, also across a change of summer time."""
    if zone == "UTC":  # also where the machine has no data of time zones
        return start_us + weeks * WEEK_US
    local = datetime.fromtimestamp(start_us / SECOND_US, UTC).astimezone(ZoneInfo(zone))
    later = local.replace(tzinfo=None) + timedelta(weeks=weeks)
    return round(later.replace(tzinfo=ZoneInfo(zone)).timestamp() * SECOND_US)
