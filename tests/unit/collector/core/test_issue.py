"""What an event is called, what it does to its issue, and what people may wish for one."""

import pytest

from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.issue import (
    MAX_TITLE,
    Condition,
    Standing,
    Wish,
    condition_of,
    culprit,
    note_of,
    read_wish,
    title,
    why_change,
)
from ukemi.collector.core.release import Release
from ukemi.protocol.event import Event, ExceptionValue, Frame, Request

PAY = Frame(module="shop.checkout", function="pay", filename="shop/checkout.py", in_app=True)
SEND = Frame(module="httpx", function="send", filename="httpx/client.py", in_app=False)


def raised(kind="ValueError", value="card declined", *frames, **fields):
    is_synthetic = fields.pop("is_synthetic", False)
    thrown = ExceptionValue(type=kind, value=value, is_synthetic=is_synthetic, frames=list(frames))
    return Event(exceptions=[thrown], **fields)


# --- what an event does -----------------------------------------------------------------------------------------------

OLD, FIXED, NEW = Release("shop@1.9", 30), Release("shop@1.10", 10), Release("shop@1.11", 20)
IN, AFTER = Condition(release="shop@1.10"), Condition(release="shop@1.10", is_after=True)


@pytest.mark.parametrize(
    ("standing", "kind"),
    [
        (None, ChangeKind.NEW),
        (Standing("open"), ChangeKind.EVENT),
        (Standing("resolved"), ChangeKind.REGRESSED),
        (Standing("muted"), None),
    ],
    ids=["no issue", "open", "resolved", "muted"],
)
def test_an_event_does_to_its_issue_what_the_status_says(standing, kind):
    assert why_change(standing) is kind


@pytest.mark.parametrize(
    ("condition", "release", "is_back"),
    [
        (IN, OLD, False),
        (IN, FIXED, True),
        (IN, NEW, True),
        (IN, None, False),
        (AFTER, OLD, False),
        (AFTER, FIXED, False),
        (AFTER, NEW, True),
        (AFTER, None, False),
        (Condition(), OLD, True),
        (Condition(), None, True),
    ],
)
def test_an_issue_resolved_in_a_release_comes_back_with_a_newer_one(condition, release, is_back):
    expected = ChangeKind.REGRESSED if is_back else None

    assert why_change(Standing("resolved", condition), 0, release, FIXED) is expected


def test_a_release_that_was_never_seen_proves_nothing():
    assert why_change(Standing("resolved", AFTER), 0, NEW, None) is None


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        (Condition(), None),
        (Condition(until_us=1001), None),
        (Condition(until_us=1000), ChangeKind.UNMUTED),
        (Condition(event_count=10), None),
        (Condition(event_count=9), ChangeKind.UNMUTED),
        (Condition(user_count=3), None),
        (Condition(user_count=2), ChangeKind.UNMUTED),
    ],
)
def test_a_mute_ends_when_what_it_waited_for_has_come(condition, kind):
    assert why_change(Standing("muted", condition, event_count=10, user_count=3), 1000) is kind


# --- what people wish -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wish", "condition", "note"),
    [
        ("open", Wish("open"), Condition(), ""),
        ("resolved", Wish("resolved"), Condition(), ""),
        ("resolved_in_current", Wish("resolved", release="current"), IN, "in shop@1.10"),
        ("resolved_in_next", Wish("resolved", release="next"), AFTER, "in the release after shop@1.10"),
        ("muted", Wish("muted"), Condition(), ""),
        ("muted:hours=24", Wish("muted", hours=24), Condition(until_us=86_400_000_000), ""),
        ("muted:events=100", Wish("muted", events=100), Condition(event_count=107), "for 100 more events"),
        ("muted:users=10", Wish("muted", users=10), Condition(user_count=12), "until 11 more users meet it"),
    ],
)
def test_a_wish_is_read_and_becomes_a_condition(text, wish, condition, note):
    standing = Standing("open", event_count=7, user_count=2)

    assert read_wish(text) == wish
    assert condition_of(wish, standing, FIXED, 0) == condition
    assert note_of(wish.status, condition, standing) == note


@pytest.mark.parametrize(
    "text",
    ["", "closed", "open_in_next", "muted_in_next", "resolved:hours=3", "muted:hours=0", "muted:days=3", "muted "],
)
def test_anything_else_is_no_wish(text):
    assert read_wish(text) is None


@pytest.mark.parametrize("release", ["current", "next"])
def test_without_any_release_an_issue_is_resolved_at_once(release):
    assert condition_of(Wish("resolved", release=release), Standing("open"), None, 0) == Condition()


# --- what an event is called ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (raised(), "ValueError: card declined"),
        (raised(value="first line\nsecond"), "ValueError: first line"),
        (raised(value=""), "ValueError"),
        (raised(kind=""), "card declined"),
        (raised("", "", PAY, SEND), "pay"),
        (raised("", ""), "<unknown>"),
        (Event(exceptions=[ExceptionValue("OSError", "gone"), ExceptionValue("ValueError", "bad")]), "ValueError: bad"),
        (raised("Error", "made up", PAY, message="no seat", is_synthetic=True), "no seat"),
        (raised("Error", "made up", PAY, is_synthetic=True), "pay: made up"),
        (Event(message="\n  no seat  \nfor Jane"), "no seat"),
        (Event(), "<unlabeled event>"),
    ],
    ids=[
        "type and message",
        "first line only",
        "no message",
        "no type",
        "crashing function",
        "nothing",
        "what was thrown",
        "captured message",
        "made-up type",
        "message",
        "empty event",
    ],
)
def test_an_event_is_called_by_what_it_knows(event, expected):
    assert title(event) == expected


@pytest.mark.parametrize("event", [raised(value="x" * 9000), Event(message="x" * 9000)])
def test_a_title_is_bounded(event):
    assert len(title(event)) == MAX_TITLE


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (raised("E", "", PAY, transaction="/members/{id}"), "/members/{id}"),
        (raised("E", "", PAY, SEND), "shop.checkout in pay"),
        (raised("E", "", SEND), "httpx in send"),
        (raised("E", "", Frame(filename="run.py", in_app=True)), "run.py"),
        (
            raised("E", "", Frame(function="render", filename="https://x.example/js/app.js"), platform="javascript"),
            "render(app.js)",
        ),
        (raised("E", "", Frame(filename="https://x.example/js/app.js"), platform="node"), "app.js"),
        (raised(request=Request(url="https://shop.example/pay")), "https://shop.example/pay"),
        (Event(message="no seat"), ""),
    ],
    ids=["transaction", "function of ours", "any function", "file", "browser", "script", "URL", "nothing"],
)
def test_it_happened_where_the_event_says(event, expected):
    assert culprit(event) == expected


@pytest.mark.parametrize("platform", ["python", "javascript"])
def test_a_culprit_is_bounded(platform):
    long = Frame(module="m" * 256, function="f" * 512, filename="n" * 256, in_app=True)

    assert len(culprit(raised("E", "", long, platform=platform))) == 200
    assert len(culprit(Event(request=Request(url="u" * 1024)))) == 200
