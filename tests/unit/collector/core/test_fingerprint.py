"""Fingerprints: which events are the same problem. What a person would call the same must not depend on chance."""

import msgspec
import pytest

from ukemi.collector.core.fingerprint import fingerprint, parameterized
from ukemi.protocol.event import Event, ExceptionValue, Frame


def frame(function: str = "pay", **fields: object) -> Frame:
    at = {"module": "shop.checkout", "filename": "shop/checkout.py", "lineno": 42, "in_app": True}
    return Frame(function=function, **{**at, **fields})


def raised(*frames: Frame, kind: str = "ValueError", value: str = "card declined", **fields: object) -> Event:
    """An event with one exception."""
    return Event(exceptions=[ExceptionValue(type=kind, value=value, frames=list(frames))], **fields)


def texts(event: Event) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for part in fingerprint(event).parts]


def same(one: Event, other: Event) -> bool:
    return fingerprint(one).hash == fingerprint(other).hash


# --- what does not count ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        raised(frame(lineno=97, colno=3)),
        raised(frame(), value="another text"),
        raised(frame(context_line="pay(1)", vars={"amount": 7}, abs_path="/srv/2/shop/checkout.py")),
        raised(frame(), level="fatal", release="2.0", environment="staging", transaction="/pay", platform="python"),
        raised(frame("handle", module="starlette.routing", in_app=False), frame()),
        raised(frame(), frame()),
    ],
    ids=["line number", "message", "source and variables", "surroundings", "library frames", "recursion"],
)
def test_it_is_the_same_problem_whatever_the(other):
    assert same(raised(frame()), other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (frame("outer.<locals>.inner"), frame("outer.inner")),
        (frame("<lambda>"), frame("<lambda>3")),
        (frame("<Proxy at 0x7f12ab90>"), frame("<Proxy at 0x7f98cd01>")),
        (frame("handler_20261"), frame("handler_99999")),
        (
            frame("render", module="", filename="https://shop.example/app.3f9a01c2.js"),
            frame("render", module="", filename="https://cdn.example/app.77bb01ee.js?v=2"),
        ),
    ],
    ids=["local function", "lambda", "address", "number", "build"],
)
def test_generated_parts_of_names_do_not_count(one, other):
    assert same(raised(one), raised(other))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("order 4711 of 12.5 kg", "order <number> of <number> kg"),
        ("member 6f1c1f0e-8a43-4b0e-9d3b-0a1b2c3d4e5f is gone", "member <uuid> is gone"),
        ("no mail to jane.doe+1@example.org", "no mail to <email>"),
        ("GET https://api.example/v1/x?y=1 failed", "GET <url> failed"),
        ("since 2026-01-02T03:04:05.678Z", "since <date>"),
        ("peer 10.0.0.17 left", "peer <ip> left"),
        ("object at 0x7f8899aabbcc", "object at <hex>"),
        ("commit da39a3ee5e6b4b0d3255bfef95601890afd80709", "commit <hex>"),
        ("key hmac:01:da39a3ee5e6b4b0d was refused", "key <hash> was refused"),
        ("unknown key 'blue belt'", "unknown key <text>"),
        ('unknown key "blue belt"', "unknown key <text>"),
        ("first line\nsecond line", "first line"),
        ("ORD20417 of worker_12", "ORD<number> of worker_<number>"),
        ("  utf8 and sha256 stay\n", "utf8 and sha256 stay"),
    ],
)
def test_changing_parts_of_a_message_become_what_they_are(message, expected):
    assert parameterized(message) == expected


def test_without_a_stack_messages_that_differ_in_numbers_are_one_problem():
    assert same(raised(value="order 4711 not found"), raised(value="order 12 not found"))
    assert same(Event(message="order 4711 not found"), Event(message="order 12 not found"))


def test_a_message_is_grouped_by_its_template():
    one = Event(message="no seat for Jane", template="no seat for %s")
    other = Event(message="no seat for Jim", template="no seat for %s")

    assert same(one, other)


def test_a_message_of_any_length_is_cut_before_it_is_compared():
    assert len(parameterized("x" * 100_000)) == 1000


# --- what counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        raised(frame("refund")),
        raised(frame(module="shop.refunds")),
        raised(frame(), kind="KeyError"),
        raised(frame("checkout"), frame()),
        raised(frame(), frame("checkout")),
        Event(exceptions=[ExceptionValue("OSError"), *raised(frame()).exceptions]),
    ],
    ids=["function", "module", "type", "caller", "callee", "cause"],
)
def test_it_is_another_problem_with_another(other):
    assert not same(raised(frame()), other)


def test_without_frames_of_ours_those_of_libraries_count():
    one = raised(frame("read", module="httpx", in_app=False))
    other = raised(frame("write", module="httpx", in_app=False))

    assert not same(one, other)


def test_a_message_differs_by_its_text_and_its_logger():
    seats = Event(message="no seat", logger="shop")

    assert not same(seats, Event(message="no table", logger="shop"))
    assert not same(seats, Event(message="no seat", logger="club"))


