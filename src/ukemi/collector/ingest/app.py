"""
The ingest endpoint: a bare ASGI app, since every event of every app passes here.

auth → decode with a limit → split into items → one outcome for each → append to the spool → 200. The answer is sent
after the append is on disk. Payloads are not parsed here. Source of paths, codes and headers: getsentry/relay and
develop.sentry.dev, read 2026-11, checked against real SDKs.
"""

import asyncio
import base64
import binascii
import contextlib
import re
import uuid
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import msgspec
import structlog

from ukemi.collector.core.clock import Clock
from ukemi.collector.core.outcome import Outcome, OutcomeCount, OutcomeKind
from ukemi.collector.ingest.admission import LANES, Limits, Usage, admit, category_of, seconds_to_next_minute
from ukemi.collector.ingest.keys import CachedKeys, Key, KeySource
from ukemi.collector.settings import Settings
from ukemi.collector.spool.errors import SpoolError, SpoolFull
from ukemi.collector.spool.item import OUTCOMES_ITEM, ItemContext, Lane, SpoolItem
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.protocol.auth import read_auth
from ukemi.protocol.compression import Decoder
from ukemi.protocol.dsn import read_dsn
from ukemi.protocol.envelope import Envelope, EnvelopeHeader, Item, ItemHeader, parse_envelope, read_event_id
from ukemi.protocol.errors import AuthError, BadDsn, NoKey, ProtocolError, TooLarge
from ukemi.protocol.rate_limits import write_rate_limits

log = structlog.get_logger("ukemi.ingest")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FLUSH_OUTCOMES_S: Final = 1.0
MAX_PASSED_OVER: Final = 16 << 20
"""Bytes of a refused body that are still taken from the client, so that it reads the answer."""
PASS_OVER_S: Final = 5.0
_PATH = re.compile(r"^/api/(?:(\d{1,9})/)?(envelope|store)/?$")
_CORS: Final = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-sentry-error, x-sentry-rate-limits, retry-after"),
]
_PREFLIGHT: Final = [
    *_CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        (
            b"x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, "
            b"authorization, content-encoding, transfer-encoding, sentry-trace, baggage"
        ),
    ),
    (b"access-control-max-age", b"3600"),
]


