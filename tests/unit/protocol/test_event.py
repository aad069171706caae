"""Events are read tolerantly: a defect costs the field, not the event."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.errors import PayloadError
from ukemi.protocol.event import (
    MAX_BREADCRUMBS,
    MAX_FRAMES,
    MAX_TAGS,
    Event,
    User,
    decode_event,
    read_event,
    read_instant,
)

NAMES = """event_id timestamp platform level logger message logentry exception stacktrace breadcrumbs tags release
    environment transaction server_name fingerprint user request contexts extra sdk type value values frames function
    module filename lineno vars mechanism handled params formatted data headers query_string url id email category""".split()
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.sampled_from(["%s", "{0}"])
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(NAMES), trees, max_size=8))
def test_any_object_gives_an_event(tree):
    assert isinstance(read_event(tree), Event)


@given(st.binary(max_size=200) | st.sampled_from([b"[]", b"null", b"5", b'"text"', b"[" * 100_000, b'{"a":' * 100_000]))
def test_any_bytes_give_an_object_or_a_payload_error(body):
    with suppress(PayloadError):
        assert isinstance(decode_event(body), dict)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", "bad_json"), (b'{"a": NaN}', "bad_json"), (b"[]", "not_an_object"), (b"5", "not_an_object")],
)
def test_what_is_no_json_object_is_refused_with_the_reason(body, reason):
    with pytest.raises(PayloadError) as raised:
        decode_event(body)

    assert raised.value.reason == reason


WHOLE = {
    "event_id": "9ec79c33ec9942ab8353589fcb2e04dc",
    "timestamp": 1_500_000_000.5,
    "platform": "python",
    "level": "warning",
    "logger": "shop",
    "message": "no seat left",
    "exception": {"values": [{"type": "ValueError", "value": "no seat"}]},
    "breadcrumbs": {"values": [{"message": "clicked"}]},
    "tags": {"domain": "payment"},
    "release": "shop@1.2.3",
    "environment": "production",
    "transaction": "/pay",
    "server_name": "web-1",
    "fingerprint": ["{{ default }}", "x"],
    "user": {"id": "42"},
    "request": {"url": "https://example.org/pay", "method": "post"},
    "contexts": {"runtime": {"name": "CPython"}},
    "extra": {"n": 1},
    "sdk": {"name": "sentry.python", "version": "2.75.0"},
}
WRONG = [5, -1.5, True, "text", [], [[]], {}, {"values": 5}, ["x", None, 7], "x" * 10_000]


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:12])
def test_wrong_type_costs_the_field_and_not_the_event(name, wrong):
    event = read_event({**WHOLE, name: wrong})

    kept = {"logger": event.logger, "transaction": event.transaction, "server_name": event.server_name}
    assert all(value == WHOLE[field] for field, value in kept.items() if field != name)
    assert event.exceptions or name == "exception"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("level", "loud"),
        ("tags", {"a": {"b": 1}}),
        ("release", "latest"),
        ("release", "a/b"),
        ("release", "x" * 201),
        ("environment", "None"),
        ("environment", "a/b"),
        ("fingerprint", "x"),
        ("fingerprint", [["x"]]),
        ("user", "bob"),
        ("request", []),
        ("exception", ["x"]),
    ],
)
def test_field_that_cannot_be_read_is_named(name, wrong):
    assert name in read_event({**WHOLE, name: wrong}).defects


def test_sound_event_has_no_defects():
    assert read_event(WHOLE).defects == []


@pytest.mark.parametrize("shape", [lambda v: [v], lambda v: {"values": [v]}, lambda v: v, lambda v: [None, v]])
def test_lists_come_in_three_shapes(shape):
    event = read_event({"exception": shape({"type": "E", "value": "x"}), "breadcrumbs": shape({"message": "clicked"})})

    assert [value.type for value in event.exceptions] == ["E"]
    assert [crumb.message for crumb in event.breadcrumbs] == ["clicked"]


def test_latest_frames_and_breadcrumbs_are_kept():
    frames = [{"function": f"f{number}"} for number in range(MAX_FRAMES + 9)]
    crumbs = [{"message": str(number)} for number in range(MAX_BREADCRUMBS + 9)]
    thrown = {"type": "E", "stacktrace": {"frames": frames}}

    event = read_event({"exception": [thrown], "breadcrumbs": crumbs})

    assert [frame.function for frame in event.exceptions[0].frames] == [frame["function"] for frame in frames[9:]]
    assert [crumb.message for crumb in event.breadcrumbs] == [crumb["message"] for crumb in crumbs[9:]]


def test_frame_is_read_and_its_defects_named():
    frame = {"function": "?", "filename": "a.js", "lineno": "12", "colno": -1, "in_app": "yes", "vars": [1]}

    event = read_event({"exception": [{"type": "E", "stacktrace": {"frames": [frame, "8 more"]}}]})

    [read] = event.exceptions[0].frames
    assert (read.function, read.filename, read.abs_path, read.lineno, read.colno) == ("", "a.js", "a.js", None, None)
    assert read.in_app is None
    assert event.defects == ["frame.lineno", "frame.colno"]


def test_type_is_read_from_the_value_where_it_is_missing():
    [thrown] = read_event({"exception": [{"value": "shop.SeatError: none left: 3"}]}).exceptions

    assert (thrown.type, thrown.value) == ("shop.SeatError", "none left: 3")


def test_stack_trace_beside_the_only_exception_is_its_own():
    tree = {"exception": [{"type": "E"}], "stacktrace": {"frames": [{"function": "f"}]}}

    assert [frame.function for frame in read_event(tree).exceptions[0].frames] == ["f"]


@pytest.mark.parametrize(
    ("entry", "message", "template"),
    [
        ("plain", "plain", "plain"),
        ({"message": "seat %s", "params": ["7"]}, "seat 7", "seat %s"),
        ({"message": "seat %(n)s", "params": {"n": 7}}, "seat 7", "seat %(n)s"),
        ({"message": "seat {0} of {1}", "params": [7, 9]}, "seat 7 of 9", "seat {0} of {1}"),
        ({"message": "seat {}", "params": ["7"]}, "seat 7", "seat {}"),
        ({"message": "seat %s", "params": ["7"], "formatted": "seat seven"}, "seat seven", "seat %s"),
        ({"formatted": "seat seven"}, "seat seven", "seat seven"),
        ({"message": "100 %", "params": ["7"]}, "100 %", "100 %"),
        ({"message": "{0.__class__}", "params": ["7"]}, "{0.__class__}", "{0.__class__}"),
        (None, "", ""),
    ],
)
def test_message_is_formatted_and_its_template_kept(entry, message, template):
    event = read_event({"logentry": entry})

    assert (event.message, event.template) == (message, template)


def test_width_in_a_template_does_not_blow_up():
    """Written by a stranger: `%999999999d` would take a gigabyte."""
    assert len(read_event({"logentry": {"message": "%999999999d", "params": [1]}}).message) <= 8192


@pytest.mark.parametrize(
    ("raw", "level"),
    [
        ("log", "info"),
        ("critical", "fatal"),
        (40, "error"),
        (50, "fatal"),
        ("debug", "debug"),
        (None, "error"),
        ([], "error"),
    ],
)
def test_levels_of_all_sdks_become_ours(raw, level):
    assert read_event({"level": raw}).level == level


@pytest.mark.parametrize(
    "tags", [{"a b": " 1 ", "n": 2, "t": True, "none": None}, [["a b", "1"], ["n", 2], ["t", True]]]
)
def test_tags_come_as_an_object_or_as_pairs(tags):
    assert read_event({"tags": tags}).tags == {"a-b": "1", "n": "2", "t": "True"}


def test_number_of_tags_is_bounded():
    assert len(read_event({"tags": {f"t{number}": "x" for number in range(500)}}).tags) == MAX_TAGS


def test_request_is_read_in_its_shapes():
    event = read_event(
        {
            "request": {
                "url": "https://example.org/pay?a=1",
                "method": "post",
                "query_string": [["b", "2"], ["c", "3"]],
                "headers": [["User-Agent", "x/1"]],
            }
        }
    )

    assert (event.request.url, event.request.method, event.request.query) == (
        "https://example.org/pay",
        "POST",
        "b=2&c=3",
    )
    assert event.request.header("user-agent") == "x/1"
    assert event.request.header("host") == ""
    assert read_event({"request": {"url": "https://example.org/?a=1"}}).request.query == "a=1"


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ({"id": 42, "username": "bob"}, "id:42"),
        ({"username": "bob", "email": "b@example.org"}, "username:bob"),
        ({"email": "b@example.org", "ip_address": "192.0.2.7"}, "email:b@example.org"),
        ({"ip_address": "192.0.2.7"}, "ip_address:192.0.2.7"),
        ({"tier": "gold"}, ""),
    ],
)
def test_user_counts_by_the_best_that_is_known(user, key):
    assert read_event({"user": user}).user.key == key


def test_what_else_is_known_of_a_user_is_kept():
    assert read_event({"user": {"id": 1, "tier": "gold", "data": {"a": 2}}}).user == User(
        id="1", data={"a": 2, "tier": "gold"}
    )


@pytest.mark.parametrize(
    ("value", "instant_s"),
    [
        (1_500_000_000, 1_500_000_000.0),
        ("2017-07-14T02:40:00Z", 1_500_000_000.0),
        ("2017-07-14T02:40:00.500000Z", 1_500_000_000.5),
        ("2017-07-14T02:40:00", 1_500_000_000.0),
        ("2017-07-14T04:40:00+02:00", 1_500_000_000.0),
        (1_500_000_000_000, None),
        (-5, None),
        (float("nan"), None),
        (True, None),
        ("yesterday", None),
        ("x" * 30, None),
        ([], None),
        (None, None),
    ],
)
def test_instants_are_numbers_or_texts_of_a_plausible_time(value, instant_s):
    assert read_instant(value) == instant_s
