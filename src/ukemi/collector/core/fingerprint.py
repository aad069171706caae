"""
Fingerprints: which events are the same problem, and why. Versioned: a released version never changes.

In this order: what the client asked for (its `fingerprint`, where `{{ default }}` stands for all that follows), the in-app
frames of the exceptions, the exceptions' types and messages without their changing parts, the message's template.
Line numbers do not count, so an edit above a bug does not make a new issue of it.
"""

import hashlib
import re
from typing import Final

import msgspec

from ukemi.protocol.event import Event, ExceptionValue, Frame

VERSION: Final = 1
_DEFAULT = re.compile(r"\{\{\s*default\s*\}\}")
_MAX_FRAMES = 60

# What changes between two occurrences of one problem, most specific first.
_PARAMETERS: Final = [
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"), "<email>"),
    (re.compile(r"\bhttps?://[^\s'\"<>)]+"), "<url>"),
    (re.compile(r"\bhmac:[0-9a-f]+:[0-9a-f]+\b"), "<hash>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b"), "<date>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "<ip>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{16,}\b"), "<hex>"),
    (re.compile(r"'[^'\n]{1,200}'"), "<text>"),
    (re.compile(r'"[^"\n]{1,200}"'), "<text>"),
    # Few digits at the end of a word belong to it: utf8, sha256; many are a number that somebody gave: ORD20417.
    (re.compile(r"(?<![A-Za-z\d])[-+]?\d[\d_,]*(?:\.\d+)?|\d{4,}"), "<number>"),
]
_GENERATED: Final = [
    (re.compile(r"<locals>\."), ""),
    (re.compile(r"<lambda>(?:\d+)?"), "<lambda>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), ""),
    (re.compile(r"[.-][0-9a-f]{8,}(?=\.|$)"), ""),  # app.3f9a01c2.js: the hash of a build
    (re.compile(r"\d{4,}"), "N"),
]


class Part(msgspec.Struct, frozen=True):
    """One thing that counted."""

    kind: str
    """client | frame | type | message | nothing"""
    text: str


class Fingerprint(msgspec.Struct, frozen=True):
    hash: bytes
    """16 bytes."""
    version: int
    because: str
    """One sentence for the issue page."""
    parts: list[Part]


def fingerprint(event: Event) -> Fingerprint:
    """Say which problem `event` is an occurrence of, and why. Pure; the same event gives the same answer for ever."""
    because, parts = _own(event)
    if event.fingerprint:
        is_refined = any(_DEFAULT.search(part) for part in event.fingerprint)
        client = [Part("client", part) for part in event.fingerprint if not _DEFAULT.fullmatch(part.strip())]
        if is_refined and client:
            because, parts = f"The app refined the grouping by its own key; beside it: {because}", client + parts
        elif not is_refined:
            because, parts = "The app itself said so with a fingerprint.", client
    digest = hashlib.blake2b(digest_size=16, person=b"ukemi-fp-v1")
    for part in parts:
        digest.update(f"{part.kind}\0{part.text}\0".encode())
    return Fingerprint(digest.digest(), VERSION, because, parts)


def parameterized(message: str) -> str:
    """The first line of a message with its changing parts replaced by what they are: `<number>`, `<uuid>` …"""
    text = message.strip().split("\n", 1)[0][:1000]
    for pattern, name in _PARAMETERS:
        text = pattern.sub(name, text)
    return text


def _own(event: Event) -> tuple[str, list[Part]]:
    """Grouping without the client's wish."""
    thrown = [value for value in event.exceptions if not (value.is_synthetic and event.message)]
    if thrown:
        parts: list[Part] = []
        has_frames = False
        for value in thrown:
            parts.append(Part("type", value.type or "Error"))
            frames = _frames(value)
            has_frames = has_frames or bool(frames)
            parts += frames
        if has_frames:
            chain = " and those of its causes" if len(thrown) > 1 else ""
            return f"Same exception type and same functions in the stack{chain}.", parts
        parts += [Part("message", parameterized(value.value)) for value in thrown]
        return "Same exception type and message; there is no stack trace.", parts
    if event.message:
        return "Same message text.", [
            Part("message", parameterized(event.template or event.message)),
            Part("type", event.logger),
        ]
    return "The event says nothing that could be compared.", [Part("nothing", event.transaction)]


def _frames(value: ExceptionValue) -> list[Part]:
    """In-app frames if there are any, else all; recursion counts once."""
    chosen = [frame for frame in value.frames if frame.in_app] or value.frames
    texts = [_frame(frame) for frame in chosen[-_MAX_FRAMES:]]
    return [
        Part("frame", text) for index, text in enumerate(texts) if text and (index == 0 or texts[index - 1] != text)
    ]


def _frame(frame: Frame) -> str:
    place = frame.module or re.sub(r"^[a-z-]+://[^/]*|[?#].*$", "", frame.filename)
    text = f"{place} in {frame.function}" if frame.function else place
    for pattern, replacement in _GENERATED:
        text = pattern.sub(replacement, text)
    return text
