"""
Envelopes that real SDKs sent, and what must become of them.

The name of a file says which SDK of which version sent it, and what happened in the app. Instants and names of the
recording machine were replaced, long lists of frames and source lines shortened; all else is as it came.
"""

from pathlib import Path

import msgspec
import pytest

from ukemi.collector.core.fingerprint import fingerprint
from ukemi.collector.core.issue import culprit, title
from ukemi.privacy import DEFAULT_RULES, scrub
from ukemi.protocol.envelope import Envelope, parse_envelope
from ukemi.protocol.event import Event, decode_event, read_event

FOLDER = Path(__file__).parent


class Expected(msgspec.Struct, frozen=True):
    title: str
    culprit: str
    release: str
    types: list[str]
    frames: list[tuple[str, str, int]]
    """Place, function, line of the in-app frames, over all exceptions."""
    handled: list[bool | None]
    hash: str
    """Of fingerprint version 1, which is released: it never changes."""
    level: str = "error"
    user: str = ""
    attachments: list[bytes] = []


NULL_FOO = "TypeError: Cannot read properties of null (reading 'foo')"
SCRIPT = [("http://web.test/b.js", "n", 495), ("http://web.test/b.js", "", 502)]

GOLDEN = {
    "browser-11.12.0-handled": Expected(
        NULL_FOO, "/index.html", "web@1.0.0", ["TypeError"], SCRIPT, [True], "b30a2fc8c86285c79084cc71cc8740cd"
    ),
    "browser-11.12.0-unhandled": Expected(
        "Error: unhandled boom",
        "/index.html",
        "web@1.0.0",
        ["Error"],
        SCRIPT,
        [False],
        "a2eeb8d11ee6312840b30ab260666835",
    ),
    "cli-3.8.0-send-event": Expected(
        "Hello world", "", "app@1.0.0", [], [], [], "49826763d0736a0b5d4b43dc43e006b3", level="error", user="id:42"
    ),
    "node-11.12.0-attachment": Expected(
        "Error: att",
        "node1.mjs",
        "web@1.0.0",
        ["Error"],
        [("node1", "", 12)],
        [True],
        "4849c2f341db555917048dad662ffd51",
        user="id:1",
        attachments=[b"hello\nworld"],
    ),
    "node-11.12.0-cause": Expected(
        "Error: outer",
        "node1.mjs",
        "web@1.0.0",
        ["TypeError", "Error"],
        [("node1", "", 6), ("node1", "", 6)],
        [True, True],
        "aeec7c9216777d33fe0a5e381a24ae93",
        user="id:1",
    ),
    "node-11.12.0-message": Expected(
        "hello",
        "node1.mjs",
        "web@1.0.0",
        [""],
        [("node1", "", 7)],
        [True],
        "fed747c39a0458de4006116d568340a6",
        level="warning",
        user="id:1",
    ),
    "python-2.75.0-chained": Expected(
        "E: wrapped",
        "__main__ in <module>",
        "r@1",
        ["KeyError", "E"],
        [("__main__", "<module>", 27), ("__main__", "<module>", 28)],
        [True, True],
        "ec91ae35c13129363bb0616ff7c72069",
    ),
    "python-2.75.0-exception-group": Expected(
        "ExceptionGroup: grp",
        "__main__ in <module>",
        "r@1",
        ["TypeError", "ExceptionGroup", "ValueError", "ExceptionGroup"],
        [("__main__", "<module>", 30)],
        [True, True, True, True],
        "56cbc3041e2ae7bf70bcb8a782b4986b",
    ),
    "python-2.75.0-fastapi-unhandled": Expected(
        "AttributeError: 'NoneType' object has no attribute 'upper'",
        "/boom/{n}",
        "api@2.3.4+567",
        ["AttributeError"],
        [("app", "boom", 10)],
        [False],
        "9bddc642ce9137f60688e8e42f8280e5",
    ),
    "python-2.8.0-fastapi-unhandled": Expected(
        "AttributeError: 'NoneType' object has no attribute 'upper'",
        "/boom/{n}",
        "api@2.3.4+567",
        ["AttributeError"],
        [("app", "boom", 10)],
        [False],
        "9bddc642ce9137f60688e8e42f8280e5",
    ),
    "python-2.75.0-message-with-attachment": Expected(
        "with stuff",
        "",
        "r@1",
        [],
        [],
        [],
        "4afde038dfa762b062e0316f6dd082dc",
        level="warning",
        user="id:u1",
        attachments=[b"line1\nline2"],
    ),
}


def recorded(name: str) -> tuple[Envelope, Event]:
    envelope = parse_envelope((FOLDER / f"{name}.envelope").read_bytes())
    [item] = [item for item in envelope.items if item.header.type == "event"]
    return envelope, read_event(decode_event(item.payload))


@pytest.mark.parametrize("name", GOLDEN)
def test_what_a_real_sdk_sent_is_understood(name):
    envelope, event = recorded(name)

    understood = Expected(
        title=title(event),
        culprit=culprit(event),
        release=event.release,
        types=[value.type for value in event.exceptions],
        frames=[
            (frame.module or frame.filename, frame.function, frame.lineno)
            for value in event.exceptions
            for frame in value.frames
            if frame.in_app
        ],
        handled=[value.handled for value in event.exceptions],
        hash=fingerprint(event).hash.hex(),
        level=event.level,
        user=event.user.key,
        attachments=[item.payload for item in envelope.items if item.header.type == "attachment"],
    )
    assert understood == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_a_real_sdk_sent_has_no_defects(name):
    envelope, event = recorded(name)
    sdk, version = name.split("-")[:2]

    assert event.defects == []
    assert event.event_id == envelope.header.event_id
    assert event.at_s is not None
    assert sdk in event.sdk_name
    assert event.sdk_version == version


def test_the_oldest_and_the_newest_sentry_sdk_tell_of_one_issue():
    """Or an upgrade of the SDK would open every issue anew."""
    assert GOLDEN["python-2.8.0-fastapi-unhandled"] == GOLDEN["python-2.75.0-fastapi-unhandled"]


def test_every_recording_is_expected_to_become_something():
    assert sorted(GOLDEN) == sorted(path.stem for path in FOLDER.glob("*.envelope"))


def test_the_environment_that_sentry_cli_sends_along_is_scrubbed():
    """It holds the tokens of whoever ran it."""
    _, event = recorded("cli-3.8.0-send-event")
    assert event.extra["environ"]["DB_PASSWORD"] == "hunter2"

    environ = scrub(event.extra, DEFAULT_RULES).tree["environ"]

    assert environ["DB_PASSWORD"] == "[Filtered]"
    assert environ["PATH"] == "/usr/bin:/bin"
