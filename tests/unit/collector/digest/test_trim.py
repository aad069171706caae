"""Trimming: one event is bounded, and says what was cut."""

import copy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.digest.trim import MAX_DEPTH, MAX_ENTRIES, MAX_TEXT, TOO_DEEP, trim
from ukemi.protocol.event import MAX_BREADCRUMBS, MAX_FRAMES


def frames(*entries: dict) -> dict:
    return {"exception": {"values": [{"type": "E", "stacktrace": {"frames": list(entries)}}]}}


def test_what_is_within_the_limits_comes_back_as_it_is():
    event = {"message": "x" * MAX_TEXT, **frames({"function": "pay", "vars": {"a": [1, None, 2.5, True]}})}

    kept, remarks = trim(event)

    assert kept is event
    assert remarks == {}


@pytest.mark.parametrize(
    ("event", "path", "length"),
    [
        ({"message": "x" * 9000}, ["message"], 8192),
        ({"logentry": {"formatted": "x" * 9000}}, ["logentry", "formatted"], 8192),
        (
            frames({"context_line": "x" * 900}),
            ["exception", "values", 0, "stacktrace", "frames", 0, "context_line"],
            500,
        ),
        (
            frames({"pre_context": ["x" * 900]}),
            ["exception", "values", 0, "stacktrace", "frames", 0, "pre_context", 0],
            500,
        ),
        (
            frames({"vars": {"a": ["x" * 9000]}}),
            ["exception", "values", 0, "stacktrace", "frames", 0, "vars", "a", 0],
            2048,
        ),
        ({"extra": {"report": "x" * 20_000}}, ["extra", "report"], 16_384),
    ],
    ids=["message", "formatted", "line", "lines", "variables", "extra"],
)
def test_a_long_text_is_cut_and_the_remark_says_how_long_it_was(event, path, length):
    before = copy.deepcopy(event)
    kept, remark = trim(event)
    was = before
    for step in path:
        kept, remark, was = kept[step], remark[str(step)], was[step]

    assert (len(kept), kept[-3:]) == (length, "...")
    assert remark[""] == {"rem": [["!limit", "s", length - 3, length]], "len": len(was)}
    assert event == before


def test_of_frames_and_breadcrumbs_the_latest_are_kept():
    event = frames(*({"lineno": n} for n in range(400))) | {
        "breadcrumbs": {"values": [{"message": str(n)} for n in range(300)]}
    }

    kept, remarks = trim(event)

    stack = kept["exception"]["values"][0]["stacktrace"]["frames"]
    assert [stack[0]["lineno"], stack[-1]["lineno"], len(stack)] == [150, 399, MAX_FRAMES]
    assert remarks["exception"]["values"]["0"]["stacktrace"]["frames"][""]["len"] == 400
    crumbs = kept["breadcrumbs"]["values"]
    assert [crumbs[-1]["message"], len(crumbs)] == ["299", MAX_BREADCRUMBS]


def test_a_bare_list_of_breadcrumbs_is_kept_from_its_end_too():
    kept, _ = trim({"breadcrumbs": [{"message": str(n)} for n in range(300)]})

    assert [kept["breadcrumbs"][-1]["message"], len(kept["breadcrumbs"])] == ["299", MAX_BREADCRUMBS]


def test_what_is_nested_too_deep_is_replaced():
    event: dict = {}
    inner = event
    for _ in range(200):
        inner["a"] = [{}]
        inner = inner["a"][0]

    kept, _ = trim({"extra": event})

    text = msgspec.json.encode(kept).decode()
    assert TOO_DEEP in text
    assert text.count("{") + text.count("[") <= MAX_DEPTH + 2


def test_too_many_entries_are_cut():
    kept, remarks = trim({"tags": {str(n): "x" for n in range(5000)}, "extra": {"rows": list(range(5000))}})

    assert len(kept["tags"]) == len(kept["extra"]["rows"]) == MAX_ENTRIES
    assert remarks["tags"][""]["len"] == remarks["extra"]["rows"][""]["len"] == 5000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["extra", "frames", "breadcrumbs", "values", "vars", "x"]), json_values))
def test_any_small_event_comes_back_as_it_is(event):
    assert trim(event) == (event, {})
