"""What an event is called, and what it does to its issue."""

import pytest

from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.issue import MAX_TITLE, culprit, title, why_change
from ukemi.protocol.event import Event, ExceptionValue, Frame, Request

PAY = Frame(module="shop.checkout", function="pay", filename="shop/checkout.py", in_app=True)
SEND = Frame(module="httpx", function="send", filename="httpx/client.py")


def raised(kind="ValueError", value="card declined", *frames, **fields):
    is_synthetic = fields.pop("is_synthetic", False)
    thrown = ExceptionValue(type=kind, value=value, is_synthetic=is_synthetic, frames=list(frames))
    return Event(exceptions=[thrown], **fields)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, ChangeKind.NEW),
        ("open", ChangeKind.EVENT),
        ("resolved", ChangeKind.REGRESSED),
        ("muted", None),
    ],
)
def test_an_event_does_to_its_issue_what_the_status_says(status, kind):
    assert why_change(status) is kind


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
