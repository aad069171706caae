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
        NULL_FOO, "/index.html", "web@1.0.0", ["TypeError"], SCRIPT, [True], "c5689d13d57aae95a35acd74d44b178e"
    ),
    "browser-11.12.0-unhandled": Expected(
        "Error: unhandled boom",
        "/index.html",
        "web@1.0.0",
        ["Error"],
        SCRIPT,
        [False],
        "190482a5466310d88aca52d470f8f7fb",
    ),
    "node-11.12.0-attachment": Expected(
        "Error: att",
        "node1.mjs",
        "web@1.0.0",
        ["Error"],
        [("node1", "", 12)],
        [True],
        "301f8105eeedc39a297fb452245a817f",
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
        "ede3babfd3cdbf3f4f112c009bfae7c6",
        user="id:1",
    ),
    "node-11.12.0-message": Expected(
        "hello",
        "node1.mjs",
        "web@1.0.0",
        [""],
        [("node1", "", 7)],
        [True],
        "d44989bc2edadc76f58e4e25d67de4cc",
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
        "28dbf34ea2067355208448ae9e6acbb1",
    ),
    "python-2.75.0-exception-group": Expected(
        "ExceptionGroup: grp",
        "__main__ in <module>",
        "r@1",
        ["TypeError", "ExceptionGroup", "ValueError", "ExceptionGroup"],
        [("__main__", "<module>", 30)],
        [True, True, True, True],
        "bec2a7cb8e4807d817510a92a6320c29",
    ),
    "python-2.75.0-fastapi-unhandled": Expected(
        "AttributeError: 'NoneType' object has no attribute 'upper'",
        "/boom/{n}",
        "api@2.3.4+567",
        ["AttributeError"],
        [("app", "boom", 10)],
        [False],
        "ad31e6f9b5e80a6e362d9a7b59fcc070",
    ),
    "python-2.75.0-message-with-attachment": Expected(
        "with stuff",
        "",
        "r@1",
        [],
        [],
        [],
        "d41cd351aa39cddd2b7e246cbe333ce6",
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


def test_every_recording_is_expected_to_become_something():
    assert sorted(GOLDEN) == sorted(path.stem for path in FOLDER.glob("*.envelope"))
