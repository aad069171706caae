"""The item `ukemi_request_counts`: every request that one process of an app served. See docs/reference/request-counts.md."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from ukemi.protocol.errors import PayloadError
from ukemi.protocol.vocabulary import REQUEST_COUNTS_VERSION

MAX_BUCKETS = 60
MAX_ROUTES = 2000

Count = Annotated[int, Meta(ge=0, le=1 << 40)]
AgeMs = Annotated[int, Meta(ge=0, le=1 << 43)]
Pid = Annotated[int, Meta(ge=0, lt=1 << 31)]
_INSTANCE_ID = re.compile(r"[0-9a-f]{32}")


class Instance(msgspec.Struct, frozen=True):
    id: str
    """32 hex digits, random, one for each process."""
    pid: Pid = 0
    server_name: str = ""
    age_ms: AgeMs = 0
    """How long ago the process started."""


class RouteCount(msgspec.Struct, frozen=True):
    method: str
    route: str
    status: Annotated[int, Meta(ge=100, le=599)]
    count: Count
    latency: dict[str, Count] = {}
    """Bin number of `vocabulary.latency_bin`, as text → requests."""


class Bucket(msgspec.Struct, frozen=True):
    sequence: Count
    """The instance's own number of this bucket: the same in every report that holds it."""
    age_ms: AgeMs
    """How long before sending the bucket began."""
    routes: Annotated[list[RouteCount], Meta(max_length=MAX_ROUTES)]


class RequestCounts(msgspec.Struct, frozen=True):
    version: int
    instance: Instance
    buckets: Annotated[list[Bucket], Meta(max_length=MAX_BUCKETS)]
    environment: str = ""
    release: str = ""
    ended: bool = False
    since_request_ms: AgeMs | None = None
    since_success_ms: AgeMs | None = None
    failures_ms: Annotated[list[AgeMs], Meta(max_length=50)] = []
    """Ages of the latest failures since the latest success, oldest (greatest) first."""
    failure_count: Count = 0
    """All failures since the latest success."""


_decoder = msgspec.json.Decoder(RequestCounts)


def read_request_counts(payload: bytes) -> RequestCounts:
    """
    Read one report.

    Raises:
        PayloadError: broken JSON, an unknown version, a text with U+0000, or a value out of its bounds.
    """
    try:
        counts = _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError("bad_request_counts", f"The request counts cannot be read: {error}") from error
    if counts.version != REQUEST_COUNTS_VERSION:
        raise PayloadError("unknown_version", f"Request counts of version {counts.version}; this collector reads 1.")
    if b"\\u0000" in payload:
        raise PayloadError("bad_request_counts", "A text holds U+0000, which not every database can store.")
    if not _INSTANCE_ID.fullmatch(counts.instance.id):
        raise PayloadError("bad_request_counts", "The instance id is not 32 hex digits.")
    return counts
