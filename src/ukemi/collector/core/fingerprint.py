"""
Fingerprints: which events are the same problem, and why. Versioned: a released version never changes.

In this order: what the client asked for (its `fingerprint`, where `{{ default }}` stands for all that follows), what
the project's own rules say, and what the version finds in the exceptions or the message (`grouping_v1.py`).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from ukemi.collector.core import grouping_v1
from ukemi.collector.core.grouping_v1 import Grouped, Part
from ukemi.protocol.event import Event

Versions = Mapping[int, Callable[[Event], Grouped]]
VERSIONS: Final[Versions] = {1: grouping_v1.group}
"""Every version that was ever released stays: projects move on when they want to."""
CURRENT: Final = 1
_DEFAULT = re.compile(r"\{\{\s*default\s*\}\}")


class Fingerprint(msgspec.Struct, frozen=True):
    hash: bytes
    """16 bytes."""
    version: int
    because: str
    """A sentence or two for the issue page."""
    parts: list[Part]


def fingerprint(event: Event, version: int = CURRENT, versions: Versions = VERSIONS) -> Fingerprint:
    """Say which problem `event` is an occurrence of, and why. Pure; the same event gives the same answer for ever."""
    own = versions[version](event)
    because, parts = own.because, own.parts
    if event.fingerprint:
        is_refined = any(_DEFAULT.search(part) for part in event.fingerprint)
        client = [Part("client", part) for part in event.fingerprint if not _DEFAULT.fullmatch(part.strip())]
        if is_refined and client:
            because, parts = f"The app refined the grouping by its own key; beside it: {because}", client + parts
        elif not is_refined:
            because, parts = "The app itself said so with a fingerprint.", client
    digest = hashlib.blake2b(digest_size=16, person=f"ukemi-fp-v{version}".encode())
    for part in parts:
        digest.update(f"{part.kind}\0{part.text}\0".encode())
    return Fingerprint(digest.digest(), version, because, parts)