class Refusal(Exception):
    """The request ends here with `status`; `detail` is safe to show to the client."""

    def __init__(self, status: int, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, list(headers)


class _Body:
    """The body of one request, chunk by chunk."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_complete = False

    async def read(self) -> bytes | None:
        """The next chunk; None after the last."""
        if self._is_complete:
            return None
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The client went away before the body was complete.")
        self._is_complete = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def pass_over(self, max_bytes: int) -> None:
        """Take what is left without looking at it, but not more than `max_bytes`."""
        passed = 0
        while passed <= max_bytes and (chunk := await self.read()) is not None:
            passed += len(chunk)


class IngestApp:
    def __init__(self, spool: SpoolWriter, keys: KeySource, settings: Settings, clock: Clock) -> None:
        self._spool = spool
        self._keys = CachedKeys(keys)
        self._max_envelope_bytes = settings.max_envelope_bytes
        self._limits = Limits(item_bytes=settings.max_item_bytes, events_per_minute=settings.events_per_minute)
        self._clock = clock
        self._usage = Usage()
        self._refused: Counter[tuple[int, str, OutcomeKind, str]] = Counter()
        self._flusher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hand refused items' outcomes to digest, once a second."""
        self._flusher = asyncio.create_task(self._flush_outcomes_forever())

    async def stop(self) -> None:
        """Hand over the last outcomes. No request may follow."""
        if self._flusher:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
        await self._flush_outcomes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            status, body, headers = await self._answer(scope, receive)
        except Refusal as refusal:
            error = refusal.detail.encode("ascii", "replace").replace(b"\n", b" ")
            status, headers = refusal.status, [*refusal.headers, (b"x-sentry-error", error)]
            body = {"detail": refusal.detail, "causes": []}
        encoded = b"" if body is None else msgspec.json.encode(body)
        kind = [] if body is None else [(b"content-type", b"application/json")]
        base = _PREFLIGHT if scope["method"] == "OPTIONS" else _CORS
        length = (b"content-length", str(len(encoded)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*base, *kind, length, *headers]})
        await send({"type": "http.response.body", "body": encoded})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, object, list[tuple[bytes, bytes]]]:
        match = _PATH.match(re.sub("/{2,}", "/", scope["path"]))
        if not match:
            raise Refusal(404, "There is no such endpoint. SDKs post to /api/PROJECT/envelope/.")
        if scope["method"] == "OPTIONS":
            return 200, None, []
        if scope["method"] != "POST":
            raise Refusal(405, "Only POST is allowed here.", [(b"allow", b"POST, OPTIONS")])
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        is_store = match[2] == "store"
        # A wrong key is refused before its body is read, wherever the key stands outside the body.
        try:
            with contextlib.suppress(NoKey):
                await self._find_key(read_auth(headers, query).public_key, match[1])
        except AuthError as error:
            raise Refusal(401, str(error)) from error
        body = await self._read_body(receive, headers.get("content-encoding", ""))
        try:
            envelope = _read_store(body, self._max_envelope_bytes) if is_store else parse_envelope(_not_empty(body))
            auth = read_auth(headers, query, envelope.header.dsn)
        except AuthError as error:
            raise Refusal(401, str(error)) from error
        except TooLarge as error:
            raise Refusal(413, str(error)) from error
        except ProtocolError as error:
            raise Refusal(400, str(error)) from error
        key = await self._find_key(auth.public_key, match[1])
        _check_dsn(envelope.header.dsn, key)
        return await self._accept(envelope, key, auth.client, headers.get("user-agent", ""), scope)

    async def _find_key(self, public_key: str, project: str | None) -> Key:
        key = await self._keys.lookup(public_key)
        if key is None or not key.is_enabled:
            raise Refusal(403, "The client key is unknown or disabled. Copy the DSN again from the page Projects.")
        if project is not None and int(project) != key.project_id:
            raise Refusal(403, "The client key belongs to another project than the one in the URL.")
        return key

    async def _read_body(self, receive: Receive, encoding: str) -> bytes:
        body = _Body(receive)
        try:
            decoder = Decoder(encoding, self._max_envelope_bytes)
            parts: list[bytes] = []
            while (chunk := await body.read()) is not None:
                parts += decoder.feed(chunk)
            decoder.finish()
        except ProtocolError as error:
            # What is closed while bytes are still coming is reset by the kernel, and the client never sees the answer.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(body.pass_over(MAX_PASSED_OVER), PASS_OVER_S)
            status = 413 if isinstance(error, TooLarge) else 400
            raise Refusal(status, str(error), [(b"connection", b"close")]) from error
        return b"".join(parts)

    async def _accept(
        self, envelope: Envelope, key: Key, client: str, user_agent: str, scope: Scope
    ) -> tuple[int, object, list[tuple[bytes, bytes]]]:
        now_us = self._clock.now_us()
        event_id = envelope.header.event_id or _id_in_payload(envelope) or uuid.uuid4().hex
        sdk = envelope.header.sdk
        kept: list[SpoolItem] = []
        limited: set[str] = set()
        for item in envelope.items:
            used = self._usage.accepted(key.project_id, now_us)
            outcome = admit(item.header.type, len(item.payload), key.kind, self._limits, used)
            if outcome.kind != "accepted":
                self._refuse(key.project_id, item.header.type, outcome)
                if outcome.kind == "rate_limited":
                    limited.add(category_of(item.header.type))
                continue
            if item.header.type == "event":
                self._usage.add(key.project_id, now_us)
            context = ItemContext(
                item_header=msgspec.Raw(item.raw_header),
                sent_at=envelope.header.sent_at,
                sdk=(f"{sdk.name}/{sdk.version}" if sdk else client)[:128],
                user_agent=user_agent[:512],
                client_ip=(scope.get("client") or ("", 0))[0],
            )
            kept.append(
                SpoolItem(
                    position=0,
                    lane=LANES[item.header.type],
                    received_us=now_us,
                    project_id=key.project_id,
                    key_kind=key.kind,
                    item_type=item.header.type,
                    event_id=event_id if item.header.type == "event" else "",
                    context=msgspec.json.encode(context),
                    payload=item.payload,
                )
            )
        if kept:
            await self._append(kept, key.project_id)
        if limited:
            raise _too_many(seconds_to_next_minute(now_us), limited, "project_minute")
        makes_event = any(item.header.type in _MAKES_EVENT for item in envelope.items)
        return 200, {"id": event_id} if makes_event or envelope.header.event_id else {}, []

    async def _append(self, items: list[SpoolItem], project_id: int) -> None:
        try:
            await self._spool.append(items)
        except SpoolFull as error:
            for item in items:
                self._refuse(project_id, item.item_type, Outcome("rate_limited", "spool_full"))
            log.warning("spool is full", items=len(items))
            raise _too_many(
                60, {category_of(i.item_type) for i in items} - {"internal"} or {"error"}, "full"
            ) from error
        except SpoolError as error:
            log.exception("spool cannot be written")
            raise Refusal(503, "The collector cannot keep the envelope at the moment.") from error

    def _refuse(self, project_id: int, item_type: str, outcome: Outcome) -> None:
        self._refused[project_id, category_of(item_type), outcome.kind, outcome.reason] += 1

    async def _flush_outcomes_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_OUTCOMES_S)
            await self._flush_outcomes()

    async def _flush_outcomes(self) -> None:
        """Hand the refused items' outcomes to digest. While the spool is full they wait here and go on adding up."""
        if not self._refused:
            return
        refused, self._refused = self._refused, Counter()
        counts: dict[int, list[OutcomeCount]] = {}
        for (project_id, category, kind, reason), quantity in refused.items():
            counts.setdefault(project_id, []).append(OutcomeCount(category, kind, reason, quantity))
        now_us = self._clock.now_us()
        rows = [
            SpoolItem(
                0, Lane.SIGNALS, now_us, project_id, "server", OUTCOMES_ITEM, "", b"{}", msgspec.json.encode(rows)
            )
            for project_id, rows in counts.items()
        ]
        try:
            await self._spool.append(rows)
        except SpoolError:
            self._refused += refused


