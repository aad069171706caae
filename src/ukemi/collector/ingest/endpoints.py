"""
The doors of the house: every path that an SDK, a browser or an uploader posts to, and what each makes of a body.

Whatever came is one envelope in the end, so that there is one way to admit, count and keep. Source: getsentry/relay's
endpoints and develop.sentry.dev, read 2026-11, checked against real SDKs.
"""

import base64
import binascii
import re
import uuid
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from ukemi.protocol.compression import Decoder
from ukemi.protocol.envelope import Envelope, EnvelopeHeader, Item, ItemHeader, parse_envelope, read_event_id
from ukemi.protocol.errors import CompressionError, EnvelopeError, PayloadError, WrongType
from ukemi.protocol.multipart import parse_multipart
from ukemi.protocol.otlp import count_records
from ukemi.protocol.security import split_reports

T = TypeVar("T")

_CRASH_MODAL: Final = (Path(__file__).parent / "crash_modal.js").read_bytes()
_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
_REPORT_TYPES: Final = frozenset(
    {
        "application/json",
        "application/csp-report",
        "application/reports+json",
        "application/expect-ct-report",
        "application/expect-ct-report+json",
        "application/expect-staple-report",
    }
)
_DUMP_MAGIC: Final = (b"MDMP", b"PMDM", b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")


class Incoming(msgspec.Struct, frozen=True):
    """A request whose body is complete and decoded."""

    method: str
    parts: Mapping[str, str]
    """The named parts of its path."""
    query: Mapping[str, str]
    content_type: str
    body: bytes
    max_bytes: int
    """Most that something in the body may decode to."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()


class Answer(msgspec.Struct, frozen=True):
    status: int
    content_type: str = ""
    body: bytes = b""


class Endpoint(msgspec.Struct, frozen=True):
    path: re.Pattern[str]
    """Named groups: `project`; `key` where the path holds it; others as the endpoint likes."""
    methods: tuple[str, ...]
    read: Callable[[Incoming], Envelope]
    answer: Callable[[Incoming, str | None], Answer]
    """To an accepted request. Takes the event's id, if an event was made or named."""
    is_told_to_wait: bool = True
    """Whether a limit is answered with 429. Uploaders of crashes and cron jobs would only try again."""


def find(path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """The endpoint at a path and the named parts of it. Doubled slashes count as one, a final one is optional."""
    folded = re.sub("/{2,}", "/", path)
    for endpoint in ENDPOINTS:
        if match := endpoint.path.match(folded):
            return endpoint, {name: text for name, text in match.groupdict().items() if text is not None}
    return None


def flat(query_string: str) -> dict[str, str]:
    """The first value of each field of a query."""
    try:
        return {name: values[0] for name, values in parse_qs(query_string, max_num_fields=50).items()}
    except ValueError as error:
        raise EnvelopeError("The query of the request has more than 50 fields.") from error


# --- answers ----------------------------------------------------------------------------------------------------------


def _json(_incoming: Incoming, event_id: str | None) -> Answer:
    return Answer(200, "application/json", msgspec.json.encode({"id": event_id} if event_id else {}))


def _json_or_gif(incoming: Incoming, event_id: str | None) -> Answer:
    return Answer(200, "image/gif", _GIF) if incoming.method == "GET" else _json(incoming, event_id)


def _uuid(_incoming: Incoming, event_id: str | None) -> Answer:
    return Answer(200, "text/plain", str(uuid.UUID(event_id or uuid.uuid4().hex)).encode())


def _script(incoming: Incoming, _event_id: str | None) -> Answer:
    return Answer(200, "text/javascript", _CRASH_MODAL) if incoming.method == "GET" else Answer(200)


def _empty(status: int) -> Callable[[Incoming, str | None], Answer]:
    return lambda _incoming, _event_id: Answer(status)


# --- bodies -----------------------------------------------------------------------------------------------------------


def _envelope(incoming: Incoming) -> Envelope:
    return parse_envelope(_not_empty(incoming.body))


def _store(incoming: Incoming) -> Envelope:
    """One event as JSON, perhaps deflated and in base64; very old pages put it into the query."""
    payload = _not_empty(incoming.body if incoming.method == "POST" else _sentry_data(incoming)).strip()
    if not payload.startswith(b"{"):
        try:
            decoder = Decoder("deflate", incoming.max_bytes)
            payload = b"".join(decoder.feed(base64.b64decode(payload, validate=True)))
            decoder.finish()
        except (binascii.Error, zlib.error, CompressionError) as error:
            raise EnvelopeError("The body is neither JSON nor base64 of deflated JSON.") from error
    return _of("event", payload)


def _sentry_data(incoming: Incoming) -> bytes:
    # A space in the query was a plus sign before somebody forgot to escape it.
    return incoming.query.get("sentry_data", "").replace(" ", "+").encode() or b""


def _security(incoming: Incoming) -> Envelope:
    if incoming.media_type not in _REPORT_TYPES:
        raise WrongType(
            "A security report comes as application/csp-report, application/reports+json or application/json."
        )
    header = {
        "type": "raw_security",
        "sentry_release": incoming.query.get("sentry_release", ""),
        "sentry_environment": incoming.query.get("sentry_environment", ""),
    }
    raw = msgspec.json.encode(header)
    reports = _payload(split_reports, _not_empty(incoming.body))
    return Envelope(EnvelopeHeader(), [Item(ItemHeader(type="raw_security"), raw, report) for report in reports])


def _nel(incoming: Incoming) -> Envelope:
    if incoming.media_type not in _REPORT_TYPES:
        raise WrongType("Network error reports come as application/reports+json or application/json.")
    reports = _payload(split_reports, _not_empty(incoming.body))
    return Envelope(EnvelopeHeader(), [_item("nel", report) for report in reports])


def _minidump(incoming: Incoming) -> Envelope:
    dump = incoming.body
    if incoming.media_type == "multipart/form-data":
        parts = parse_multipart(incoming.body, incoming.content_type)
        dump = next((part.content for part in parts if part.name == "upload_file_minidump"), b"")
    if not dump.startswith(_DUMP_MAGIC):
        raise EnvelopeError("There is no minidump in the body; a form has it in the field upload_file_minidump.")
    return _of("minidump", dump)


def _unreal(incoming: Incoming) -> Envelope:
    return _of("unreal_report", _not_empty(incoming.body))


def _attachments(incoming: Incoming) -> Envelope:
    parts = parse_multipart(incoming.body, incoming.content_type)
    event_id = read_event_id(incoming.parts["event"])
    if event_id is None:
        raise EnvelopeError("The path does not name an event: 32 hex digits are expected.")
    items = [
        _item("attachment", part.content, filename=part.filename or part.name, content_type=part.content_type)
        for part in parts
    ]
    return Envelope(EnvelopeHeader(event_id=event_id), items)


def _cron(incoming: Incoming) -> Envelope:
    return _of("check_in", incoming.body or msgspec.json.encode({"monitor_slug": incoming.parts["slug"]}))


def _otlp(incoming: Incoming) -> Envelope:
    if incoming.media_type not in ("application/json", "application/x-protobuf"):
        raise WrongType("OpenTelemetry data comes as application/x-protobuf or application/json.")
    signal = incoming.parts["signal"]
    is_json = incoming.media_type == "application/json"
    count = _payload(lambda body: count_records(body, signal, is_json), incoming.body)
    item = _item("otel_span" if signal == "traces" else "otel_logs_data", incoming.body)
    header = msgspec.structs.replace(item.header, item_count=count)
    return Envelope(EnvelopeHeader(), [msgspec.structs.replace(item, header=header)] if count else [])


def _modal(incoming: Incoming) -> Envelope:
    event_id = read_event_id(incoming.query.get("eventId"))
    if event_id is None:
        raise EnvelopeError("The query does not name an event: eventId is missing or malformed.")
    if incoming.method == "GET":
        return Envelope(EnvelopeHeader(event_id=event_id), [])
    form = {name: text[:8192] for name, text in flat(incoming.body.decode("utf-8", "replace")).items()}
    report = {"event_id": event_id, **{name: form.get(name, "") for name in ("name", "email", "comments")}}
    return _of("user_report", msgspec.json.encode(report))


def _payload(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except PayloadError as error:
        raise EnvelopeError(str(error)) from error


def _not_empty(body: bytes) -> bytes:
    if not body.strip():
        raise EnvelopeError("The body is empty; an envelope was expected.")
    return body


def _item(item_type: str, payload: bytes, **header: str) -> Item:
    raw = msgspec.json.encode({"type": item_type, **header})
    return Item(ItemHeader(type=item_type), raw, payload)


def _of(item_type: str, payload: bytes) -> Envelope:
    return Envelope(EnvelopeHeader(), [_item(item_type, payload)])


def _at(path: str) -> re.Pattern[str]:
    return re.compile(
        path.replace("PROJECT", r"(?P<project>\d{1,9})").replace("KEY", r"(?P<key>\w{1,64})") + "/?$", re.ASCII
    )


ENDPOINTS: Final = (
    Endpoint(_at("^/api/PROJECT/envelope"), ("POST",), _envelope, _json),
    Endpoint(_at("^/api/(?:PROJECT/)?store"), ("POST", "GET"), _store, _json_or_gif),
    Endpoint(_at("^/api/PROJECT/(?:security|csp-report)"), ("POST",), _security, _empty(200)),
    Endpoint(_at("^/api/PROJECT/nel"), ("POST",), _nel, _empty(200)),
    Endpoint(_at("^/api/PROJECT/minidump"), ("POST",), _minidump, _uuid, is_told_to_wait=False),
    Endpoint(_at("^/api/PROJECT/unreal/KEY"), ("POST",), _unreal, _uuid, is_told_to_wait=False),
    Endpoint(
        _at("^/api/PROJECT/events/(?P<event>[0-9a-fA-F-]{32,36})/attachments"), ("POST",), _attachments, _empty(201)
    ),
    Endpoint(
        _at(r"^/api/(?:0/)?PROJECT/cron/(?P<slug>[\w-]{1,64})(?:/KEY)?"),
        ("POST", "GET"),
        _cron,
        _empty(202),
        is_told_to_wait=False,
    ),
    Endpoint(_at("^/api/PROJECT/(?:integration/)?otlp/v1/(?P<signal>traces|logs)"), ("POST",), _otlp, _empty(202)),
    Endpoint(_at("^/api/embed/error-page"), ("POST", "GET"), _modal, _script),
)
