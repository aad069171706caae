"""Fingerprints: which events are the same problem. What a person would call the same must not depend on chance."""

import msgspec
import pytest

from ukemi.collector.core.fingerprint import fingerprint
from ukemi.collector.core.parameters import parameterized
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


LINE = '    raise ValueError(f"card {number} was declined")'


def at(line: str = LINE, function: str = "pay", *, after: tuple[str, ...] = (), **fields: object) -> Frame:
    """A frame with its source."""
    return frame(function, context_line=line, post_context=list(after), **fields)


LIBRARY = frame(
    "send", module="httpx._client", filename="httpx/_client.py", in_app=False, context_line="    raise error"
)


# --- what does not count ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        raised(at(lineno=97, colno=3)),
        raised(at(), value="another text"),
        raised(at(vars={"amount": 7}, abs_path="/srv/2/shop/checkout.py", pre_context=["x = 1"])),
        raised(at(module="club.payments.checkout", filename="club/payments/checkout.py")),
        raised(at(), level="fatal", release="2.0", environment="staging", transaction="/pay", platform="python"),
        raised(frame("handle", module="starlette.routing", in_app=False), at()),
        raised(at("    return pay(order)", "checkout"), at()),
        raised(at(), at()),
        raised(at('  raise ValueError(f"card {number} was declined",)  # why not?')),
        raised(at("    raise ValueError(", after=('f"card {number} was declined",', ")", "return 7"))),
        raised(at("    raise ValueError(f'card {number} was declined')")),
        raised(at(), at("    return await function(*args, **kwargs)", "wrapper")),
    ],
    ids=[
        "line number",
        "message",
        "variables and neighbouring lines",
        "file and module",
        "surroundings",
        "library frames",
        "caller",
        "recursion",
        "spaces, commas and comments",
        "line breaks",
        "quotes",
        "decorator",
    ],
)
def test_it_is_the_same_problem_whatever_the(other):
    assert same(raised(at()), other)


@pytest.mark.parametrize("other", [raised(frame(lineno=97)), raised(frame(), value="x"), raised(frame(), frame())])
def test_without_source_the_functions_count_and_lines_and_values_do_not(other):
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
        raised(at(function="refund")),
        raised(at('    raise ValueError("no card was given")')),
        raised(at(), kind="KeyError"),
        Event(exceptions=[ExceptionValue("OSError", frames=[at("    open(path)")]), *raised(at()).exceptions]),
    ],
    ids=["function", "line of the function", "type", "cause"],
)
def test_it_is_another_problem_with_another(other):
    assert not same(raised(at()), other)


@pytest.mark.parametrize(
    "other", [raised(frame("refund")), raised(frame(module="shop.refunds")), raised(frame("checkout"), frame())]
)
def test_without_source_every_function_and_its_module_counts(other):
    assert not same(raised(frame()), other)


@pytest.mark.parametrize(
    "line",
    ["    response.raise_for_status()", "    raise error", "    raise ApiError(status)"],
    ids=["library", "again", "any"],
)
def test_a_line_that_says_nothing_counts_with_its_caller(line):
    """Many problems pass through one helper; each would be hidden by the first."""
    below = [LIBRARY] if "response" in line else []
    receipts = raised(at("    api.call(path)", "send_receipt"), at(line, "call"), *below)
    lists = raised(at("    api.call(path)", "mail_list"), at(line, "call"), *below)

    assert not same(receipts, lists)


def test_a_line_that_names_what_it_asks_for_stands_for_itself():
    line = '    return client.post("/receipts", json=data)'

    assert same(raised(at("    main()", "a"), at(line), LIBRARY), raised(at("    other()", "b"), at(line), LIBRARY))


def test_the_key_that_is_missing_tells_two_mistakes_of_one_line_apart():
    line = '    return order["address"]["street"]'

    assert not same(raised(at(line), value="'address'"), raised(at(line), value="'street'"))
    assert same(
        raised(at("    return orders[key]"), value="'4711'"), raised(at("    return orders[key]"), value="'12'")
    )


def test_what_a_database_complains_of_counts_with_its_names():
    def refused(what: str) -> Event:
        thrown = ExceptionValue(
            "IntegrityError", what, module="sqlalchemy.exc", frames=[at("    session.commit()"), LIBRARY]
        )
        return Event(exceptions=[thrown])

    mail = 'duplicate key value violates unique constraint "member_email_key"\nDETAIL: Key (email)=(a@example.org)'

    assert same(refused(mail), refused(mail.replace("a@", "b@")))
    assert not same(refused(mail), refused(mail.replace("email_key", "name_key")))


