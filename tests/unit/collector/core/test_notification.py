"""Who must be told what, and when to try again."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import (
    FIRST_RETRY_S,
    GIVE_UP_AFTER_S,
    LONGEST_RETRY_S,
    Reason,
    next_try_us,
    why_notify,
)

NOW_US = 1_767_225_600_000_000
OPENED, CLOSED = ("slack", Reason.OPENED), ("slack", Reason.CLOSED)
OTHERS = {("webhook", Reason.OPENED), ("webhook", Reason.CLOSED)}


@pytest.mark.parametrize(
    ("is_open", "told", "reason"),
    [
        (True, set(), Reason.OPENED),
        (True, {OPENED}, None),
        (False, set(), None),
        (False, {OPENED}, Reason.CLOSED),
        (False, {OPENED, CLOSED}, None),
        (True, OTHERS, Reason.OPENED),
        (False, OTHERS, None),
        (False, OTHERS | {OPENED}, Reason.CLOSED),
    ],
    ids=[
        "it opened",
        "it is open still",
        "its opening was not told, so its end is not",
        "it closed",
        "all was told",
        "another channel's story is not this one's",
        "nor its end",
        "each hears of the end",
    ],
)
def test_a_channel_is_told_once_of_the_opening_and_once_of_the_end(is_open, told, reason):
    assert why_notify("slack", told, is_open=is_open) is reason


def pause_s(attempts: int, jitter: float = 0.0, retry_after_s: float | None = None) -> float:
    at_us = next_try_us(attempts, NOW_US, retry_after_s, jitter, NOW_US)
    return (at_us - NOW_US) / SECOND_US


def test_pauses_double_until_they_are_as_long_as_they_get():
    pauses_s = [pause_s(attempts) for attempts in range(1, 200)]

    assert pauses_s[:4] == [FIRST_RETRY_S, 4, 8, 16]
    assert all(earlier <= later for earlier, later in itertools.pairwise(pauses_s))
    assert pauses_s[-1] == max(pauses_s) == LONGEST_RETRY_S


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_lengthens_a_pause_by_a_fifth_at_most(attempts, jitter):
    assert pause_s(attempts) <= pause_s(attempts, jitter) <= pause_s(attempts) * 1.2 + 1 / SECOND_US


@pytest.mark.parametrize(
    ("asked_s", "expected_s"),
    [(None, 2.0), (0.0, 2.0), (1.0, 2.0), (120.0, 120.0), (3600.0, 3600.0)],
)
def test_a_channel_that_asks_for_patience_gets_at_least_that(asked_s, expected_s):
    assert pause_s(1, retry_after_s=asked_s) == expected_s


def test_after_a_day_a_delivery_is_given_up():
    deadline_us = NOW_US + GIVE_UP_AFTER_S * SECOND_US

    assert next_try_us(100, NOW_US, None, 0, deadline_us) is not None
    assert next_try_us(100, NOW_US, None, 0, deadline_us + 1) is None
    assert next_try_us(1, NOW_US, 60, 0, deadline_us + 1) is None
