"""Latency bins: numbers that add up, and lose at most 1 %."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.vocabulary import latency_bin, latency_of_bin

DAY_MS = 86_400_000


@given(st.floats(0.1, DAY_MS))
def test_latency_of_a_bin_is_within_one_percent_of_every_duration_in_it(duration_ms):
    assert latency_of_bin(latency_bin(duration_ms)) == pytest.approx(duration_ms, rel=0.01)


@given(st.floats(0, DAY_MS), st.floats(0, DAY_MS))
def test_longer_durations_never_get_lower_bins(one, other):
    shorter, longer = sorted((one, other))

    assert latency_bin(shorter) <= latency_bin(longer)


@given(st.floats(0, DAY_MS))
def test_bins_of_a_day_stay_within_their_bounds(duration_ms):
    assert -117 <= latency_bin(duration_ms) <= 1250


def test_everything_below_a_tenth_of_a_millisecond_is_one_bin():
    assert {latency_bin(duration_ms) for duration_ms in (-1.0, 0.0, 0.05, 0.1)} == {latency_bin(0.1)}