def test_recursion_without_end_is_its_functions_wherever_it_broke_off():
    even, odd = at("    return odd(n - 1)", "even"), at("    return even(n - 1)", "odd")
    one = raised(*[even, odd] * 20, kind="RecursionError")
    other = raised(*[even, odd] * 30, even, frame("isinstance", in_app=False), kind="RecursionError")

    assert same(one, other)


def test_a_comprehension_is_its_function():
    """Python 3.12 shows no frame for it any more."""
    line = '    return [entry["price"] for entry in order]'

    assert same(raised(at(line, "total"), at(line, "<listcomp>")), raised(at(line, "total")))


# --- groups and causes ------------------------------------------------------------------------------------------------


def grouped(*members: ExceptionValue, frames: tuple[Frame, ...] = ()) -> Event:
    """A group as sentry-sdk tells it, members numbered from 1."""
    root = ExceptionValue("ExceptionGroup", "2 sub-exceptions", is_group=True, exception_id=0, frames=list(frames))
    numbered = [
        msgspec.structs.replace(member, exception_id=number, parent_id=0, source=f"exceptions[{number - 1}]")
        for number, member in enumerate(members, 1)
    ]
    return Event(exceptions=[*reversed(numbered), root])


BAD_CARD = ExceptionValue("ValueError", "card 1", frames=[at()])
NO_SEAT = ExceptionValue("LookupError", "seat 1", frames=[at('    raise LookupError("no seat")', "book")])


def test_a_group_that_holds_one_problem_is_that_problem():
    alone = Event(exceptions=[BAD_CARD])

    assert same(grouped(BAD_CARD), alone)
    assert same(grouped(BAD_CARD, msgspec.structs.replace(BAD_CARD, value="card 2")), alone)


def test_a_group_of_several_problems_is_the_same_in_any_order_and_number():
    assert same(grouped(BAD_CARD, NO_SEAT), grouped(NO_SEAT, BAD_CARD, NO_SEAT))
    assert not same(grouped(BAD_CARD, NO_SEAT), grouped(BAD_CARD))


def test_the_cause_of_a_member_counts_although_the_sdk_hangs_it_on_the_group():
    cause = ExceptionValue(
        "KeyError", "'x'", exception_id=2, parent_id=0, source="__cause__", frames=[at("    d[key]")]
    )
    member = msgspec.structs.replace(BAD_CARD, exception_id=1, parent_id=0, source="exceptions[0]")
    root = ExceptionValue("ExceptionGroup", "1", is_group=True, exception_id=0)

    assert same(Event(exceptions=[cause, member, root]), Event(exceptions=[cause, BAD_CARD]))


@pytest.mark.parametrize("parent", [None, 0, 3, 9])
def test_a_group_whose_numbers_make_no_tree_is_read_as_a_chain(parent):
    broken = msgspec.structs.replace(BAD_CARD, exception_id=3, parent_id=parent, source="exceptions[0]")
    root = ExceptionValue("ExceptionGroup", "1", is_group=True, exception_id=3)

    assert fingerprint(Event(exceptions=[broken, root])).parts


def test_a_cause_inside_of_a_library_does_not_count_beside_our_lines():
    """How a library came to its error changes with its version and with the network."""
    refused = ExceptionValue("ConnectionRefusedError", "[Errno 111]", frames=[LIBRARY])
    failed = raised(at(), LIBRARY, kind="ConnectError")

    assert same(failed, Event(exceptions=[refused, *failed.exceptions]))


# --- minified scripts -------------------------------------------------------------------------------------------------


def minified(message: str, *functions: str, address: str = "https://shop.example/app.3f9a01c2.js") -> Event:
    frames = [Frame(function=f, filename=address, lineno=1, colno=4711, in_app=True) for f in functions]
    return Event(exceptions=[ExceptionValue("TypeError", message, frames=frames)], platform="javascript")


def test_another_build_of_a_minified_script_has_the_same_problems():
    one = minified("Cannot read properties of undefined (reading 'price')", "a", "t.total", "n")
    other = minified(
        "Cannot read properties of undefined (reading 'price')",
        "qo",
        "e.total",
        "$",
        address="https://cdn.example/b.js",
    )

    assert same(one, other)
    assert same(minified("n is not a function", "a"), minified("qo is not a function", "b"))
    assert same(minified("e.start is not a function", "a"), minified("t.start is not a function", "b"))


