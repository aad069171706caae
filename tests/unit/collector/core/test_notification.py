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
    Sent,
    Standing,
    break_until_us,
    has_room,
    must_hand_over,
    next_try_us,
    why_notify,
)

NOW_US = 1_767_225_600_000_000
HOUR_US = 3600 * SECOND_US


def standing(**fields):
    ordinary = {"is_open": True, "severity": "high", "is_acknowledged": False, "repeat_us": HOUR_US}
    return Standing(**{**ordinary, **fields})


def sent(reason=Reason.OPENED, severity="high", is_acknowledged=False, at_us=NOW_US):
    return Sent(reason, severity, is_acknowledged, at_us)


@pytest.mark.parametrize(
    ("now", "last", "reason"),
    [
        ({}, None, Reason.OPENED),
        ({}, sent(), None),
        ({"is_acknowledged": True}, None, None),
        ({"is_open": False}, None, None),
        ({"is_open": False}, sent(), Reason.CLOSED),
        ({"is_open": False}, sent(Reason.CLOSED), None),
        ({}, sent(Reason.CLOSED), Reason.REOPENED),
        ({"severity": "critical"}, sent(), Reason.UPGRADED),
        ({"severity": "critical"}, sent(Reason.UPGRADED, "critical"), None),
        ({"severity": "warning"}, sent(), None),
        ({"is_acknowledged": True}, sent(), Reason.ACKNOWLEDGED),
        ({"is_acknowledged": True}, sent(Reason.ACKNOWLEDGED, is_acknowledged=True), None),
        ({"is_acknowledged": True, "severity": "critical"}, sent(is_acknowledged=True), Reason.UPGRADED),
        ({}, sent(at_us=NOW_US - HOUR_US + 1), None),
        ({}, sent(at_us=NOW_US - HOUR_US), Reason.STILL_OPEN),
        ({"repeat_us": 0}, sent(at_us=NOW_US - 9 * HOUR_US), None),
        ({"is_acknowledged": True}, sent(is_acknowledged=True, at_us=NOW_US - 9 * HOUR_US), None),
        ({"is_open": False, "is_acknowledged": True}, sent(is_acknowledged=True), Reason.CLOSED),
    ],
    ids=[
        "it opened",
        "it is open still",
        "somebody knows already",
        "its opening was not told, so its end is not",
        "it closed",
        "all was told",
        "it is open again",
        "it got worse",
        "that was told",
        "getting better is no news",
        "somebody took it on",
        "that was told, too",
        "it got worse after somebody took it on",
        "too early to repeat",
        "time to repeat",
        "never repeated",
        "nor when somebody took it on",
        "each hears of the end",
    ],
)
def test_a_channel_is_told_what_it_does_not_know_yet(now, last, reason):
    assert why_notify(standing(**now), last, NOW_US) is reason


@given(
    st.lists(
        st.sampled_from(["open", "close", "acknowledge", "upgrade", "wait"]),
        max_size=30,
    )
)
def test_whatever_happens_the_story_that_a_channel_hears_makes_sense(steps):
    """It begins with the opening, nothing is told twice in a row, and between two closings it was open again."""
    it, last, now_us, story = standing(is_open=False, severity="warning"), None, NOW_US, []
    for step in steps:
        now_us += HOUR_US if step == "wait" else SECOND_US
        if step == "open":
            it = standing(severity=it.severity)
        elif step == "close":
            it = standing(is_open=False, severity=it.severity, is_acknowledged=it.is_acknowledged)
        elif step == "acknowledge":
            it = standing(is_open=it.is_open, severity=it.severity, is_acknowledged=True)
        elif step == "upgrade":
            it = standing(is_open=it.is_open, severity="critical", is_acknowledged=it.is_acknowledged)
        if reason := why_notify(it, last, now_us):
            last = Sent(reason, it.severity, it.is_acknowledged, now_us)
            story.append(reason)
        assert why_notify(it, last, now_us) is None
    assert not story or story[0] is Reason.OPENED
    closed = [place for place, reason in enumerate(story) if reason is Reason.CLOSED]
    assert all(story[place + 1] is Reason.REOPENED for place in closed if place + 1 < len(story))
    assert story.count(Reason.OPENED) <= 1


@pytest.mark.parametrize(
    ("failures", "asked_s", "pause_s"),
    [
        (1, None, None),
        (4, None, None),
        (5, None, 10),
        (6, None, 20),
        (9, None, 160),
        (30, None, 300),
        (1, 7, 7),
        (5, 60, 60),
    ],
)
def test_a_channel_that_keeps_failing_is_left_alone_for_longer_and_longer(failures, asked_s, pause_s):
    until_us = break_until_us(failures, asked_s, NOW_US)
    assert (None if until_us is None else (until_us - NOW_US) / SECOND_US) == pause_s


@pytest.mark.parametrize(
    ("reason", "attempts", "age_s", "failing_s", "expected"),
    [
        (Reason.OPENED, 0, 600, None, False),
        (Reason.OPENED, 1, 119, 119, False),
        (Reason.OPENED, 1, 120, 120, True),
        (Reason.OPENED, 9, 120, None, True),
        (Reason.OPENED, 0, 0, 120, True),
        (Reason.UPGRADED, 0, 0, 999, True),
        (Reason.CLOSED, 9, 999, 999, False),
        (Reason.ACKNOWLEDGED, 9, 999, 999, False),
        (Reason.SELF_TEST, 9, 999, 999, False),
    ],
    ids=[
        "it only waits for its turn",
        "the channel gets two minutes",
        "the channel fails",
        "the channel fails for this one alone",
        "the channel is known to fail",
        "so is an upgrade handed over",
        "an end can wait",
        "so can who took it on",
        "a test is about the channel itself",
    ],
)
def test_what_a_channel_does_not_take_is_told_through_another(reason, attempts, age_s, failing_s, expected):
    failing_since_us = None if failing_s is None else NOW_US - failing_s * SECOND_US
    assert must_hand_over(reason, attempts, NOW_US - age_s * SECOND_US, failing_since_us, NOW_US) is expected


@pytest.mark.parametrize(
    ("delivered", "per_hour", "expected"), [(0, 0, True), (999, 0, True), (59, 60, True), (60, 60, False)]
)
def test_a_budget_allows_so_many_an_hour(delivered, per_hour, expected):
    assert has_room(delivered, per_hour) is expected


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