_MAKES_EVENT: Final = {"event", "transaction", "feedback", "security", "user_report"}


def _check_dsn(dsn: str | None, key: Key) -> None:
    """An envelope that names a DSN must name the one it was sent to."""
    if dsn is None:
        return
    try:
        named = read_dsn(dsn)
    except BadDsn as error:
        raise Refusal(400, str(error)) from error
    if named.project_id != key.project_id:
        raise Refusal(400, "The DSN in the envelope header names another project than the request.")


class _Identified(msgspec.Struct):
    event_id: object = None


def _id_in_payload(envelope: Envelope) -> str | None:
    """The event's own id, where the envelope's header has none: clients and digest must know it by the same."""
    for item in envelope.items:
        if item.header.type == "event":
            with contextlib.suppress(msgspec.DecodeError):
                return read_event_id(msgspec.json.decode(item.payload, type=_Identified).event_id)
    return None


def _not_empty(body: bytes) -> bytes:
    if not body.strip():
        raise Refusal(400, "The body is empty; an envelope was expected.")
    return body


def _read_store(body: bytes, max_bytes: int) -> Envelope:
    """The legacy endpoint: one event as JSON, perhaps deflated and in base64."""
    payload = _not_empty(body).strip()
    if not payload.startswith(b"{"):
        try:
            decoder = Decoder("deflate", max_bytes)
            payload = b"".join(decoder.feed(base64.b64decode(payload, validate=True)))
        except (binascii.Error, zlib.error) as error:
            raise Refusal(400, "The body is neither JSON nor base64 of deflated JSON.") from error
    header = ItemHeader(type="event")
    return Envelope(EnvelopeHeader(), [Item(header, b'{"type":"event"}', payload)])


def _too_many(retry_after_s: int, categories: Iterable[str], reason: str) -> Refusal:
    return Refusal(
        429,
        "Too many items; hold back for a while.",
        [
            (b"retry-after", str(retry_after_s).encode()),
            (b"x-sentry-rate-limits", write_rate_limits(retry_after_s, categories, reason).encode()),
        ],
    )
