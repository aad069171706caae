"""
Sessions: one visit of a page or run of a program (`session`), or the requests of a server added up (`sessions`).

Source: develop.sentry.dev/sdk/telemetry/sessions, read 2026-11, and what SDKs send: JavaScript's carry no `seq`, so the
message's own time orders them, as in getsentry/relay.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from ukemi.protocol.envelope import read_event_id
from ukemi.protocol.errors import PayloadError
from ukemi.protocol.event import decode_event, read_instant

MAX_BUCKETS = 100
MAX_COUNT = 10_000_000
MAX_AGE_S = 5 * 86_400
Ending = Literal["exited", "errored", "unhandled", "crashed", "abnormal"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)


class Session(msgspec.Struct, frozen=True):
    """One message about an individual session."""

    sid: bytes
    """16 bytes."""
    is_init: bool
    """The first message of its session."""
    sequence: int
    status: str
    """ok while it lives on, exited, or one of the bad ends."""
    errors: int
    release: str
    environment: str


class SessionCounts(msgspec.Struct, frozen=True):
    """Sessions that were added up by the client. They exclude one another, so their sum is how many there were."""

    release: str
    environment: str
    counts: Mapping[Ending, int]


def read_session(payload: bytes, received_s: float) -> Session:
    """
    Read a `session` item.

    Raises:
        PayloadError: no JSON object, no id, no release, or it began too long ago.
    """
    tree = decode_event(payload)
    release, environment = _attributes(tree.get("attrs"))
    sid = read_event_id(tree.get("sid"))
    if sid is None:
        raise PayloadError("bad_session", "The session has no id.")
    at_s, started_s = read_instant(tree.get("timestamp")), read_instant(tree.get("started"))
    _check_age(started_s, received_s)
    sequence = tree.get("seq")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence < 1 << 62:
        sequence = round((received_s if at_s is None else at_s) * 1000)
    errors = tree.get("errors")
    status = tree.get("status")
    return Session(
        sid=bytes.fromhex(sid),
        is_init=tree.get("init") is True,
        sequence=sequence,
        status=status if isinstance(status, str) and status in ENDINGS else "ok",
        errors=errors if isinstance(errors, int) and not isinstance(errors, bool) and errors > 0 else 0,
        release=release,
        environment=environment,
    )


def read_sessions(payload: bytes, received_s: float) -> SessionCounts:
    """
    Read a `sessions` item, all its buckets added up: what counts is when it was received.

    Raises:
        PayloadError: no JSON object, no release, more buckets than allowed, or one that is too old.
    """
    tree = decode_event(payload)
    release, environment = _attributes(tree.get("attrs"))
    buckets = tree.get("aggregates")
    if not isinstance(buckets, list) or len(buckets) > MAX_BUCKETS:
        raise PayloadError("bad_session", f"The sessions have no list of at most {MAX_BUCKETS} aggregates.")
    counts: dict[Ending, int] = {}
    for bucket in buckets:
        if not isinstance(bucket, dict):
            continue
        _check_age(read_instant(bucket.get("started")), received_s)
        for ending in ENDINGS:
            number = bucket.get(ending)
            if isinstance(number, int) and not isinstance(number, bool) and 0 < number <= MAX_COUNT:
                counts[ending] = counts.get(ending, 0) + number
    return SessionCounts(release, environment, counts)


def _attributes(value: object) -> tuple[str, str]:
    found = value if isinstance(value, dict) else {}
    release, environment = found.get("release"), found.get("environment")
    release = release.replace("\0", "").strip()[:200] if isinstance(release, str) else ""
    if not release:
        raise PayloadError("no_release", "The session names no release.")
    return release, (environment.replace("\0", "")[:64] if isinstance(environment, str) else "") or "production"


def _check_age(started_s: float | None, received_s: float) -> None:
    if started_s is not None and received_s - started_s > MAX_AGE_S:
        raise PayloadError("too_old", "The session began more than five days ago.")
