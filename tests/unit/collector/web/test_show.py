"""How values look: tables of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from ukemi.collector.web import show
from ukemi.protocol.event import Frame

NOW_US = 1_767_225_600_000_000


@pytest.mark.parametrize(
    ("past_us", "text"),
    [
        (-SECOND_US, "just now"),
        (0, "just now"),
        (10 * SECOND_US - 1, "just now"),
        (10 * SECOND_US, "10 s ago"),
        (MINUTE_US - 1, "59 s ago"),
        (MINUTE_US, "1 min ago"),
        (HOUR_US - 1, "59 min ago"),
        (HOUR_US, "1 h ago"),
        (DAY_US - 1, "23 h ago"),
        (400 * DAY_US, "400 d ago"),
    ],
)
def test_time_past_is_told_in_its_largest_unit(past_us: int, text: str) -> None:
    assert show.ago(NOW_US - past_us, NOW_US) == text


def test_an_instant_names_its_zone() -> None:
    assert show.instant(NOW_US + 11 * SECOND_US) == "2026-01-01 00:00:11 UTC"


def test_a_clock_time_has_milliseconds_and_a_missing_one_shows_nothing() -> None:
    assert show.clock_time(1_767_225_600.042) == "00:00:00.042"
    assert show.clock_time(None) == ""


@pytest.mark.parametrize(
    ("length_us", "text"),
    [
        (0, "0.0 s"),
        (840_000, "0.8 s"),
        (12 * SECOND_US, "12 s"),
        (119 * SECOND_US, "119 s"),
        (2 * MINUTE_US, "2 min"),
        (30 * MINUTE_US, "30 min"),
        (2 * HOUR_US, "2 h"),
        (47 * HOUR_US, "47 h"),
        (2 * DAY_US, "2 d"),
    ],
)
def test_a_duration_keeps_two_digits_of_sense(length_us: int, text: str) -> None:
    assert show.duration(length_us) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1299, "1.2k"),
        (9999, "9.9k"),
        (34_500, "34k"),
        (999_999, "999k"),
        (5_600_000, "5.6M"),
    ],
)
def test_a_count_is_short_and_never_rounded_up(number: int, text: str) -> None:
    assert show.count(number) == text


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        ("as it is", "as it is"),
        (12, "12"),
        (True, "true"),
        ({"a": ["ä", None]}, '{"a": ["ä", null]}'),
    ],
)
def test_a_value_is_text_as_it_is_or_json(thing: object, text: str) -> None:
    assert show.value(thing) == text


def test_a_long_value_is_cut_and_says_how_long_it_was() -> None:
    text = show.value("x" * 10_000)
    assert text.startswith("xxx")
    assert text.endswith("x… (10000 characters)")
    assert len(text) < 4100


@pytest.mark.parametrize(
    ("text", "is_link"),
    [
        ("https://example.org/?a=b", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        (" https://example.org", False),
        ("data:text/html,<script>", False),
        ("//example.org", False),
        ("", False),
    ],
)
def test_only_http_becomes_a_link(text: str, *, is_link: bool) -> None:
    assert show.link(text) == (text if is_link else "")


def test_what_was_taken_out_and_what_was_hashed_are_told_apart() -> None:
    assert show.is_filtered("[Filtered]")
    assert not show.is_filtered(["[Filtered]"])
    assert show.is_hashed("hmac:26f0:d6e54ca5f58b")
    assert not show.is_hashed("d6e54ca5f58b")


def test_neighbouring_frames_of_one_kind_stay_together_in_order() -> None:
    own, foreign = Frame(function="pay", in_app=True), Frame(function="call", in_app=False)
    assert show.runs([foreign, foreign, own, foreign]) == [
        (False, [foreign, foreign]),
        (True, [own]),
        (False, [foreign]),
    ]


def test_the_sentence_of_an_explanation_is_shown_and_a_missing_one_is_nothing() -> None:
    assert show.because('{"because": "Too many.", "values": {}}') == "Too many."
    assert show.because("{}") == ""
    assert show.because("") == ""


@given(st.lists(st.integers(0, 10**9), max_size=60))
def test_bars_stay_inside_their_chart_and_every_event_is_seen(values: list[int]) -> None:
    bars = show.bars(values, 120, 28)
    assert [bar[4] for bar in bars] == values
    for x, y, wide, tall, number in bars:
        assert 0 <= x <= x + wide <= 120.5
        assert 0 <= y <= y + tall <= 28.01
        assert (tall >= 2) == (number > 0)
