"""The item `ukemi_repeats`: how often errors happened again that an SDK sent one complete event of. See docs/reference/repeats.md."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ukemi.protocol.envelope import read_event_id
from ukemi.protocol.errors import PayloadError
from ukemi.protocol.vocabulary import REPEATS_VERSION

MAX_REPEATS = 1000
MAX_COUNT = 10_000_000


class Repeat(msgspec.Struct, frozen=True):
    event_id: str
    """32 hex digits: of the complete event that stands for them."""
    count: Annotated[int, Meta(ge=1, le=MAX_COUNT)]
    """How often it happened again, in all: what was told before is in it."""
    told: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 0
    """What of it an earlier item told."""


class _Repeats(msgspec.Struct, frozen=True):
    version: int
    repeats: Annotated[list[Repeat], Meta(max_length=MAX_REPEATS)]


_decoder = msgspec.json.Decoder(_Repeats)


def read_repeats(payload: bytes) -> list[Repeat]:
    """
    Read one item.

    Raises:
        PayloadError: broken JSON, an unknown version, or a value out of its bounds.
    """
    try:
        item = _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError("bad_repeats", f"The repeats cannot be read: {error}") from error
    if item.version != REPEATS_VERSION:
        raise PayloadError("unknown_version", f"Repeats of version {item.version}; this collector reads 1.")
    if any(read_event_id(one.event_id) != one.event_id for one in item.repeats):
        raise PayloadError("bad_repeats", "An event id is not 32 hex digits.")
    return item.repeats
