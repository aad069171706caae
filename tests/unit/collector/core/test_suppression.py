"""Why nobody is told: the reasons, their order, and what they do not touch."""

import msgspec
import pytest

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.silence import Silence
from ukemi.collector.core.suppression import (
    BURST,
    PASSING,
    Outage,
    Situation,
    Suppression,
    why_suppressed,
)

NOW_US = 1_767_225_600_000_000
FACTS = {"project": {"1", "Shop", "shop"}, "rule": {"slow"}, "environment": {"production"}, "severity": {"high"}}
OUTAGE = Outage("ab", "failure_run", "production", "API downtime in production", None)


def silence(kind: str = "silence", **fields: object) -> Silence:
    ordinary = {
        "id": "s1",
        "kind": kind,
        "matchers": {"rule": "slow"},
        "starts_us": NOW_US - SECOND_US,
        "ends_us": NOW_US + SECOND_US,
        "weekly": False,
        "zone": "UTC",
        "author": "ann@example.org",
        "comment": "we know",
        "created_us": NOW_US,
    }
    return Silence(**{**ordinary, **fields})


def situation(**fields: object) -> Situation:
    ordinary = {
        "condition": "ratio",
        "severity": "high",
        "environment": "production",
        "opened_us": NOW_US,
        "facts": FACTS,
        "channels_named": 2,
        "channels_configured": 1,
        "aftermath_us": 450 * SECOND_US,
    }
    return Situation(**{**ordinary, **fields})


EVERYTHING = {
    "channels_named": 0,
    "channels_configured": 0,
    "silences": [silence()],
    "outages": [OUTAGE],
    "cooldown_us": SECOND_US,
    "last_end_us": NOW_US,
    "burst": BURST + 1,
}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, None),
        ({"channels_named": 0, "channels_configured": 0}, Suppression.DISABLED),
        ({"channels_configured": 0}, Suppression.NO_CHANNEL),
        ({"silences": [silence()]}, Suppression.SILENCED),
        ({"silences": [silence("maintenance")]}, Suppression.MAINTENANCE),
        ({"silences": [silence("maintenance", matchers={})]}, Suppression.MAINTENANCE),
        ({"silences": [silence(matchers={"rule": "other"})]}, None),
        ({"silences": [silence(matchers={"rule": "slow", "environment": "staging"})]}, None),
        ({"silences": [silence(ends_us=NOW_US)]}, None),
        ({"silences": [silence(starts_us=NOW_US + 1)]}, None),
        ({"silences": [silence(ended_us=NOW_US)]}, None),
        ({"outages": [OUTAGE]}, Suppression.INHIBITED),
        ({"outages": [OUTAGE], "condition": "percentile"}, Suppression.INHIBITED),
        ({"outages": [OUTAGE], "condition": "event"}, None),
        ({"outages": [OUTAGE], "condition": "failure_run"}, None),
        ({"outages": [OUTAGE], "environment": "staging"}, None),
        (
            {"outages": [msgspec.structs.replace(OUTAGE, closed_us=NOW_US - 449 * SECOND_US)]},
            Suppression.INHIBITED,
        ),
        ({"outages": [msgspec.structs.replace(OUTAGE, closed_us=NOW_US - 450 * SECOND_US)]}, None),
        ({"cooldown_us": 300 * SECOND_US, "last_end_us": NOW_US - 299 * SECOND_US}, Suppression.COOLDOWN),
        ({"cooldown_us": 300 * SECOND_US, "last_end_us": NOW_US - 300 * SECOND_US}, None),
        ({"cooldown_us": 300 * SECOND_US, "last_end_us": None}, None),
        ({"cooldown_us": 300 * SECOND_US, "last_end_us": NOW_US, "severity": "critical"}, None),
        ({"cooldown_us": 300 * SECOND_US, "last_end_us": NOW_US, "was_told": True}, None),
        ({"condition": "event", "burst": BURST}, None),
        ({"condition": "event", "burst": BURST + 1}, Suppression.DIGEST),
        ({"condition": "event", "burst": 1, "digest_id": "cd"}, Suppression.DIGEST),
        ({"condition": "event", "burst": BURST + 1, "was_told": True}, None),
        ({"condition": "ratio", "burst": BURST + 1}, None),
    ],
)
def test_each_reason_keeps_exactly_what_it_is_about(fields: dict, why: Suppression | None) -> None:
    held = why_suppressed(situation(**fields), NOW_US)
    assert (held and held.why) is why


def test_the_first_reason_of_a_fixed_order_counts() -> None:
    fields, found = dict(EVERYTHING), []
    ends: list[dict] = [
        {"channels_named": 1},
        {"channels_configured": 1},
        {"silences": []},
        {"outages": []},
        {"last_end_us": None, "condition": "event"},
        {"burst": 1},
    ]
    for end in ends:
        found.append(why_suppressed(situation(**fields), NOW_US).why)
        fields |= end
    assert found == [
        Suppression.DISABLED,
        Suppression.NO_CHANNEL,
        Suppression.SILENCED,
        Suppression.INHIBITED,
        Suppression.COOLDOWN,
        Suppression.DIGEST,
    ]
    assert why_suppressed(situation(**fields), NOW_US) is None


def test_a_reason_names_who_and_what() -> None:
    silenced = why_suppressed(situation(silences=[silence()]), NOW_US)
    assert (silenced.because, silenced.by) == ("Silenced by ann@example.org: we know", "s1")
    inhibited = why_suppressed(situation(outages=[OUTAGE]), NOW_US)
    assert (inhibited.because, inhibited.by) == ("It follows from “API downtime in production”.", "ab")


def test_what_does_not_end_by_itself_is_not_looked_at_again() -> None:
    """A digest tells of it; and with a new channel, nobody wants to hear of everything that is open."""
    assert set(Suppression) - set(PASSING) == {Suppression.DISABLED, Suppression.NO_CHANNEL, Suppression.DIGEST}
