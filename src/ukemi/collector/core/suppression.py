"""
Suppression: why nobody is told of something that a rule found. Pure.

The order is fixed, and the first reason counts: disabled, silence or maintenance, inhibited, cooldown, digest. Whatever is
suppressed is written down with its reason.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from ukemi.collector.core import silence as silences
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.rule import Severity
from ukemi.collector.core.silence import Facts, Silence

INHIBITS: Final = {"failure_run": ("ratio", "percentile")}
"""By condition: while an incident of the first is open, those of the others in the same service are its consequence."""
BURST: Final = 5
"""So many issues of one rule and project are told one by one within BURST_S; more wait for the digest."""
BURST_S: Final = 60.0


class Suppression(StrEnum):
    DISABLED = "disabled"
    """The rules file names no channel for the severity: nobody is meant to be told."""
    NO_CHANNEL = "no_channel"
    """Channels are named, but none of them is configured: somebody is meant to be told, and is not."""
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"
    COOLDOWN = "cooldown"
    DIGEST = "digest"


PASSING: Final = (Suppression.SILENCED, Suppression.MAINTENANCE, Suppression.INHIBITED, Suppression.COOLDOWN)
"""Reasons that end by themselves: an incident that is still open then is told."""


class Held(msgspec.Struct, frozen=True):
    """Why something is not told."""

    why: Suppression
    because: str
    by: str = ""
    """Id of the silence, or of the incident, that is the reason."""


class Outage(msgspec.Struct, frozen=True):
    """An incident of a condition that inhibits others, open or closed within the grace."""

    incident_id: str
    condition: str
    environment: str
    title: str
    closed_us: int | None


class Situation(msgspec.Struct, frozen=True):
    """All that decides whether one incident may be told now."""

    condition: str
    """Kind of its rule's condition."""
    severity: Severity
    environment: str
    opened_us: int
    facts: Facts
    channels_named: int
    channels_configured: int
    silences: Sequence[Silence] = ()
    outages: Sequence[Outage] = ()
    """Of the same project."""
    was_told: bool = False
    """Somebody heard of its opening."""
    aftermath_us: int = 0
    """What an outage caused is still in the windows of its rule when it ends; told is what outlives it by so long."""
    cooldown_us: int = 0
    last_end_us: int | None = None
    """When the incident before it, of the same rule and labels, closed."""
    burst: int = 0
    """Incidents of its rule and project that opened within BURST_S before it, itself included."""
    digest_id: str = ""
    """Of the digest that collects such incidents at present, "" when none does."""


def why_suppressed(it: Situation, now_us: int) -> Held | None:
    """Why nobody is told now, or None when they are."""
    if not it.channels_named:
        return Held(Suppression.DISABLED, f"The rules name no channel for the severity {it.severity}.")
    if not it.channels_configured:
        return Held(Suppression.NO_CHANNEL, f"No channel for the severity {it.severity} is configured.")
    for one in it.silences:
        if silences.is_active(one, now_us) and silences.matches(one, it.facts):
            why = Suppression.MAINTENANCE if one.kind == "maintenance" else Suppression.SILENCED
            words = f"{'Maintenance' if one.kind == 'maintenance' else 'Silenced'} by {one.author}"
            return Held(why, f"{words}: {one.comment}" if one.comment else f"{words}.", one.id)
    for outage in it.outages:
        if (
            it.condition in INHIBITS.get(outage.condition, ())
            and outage.environment == it.environment
            and (outage.closed_us is None or now_us - outage.closed_us < it.aftermath_us)
        ):
            ended = "" if outage.closed_us is None else ", which has just ended"
            return Held(Suppression.INHIBITED, f"It follows from “{outage.title}”{ended}.", outage.incident_id)
    if (
        not it.was_told
        and it.severity != "critical"
        and it.last_end_us is not None
        and now_us - it.last_end_us < it.cooldown_us
    ):
        rest_s = (it.last_end_us + it.cooldown_us - now_us) / SECOND_US
        return Held(
            Suppression.COOLDOWN, f"The last one ended a moment ago; told in {rest_s:.0f} s if it is still open."
        )
    if it.condition == "event" and not it.was_told and (it.digest_id or it.burst > BURST):
        return Held(Suppression.DIGEST, "Many of the kind came at once; told together in one digest.", it.digest_id)
    return None
