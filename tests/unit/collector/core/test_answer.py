"""What a channel answered: a person reads what is wrong first, and can still see all of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.answer import MAX_TEXT, read_answer


@pytest.mark.parametrize(
    ("answer", "status", "text", "has_raw"),
    [
        ("200 ok", "200", "ok", False),
        ("204", "204", "", False),
        ("", "", "", False),
        ("250 2.0.0 OK queued", "250", "2.0.0 OK queued", False),
        ('202 {"status":"success","message":"Event processed","dedup_key":"ab"}', "202", "Event processed", True),
        (
            '400 {"status":"invalid event","message":"Event object is invalid","errors":["routing_key is invalid."]}',
            "400",
            "routing_key is invalid; Event object is invalid",
            True,
        ),
        ('200 {"ok":true}', "200", '{"ok":true}', False),
        ('400 {"error":{"code":7,"message":"no such room"}}', "400", "no such room", True),
        ('400 {"errors":[{"message":"a"},{"detail":"b"}],"message":"c"}', "400", "a; b; c", True),
        ('400 ["a", "b"]', "400", "a; b", True),
        ('202 {"status":"success","message":"Event processed","dedup_key":"abcd', "202", "Event processed", True),
        (
            '202 {"message":"Event processed"}. But the key is another.',
            "202",
            "Event processed. But the key is another.",
            True,
        ),
        ("502 <!DOCTYPE html><html><head><title>Bad gateway</title>", "502", "a web page: Bad gateway", True),
        ("502 <html><body>", "502", "a web page", True),
        ("invalid_payload", "", "invalid_payload", False),
        ("404 no_service\n\nat  all", "404", "no_service at all", False),
    ],
)
def test_it_says_what_came_back(answer: str, status: str, text: str, has_raw: bool) -> None:
    read = read_answer(answer)
    assert (read.status, read.text, bool(read.raw)) == (status, text, has_raw)
    assert not has_raw or read.raw in answer


@given(st.text(max_size=600))
def test_any_answer_becomes_one_bounded_line(answer: str) -> None:
    read = read_answer(answer)
    assert len(read.text) <= MAX_TEXT
    assert read.text == " ".join(read.text.split())
    assert bool(read.text) == bool(answer.strip().removeprefix(read.status).strip())


_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["errors", "message", "x"]), inner),
)


@given(_TREES, st.integers(0, 400))
def test_any_json_cut_anywhere_is_read(tree: object, cut: int) -> None:
    assert len(read_answer(f"400 {json.dumps(tree)[:cut]}").text) <= MAX_TEXT