def test_the_stack_of_a_captured_message_does_not_make_a_problem_of_its_own():
    """SDKs attach a made-up exception to a message when they are told to send stacks."""
    synthetic = ExceptionValue(type="Error", is_synthetic=True, frames=[frame()])

    assert same(Event(message="no seat", exceptions=[synthetic]), Event(message="no seat"))


def test_parts_do_not_run_into_each_other():
    assert not same(Event(fingerprint=["a", "bc"]), Event(fingerprint=["ab", "c"]))


# --- what the app wishes ----------------------------------------------------------------------------------------------


def test_a_fingerprint_of_the_app_replaces_ours():
    one = raised(frame(), fingerprint=["checkout"])
    other = raised(frame("refund"), kind="KeyError", fingerprint=["checkout"])

    assert same(one, other)
    assert texts(one) == [("client", "checkout")]


@pytest.mark.parametrize("default", ["{{ default }}", "{{default}}", " {{  default  }} "])
def test_default_refines_our_grouping_by_the_key_of_the_app(default):
    plain = raised(frame())
    gold = raised(frame(), fingerprint=[default, "gold"])
    silver = raised(frame(), fingerprint=[default, "silver"])

    assert not same(gold, silver)
    assert not same(gold, plain)
    assert same(gold, raised(frame(lineno=1), fingerprint=["gold", "{{ default }}"]))
    assert not same(gold, raised(frame("refund"), fingerprint=[default, "gold"]))


def test_default_alone_changes_nothing():
    assert fingerprint(raised(frame(), fingerprint=["{{ default }}"])) == fingerprint(raised(frame()))


# --- why --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "because", "parts"),
    [
        (
            raised(frame()),
            "Same exception type and same functions in the stack.",
            [("type", "ValueError"), ("frame", "shop.checkout in pay")],
        ),
        (
            Event(exceptions=[ExceptionValue("OSError", "gone"), *raised(frame()).exceptions]),
            "Same exception type and same functions in the stack and those of its causes.",
            [("type", "OSError"), ("type", "ValueError"), ("frame", "shop.checkout in pay")],
        ),
        (
            raised(value="order 7"),
            "Same exception type and message; there is no stack trace.",
            [("type", "ValueError"), ("message", "order <number>")],
        ),
        (Event(message="no seat", logger="shop"), "Same message text.", [("message", "no seat"), ("type", "shop")]),
        (Event(transaction="/pay"), "The event says nothing that could be compared.", [("nothing", "/pay")]),
        (
            raised(frame(), fingerprint=["checkout"]),
            "The app itself said so with a fingerprint.",
            [("client", "checkout")],
        ),
        (
            raised(value="order 7", fingerprint=["{{ default }}", "gold"]),
            "The app refined the grouping by its own key; beside it: Same exception type and message; there is no stack trace.",
            [("client", "gold"), ("type", "ValueError"), ("message", "order <number>")],
        ),
    ],
    ids=["stack", "causes", "no stack", "message", "nothing", "app", "refined"],
)
def test_the_explanation_says_what_counted(event, because, parts):
    assert fingerprint(event).because == because
    assert texts(event) == parts


# --- for ever ---------------------------------------------------------------------------------------------------------

# Released versions are frozen: a hash that changes here tears every known issue of every user in two. A better grouping
# is a new version, with hashes of its own below these.
FROZEN = {
    "stack": (raised(frame()), "30defb5b1587731f7d3722b20340bd36"),
    "causes": (
        Event(exceptions=[ExceptionValue("OSError", "gone"), *raised(frame()).exceptions]),
        "bba220f362a699ecb16f2bbe0a7dd809",
    ),
    "no stack": (
        raised(value="order 4711 of 'Jane' <jane@example.org> failed at 10.0.0.1"),
        "f47a8c1d5e722f4c7f0ef848d34af181",
    ),
    "message": (
        Event(message="no seat for Jane", template="no seat for %s", logger="shop"),
        "10dd65b652b3bac759e40145c294dc9b",
    ),
    "nothing": (Event(transaction="/pay"), "5af227f6bebe39bd442c570d84c88e1a"),
    "app": (raised(frame(), fingerprint=["checkout"]), "15db47b9b82e91fef165d82e625b8207"),
    "refined": (raised(frame(), fingerprint=["{{ default }}", "gold"]), "e241de961b4e065eb95517f8e340ea84"),
    "browser": (
        raised(frame("<lambda>1", module="", filename="https://shop.example/app.3f9a01c2.js?v=1"), kind="TypeError"),
        "26a39b578645c80ccf0fe373e35eae89",
    ),
}


@pytest.mark.parametrize(("event", "expected"), FROZEN.values(), ids=FROZEN.keys())
def test_a_released_version_never_changes_its_mind(event, expected):
    result = fingerprint(event)

    assert (result.version, result.hash.hex()) == (1, expected)


def test_reading_an_event_does_not_change_it():
    event = raised(frame(), fingerprint=["{{ default }}", "gold"])
    before = msgspec.json.encode(event)

    fingerprint(event)

    assert msgspec.json.encode(event) == before
