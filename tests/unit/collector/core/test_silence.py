"""When a silence is active, what it matches, and what is no silence."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from ukemi.collector.core.silence import MAX_MATCHERS, WEEK_US, Silence, is_active, matches, why_wrong, window

NOW_US = 1_767_225_600_000_000


def silence(**fields: object) -> Silence:
    ordinary = {
        "id": "s1",
        "kind": "silence",
        "matchers": {"rule": "slow"},
        "starts_us": NOW_US,
        "ends_us": NOW_US + HOUR_US,
        "weekly": False,
        "zone": "UTC",
        "author": "ann@example.org",
        "comment": "",
        "created_us": NOW_US,
    }
    return Silence(**{**ordinary, **fields})


def at(text: str, zone: str = "Europe/Berlin") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_US


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ({"rule": "slow"}, True),
        ({"issue": "SHOP-12"}, True),
        ({"issue": "00ab"}, True),
        ({"project": "1"}, True),
        ({"project": "shop"}, True),
        ({"rule": "slow", "environment": "production", "route": "/pay"}, True),
        ({"rule": "slow", "environment": "staging"}, False),
        ({"rule": "Slow"}, False),
        ({"colour": "red"}, False),
        ({"domain": "payment"}, False),
        ({}, True),
    ],
)
def test_all_matchers_must_hold(matchers: dict[str, str], expected: bool) -> None:
    facts = {
        "rule": {"slow"},
        "project": {"1", "Shop", "shop"},
        "environment": {"production"},
        "issue": {"00ab", "SHOP-12"},
        "domain": {""},
        "route": {"/pay"},
    }
    assert matches(silence(matchers=matchers), facts) is expected


def test_it_is_active_from_its_start_to_just_before_its_end() -> None:
    one = silence()
    found = [is_active(one, NOW_US + us) for us in (-1, 0, HOUR_US - 1, HOUR_US)]
    assert found == [False, True, True, False]


def test_one_that_somebody_ended_is_over_whatever_it_said() -> None:
    one = silence(weekly=True, ended_us=NOW_US + MINUTE_US)
    assert is_active(one, NOW_US)
    assert not is_active(one, NOW_US + MINUTE_US)
    assert window(one, NOW_US + MINUTE_US) is None


def test_a_weekly_window_keeps_its_wall_clock_over_summer_time() -> None:
    """Sundays from 2 to 4 in Berlin, which is 1 to 3 UTC in winter and 0 to 2 in summer."""
    one = silence(starts_us=at("2026-03-22T02:00"), ends_us=at("2026-03-22T04:00"), weekly=True, zone="Europe/Berlin")
    for day in ("2026-03-22", "2026-04-05", "2026-07-19", "2026-10-25", "2026-11-29"):
        start_us, _ = window(one, at(f"{day}T03:30"))
        assert datetime.fromtimestamp(start_us / SECOND_US, UTC).astimezone(ZoneInfo("Europe/Berlin")).hour == 2
        assert is_active(one, at(f"{day}T03:30"))
        assert not is_active(one, at(f"{day}T01:30"))
        assert not is_active(one, at(f"{day}T04:30"))
    assert not is_active(one, at("2026-04-06T03:30"))
    assert not is_active(one, at("2026-03-15T03:30"))


@given(st.integers(-3 * WEEK_US, 200 * WEEK_US), st.integers(MINUTE_US, WEEK_US))
def test_the_window_of_an_instant_runs_then_or_is_the_next(offset_us: int, length_us: int) -> None:
    one = silence(ends_us=NOW_US + length_us, weekly=True)
    start_us, end_us = window(one, NOW_US + offset_us)
    assert end_us - start_us == length_us
    assert (start_us - NOW_US) % WEEK_US == 0
    assert NOW_US + offset_us < end_us
    assert start_us == NOW_US or end_us - WEEK_US <= NOW_US + offset_us


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, None),
        ({"kind": "maintenance", "matchers": {}}, None),
        ({"weekly": True, "zone": "Europe/Berlin"}, None),
        ({"matchers": {}}, "at least one of rule"),
        ({"matchers": {str(n): "x" for n in range(MAX_MATCHERS + 1)}}, "At most 10"),
        ({"matchers": {"rule": "x" * 201}}, "200 characters"),
        ({"ends_us": NOW_US}, "a minute behind"),
        ({"ends_us": NOW_US + 400 * DAY_US}, "at most a year"),
        ({"ends_us": NOW_US + 8 * DAY_US, "weekly": True}, "at most a week"),
        ({"zone": "Mars/Base"}, "no time zone 'Mars/Base'"),
    ],
)
def test_a_wish_that_makes_no_sense_is_answered_with_what_would(fields: dict, says: str | None) -> None:
    found = why_wrong(silence(**fields))
    assert found is None if says is None else says in found