def test_what_survives_a_bundler_counts():
    price = minified("Cannot read properties of undefined (reading 'price')", "t.total")

    assert not same(price, minified("Cannot read properties of undefined (reading 'name')", "t.total"))
    assert not same(price, minified("Cannot read properties of undefined (reading 'price')", "t.average"))


# --- libraries, messages ----------------------------------------------------------------------------------------------


def test_without_frames_of_ours_those_of_libraries_count():
    one = raised(frame("read", module="httpx", in_app=False))
    other = raised(frame("write", module="httpx", in_app=False))

    assert not same(one, other)


def test_without_frames_of_ours_the_line_that_failed_counts():
    """Two bugs of one function stay two, also where the whole app is installed like a library."""
    one = raised(at('    raise ValueError("no card was given")', in_app=False))
    other = raised(at('    raise ValueError("the card has expired")', in_app=False))

    assert not same(one, other)
    assert same(one, raised(at('    raise ValueError("no card was given")', in_app=False, lineno=97)))
    assert "none of them is marked as your code" in fingerprint(one).because


SITE = "/srv/venv/lib/python3.12/site-packages/httpx/_client.py"


def test_frames_that_the_client_left_unmarked_group_as_if_it_had_marked_them():
    """A service that is started in another folder than its own is the same service."""
    marked = raised(at(abs_path="/srv/shop/checkout.py"), LIBRARY)
    unmarked = raised(
        at(abs_path="/srv/shop/checkout.py", in_app=None), msgspec.structs.replace(LIBRARY, in_app=None, abs_path=SITE)
    )

    assert same(marked, unmarked)


def test_a_message_of_three_words_and_more_needs_no_logger():
    """Its name is the name of a module, and goes with the file."""
    assert same(Event(message="no seat for Jane", logger="shop"), Event(message="no seat for Jane", logger="club"))


def test_a_short_message_differs_by_its_text_and_its_logger():
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

OWN_LINE = "Same exception type, from the same line of your code. Where the line stands, who called it and the values in it do not count."


@pytest.mark.parametrize(
    ("event", "because", "parts"),
    [
        (
            raised(at()),
            OWN_LINE,
            [("type", "ValueError"), ("function", "pay"), ("line", 'raiseValueErrorf"card {number} was declined"')],
        ),
        (
            raised(frame()),
            "Same exception type and same functions of your code in the stack; the client sent no source lines.",
            [("type", "ValueError"), ("frame", "shop.checkout in pay")],
        ),
        (
            raised(value="order 7"),
            "Same exception type and message; there is no stack trace.",
            [("type", "ValueError"), ("message", "order <number>")],
        ),
        (
            Event(message="no seat", logger="shop"),
            "Same message text and same logger.",
            [("message", "no seat"), ("logger", "shop")],
        ),
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
    ids=["line", "no source", "no stack", "message", "nothing", "app", "refined"],
)
def test_the_explanation_says_what_counted(event, because, parts):
    assert fingerprint(event).because == because
    assert texts(event) == parts


# --- for ever ---------------------------------------------------------------------------------------------------------

# Released versions are frozen: a hash that changes here tears every known issue of every user in two. A better grouping
# is a new version, with hashes of its own below these.
FROZEN = {
    "line": (raised(at()), "94ea7719b5f89200261c6c0e5e69b5fe"),
    "helper": (
        raised(at("    api.call(path)", "send"), at("    response.raise_for_status()", "call"), LIBRARY),
        "b8279b525cc649be51c1c0cf393e7b08",
    ),
    "group": (grouped(BAD_CARD, NO_SEAT), "3baf593fac561398223edb7ed62c32e0"),
    "recursion": (raised(*[at()] * 9, kind="RecursionError"), "8943839627cd8dec23a800e19b1a4579"),
    "minified": (
        minified("Cannot read properties of undefined (reading 'price')", "t.total", "n"),
        "4cf91932983ba316dc0a0921506a3050",
    ),
    "stack": (raised(frame()), "30defb5b1587731f7d3722b20340bd36"),
    "causes": (
        Event(exceptions=[ExceptionValue("OSError", "gone"), *raised(frame()).exceptions]),
        "30defb5b1587731f7d3722b20340bd36",
    ),
    "no stack": (
        raised(value="order 4711 of 'Jane' <jane@example.org> failed at 10.0.0.1"),
        "f47a8c1d5e722f4c7f0ef848d34af181",
    ),
    "message": (
        Event(message="no seat for Jane", template="no seat for %s", logger="shop"),
        "883d7fd3add995c5c902d944b51584fb",
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
