"""
The ingest endpoint: a bare ASGI app, since every event of every app passes here.

auth → decode with a limit → split into items → one outcome for each → append to the spool → 200. The answer is sent
after the append is on disk. Payloads are not parsed here. What stands at which path is said in `endpoints`.
"""

import asyncio
import contextlib
import sqlite3
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import msgspec
import structlog

from ukemi.collector.core.clock import Clock
from ukemi.collector.core.outcome import Outcome, OutcomeCount, OutcomeKind
from ukemi.collector.ingest.admission import (
    LANES,
    PRESSURE_RETRY_S,
    Limits,
    Pressure,
    Usage,
    admit,
    category_of,
    pressure,
    seconds_to_next_minute,
)
from ukemi.collector.ingest.endpoints import Answer, Endpoint, Incoming, find, flat
from ukemi.collector.ingest.keys import CachedKeys, Key, KeySource
from ukemi.collector.settings import Settings
from ukemi.collector.spool.errors import SpoolError, SpoolFull
from ukemi.collector.spool.item import OUTCOMES_ITEM, ItemContext, Lane, SpoolItem
from ukemi.collector.spool.look import Waiting
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store.errors import StoreError
from ukemi.protocol.auth import Auth, read_auth
from ukemi.protocol.compression import Decoder
from ukemi.protocol.dsn import read_dsn
from ukemi.protocol.envelope import Envelope, Item, read_event_id
from ukemi.protocol.errors import AuthError, BadDsn, NoKey, ProtocolError, TooLarge, WrongType
from ukemi.protocol.quantities import quantities
from ukemi.protocol.rate_limits import RateLimit, write_rate_limits

log = structlog.get_logger("ukemi.ingest")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FLUSH_OUTCOMES_S: Final = 1.0
MAX_PASSED_OVER: Final = 16 << 20
"""Bytes of a refused body that are still taken from the client, so that it reads the answer."""
PASS_OVER_S: Final = 5.0
_CORS: Final = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-sentry-error, x-sentry-rate-limits, retry-after"),
]
_PREFLIGHT: Final = [
    *_CORS,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
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
    def __init__(
        self,
        spool: SpoolWriter,
        keys: KeySource,
        settings: Settings,
        clock: Clock,
        measure: Callable[[], Waiting] | None = None,
    ) -> None:
        """
        Args:
            measure: says how full the spool is, asked once a second. May block.
        """
        self._spool = spool
        self._keys = CachedKeys(keys)
        self._max_envelope_bytes = settings.max_envelope_bytes
        self._max_spool_bytes = settings.max_spool_bytes
        self._limits = Limits(settings.max_item_bytes, settings.max_attachment_bytes, settings.per_minute)
        self._measure = measure
        self._pressed = Pressure.NONE
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
        headers: list[tuple[bytes, bytes]] = []
        try:
            answer = await self._answer(scope, receive)
        except Refusal as refusal:
            error = refusal.detail.encode("ascii", "replace").replace(b"\n", b" ")
            headers = [*refusal.headers, (b"x-sentry-error", error)]
            body = msgspec.json.encode({"detail": refusal.detail, "causes": []})
            answer = Answer(refusal.status, "application/json", body)
        base = _PREFLIGHT if scope["method"] == "OPTIONS" else _CORS
        kind = [(b"content-type", answer.content_type.encode())] if answer.content_type else []
        length = (b"content-length", str(len(answer.body)).encode())
        start = {"type": "http.response.start", "status": answer.status, "headers": [*base, *kind, length, *headers]}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        found = find(scope["path"])
        if not found:
            raise Refusal(404, "There is no such endpoint. SDKs post to /api/PROJECT/envelope/.")
        endpoint, parts = found
        if scope["method"] == "OPTIONS":
            return Answer(200)
        if scope["method"] not in endpoint.methods:
            allowed = ", ".join((*endpoint.methods, "OPTIONS"))
            raise Refusal(405, f"Only {allowed} are allowed here.", [(b"allow", allowed.encode())])
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        try:
            fields = flat(query) if query else {}
            early: Auth | None = None
            # A wrong key is refused before its body is read, wherever the key stands outside the body.
            with contextlib.suppress(NoKey):
                early = read_auth(headers, query, fields.get("dsn"), parts.get("key"))
                await self._find_key(early.public_key, parts.get("project"))
        except AuthError as error:
            raise Refusal(401, str(error)) from error
        except ProtocolError as error:
            raise Refusal(400, str(error)) from error
        body = await self._read_body(receive, headers.get("content-encoding", ""))
        incoming = Incoming(
            scope["method"], parts, fields, headers.get("content-type", ""), body, self._max_envelope_bytes
        )
        try:
            envelope = endpoint.read(incoming)
            auth = early if envelope.header.dsn is None else None
            auth = auth or read_auth(headers, query, envelope.header.dsn or fields.get("dsn"), parts.get("key"))
        except AuthError as error:
            raise Refusal(401, str(error)) from error
        except TooLarge as error:
            raise Refusal(413, str(error)) from error
        except WrongType as error:
            raise Refusal(415, str(error)) from error
        except ProtocolError as error:
            raise Refusal(400, str(error)) from error
        key = await self._find_key(auth.public_key, parts.get("project"))
        _check_dsn(envelope.header.dsn, key)
        event_id = await self._accept(endpoint, envelope, key, auth.client, headers.get("user-agent", ""), scope)
        return endpoint.answer(incoming, event_id)

    async def _find_key(self, public_key: str, project: str | None) -> Key:
        try:
            key = await self._keys.lookup(public_key)
        except StoreError as error:
            raise Refusal(503, "The collector cannot look up the client key at the moment.") from error
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
        self, endpoint: Endpoint, envelope: Envelope, key: Key, client: str, user_agent: str, scope: Scope
    ) -> str | None:
        """Give every item its outcome and keep what is accepted. Returns the id of the event that was made or named."""
        now_us = self._clock.now_us()
        given_id = envelope.header.event_id or _id_in_payload(envelope)
        event_id = given_id or uuid.uuid4().hex
        sdk = envelope.header.sdk
        kept: list[tuple[Item, SpoolItem]] = []
        limits: list[RateLimit] = []
        of_event: Outcome | None = None
        reports = 0
        # What belongs to an event shares its fate, so it comes after it.
        for item in sorted(envelope.items, key=lambda item: item.header.type == "attachment"):
            item_type = _kind(item)
            outcome = self._admit(item_type, item, key, now_us)
            if item_type == "attachment" and outcome.kind == "accepted":
                if of_event and of_event.kind != "accepted":
                    outcome = of_event
                elif given_id is None and of_event is None:
                    outcome = Outcome("invalid", "no_event")
            if item_type in _CARRIES_ATTACHMENTS:
                of_event = outcome
            if outcome.kind != "accepted":
                self._refuse(key.project_id, item_type, item, outcome)
                if outcome.kind == "rate_limited":
                    limits.append(_limit(category_of(item_type), outcome.reason, now_us))
                continue
            self._usage.add(key.project_id, key.public_key, category_of(item_type), _units(item), now_us)
            reports += item_type == "raw_security"
            context = ItemContext(
                item_header=msgspec.Raw(item.raw_header),
                sent_at=envelope.header.sent_at,
                sdk=(f"{sdk.name}/{sdk.version}" if sdk else client)[:128],
                user_agent=user_agent[:512],
                client_ip=(scope.get("client") or ("", 0))[0],
                sample_rate=envelope.header.sample_rate or "",
            )
            own_id = uuid.uuid4().hex if reports > 1 else event_id  # each report of a request is an event
            spooled = SpoolItem(
                position=0,
                lane=LANES[item_type],
                received_us=now_us,
                project_id=key.project_id,
                key_kind=key.kind,
                item_type=item_type,
                event_id=own_id if item_type in _IDENTIFIED else "",
                context=msgspec.json.encode(context),
                payload=item.payload,
            )
            kept.append((item, spooled))
        if kept:
            await self._append(endpoint, kept)
        if limits and endpoint.is_told_to_wait:
            raise _too_many(limits)
        makes_event = any(item.header.type in _MAKES_EVENT for item in envelope.items)
        return event_id if makes_event or envelope.header.event_id else None

    def _admit(self, item_type: str, item: Item, key: Key, now_us: int) -> Outcome:
        return admit(
            item_type,
            len(item.payload),
            key.kind,
            self._limits,
            key_limits=key.limits,
            used=self._usage.accepted(key.project_id, key.public_key, category_of(item_type), now_us),
            pressed=self._pressed,
        )

    async def _append(self, endpoint: Endpoint, items: list[tuple[Item, SpoolItem]]) -> None:
        try:
            await self._spool.append([spooled for _, spooled in items])
        except SpoolFull as error:
            for item, spooled in items:
                self._refuse(spooled.project_id, spooled.item_type, item, Outcome("rate_limited", "spool_full"))
            log.warning("spool is full", items=len(items))
            if not endpoint.is_told_to_wait:
                return
            # Loss reports have no category that an SDK would look up; somebody must be told to wait all the same.
            categories = {category_of(spooled.item_type) for _, spooled in items} - {"internal"} or {"error"}
            raise _too_many([RateLimit(60, category, "project", "spool_full") for category in categories]) from error
        except SpoolError as error:
            log.exception("spool cannot be written")
            raise Refusal(503, "The collector cannot keep the envelope at the moment.") from error

    def _refuse(self, project_id: int, item_type: str, item: Item, outcome: Outcome) -> None:
        for category, quantity in quantities(item_type, item.payload, item.header.item_count):
            self._refused[project_id, category, outcome.kind, outcome.reason] += quantity

    async def _flush_outcomes_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_OUTCOMES_S)
            try:
                await self._flush_outcomes()
                if self._measure:
                    with contextlib.suppress(sqlite3.Error):  # the latest answer goes on to hold
                        waiting = await asyncio.to_thread(self._measure)
                        self._pressed = pressure(waiting, self._max_spool_bytes, self._clock.now_us())
            except Exception:  # nobody waits for this task, so its end would go unnoticed
                log.exception("outcomes cannot be handed over; trying again", pause_s=FLUSH_OUTCOMES_S)

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


_MAKES_EVENT: Final = {"event", "transaction", "feedback", "security", "raw_security", "user_report", "minidump"}
_CARRIES_ATTACHMENTS: Final = {"event", "feedback", "transaction"}
_IDENTIFIED: Final = {"event", "feedback", "transaction", "raw_security", "attachment"}
"""What is stored under the id of the event."""


def _kind(item: Item) -> str:
    """The item's type; a crash dump that comes as attachment is what it is."""
    is_dump = item.header.type == "attachment" and item.header.attachment_type == "event.minidump"
    return "minidump" if is_dump else item.header.type


def _units(item: Item) -> int:
    """How much an item uses up of a limit: spans of a container count each, as far as its header tells."""
    return max(1, min(item.header.item_count or 1, len(item.payload))) if item.header.type == "span" else 1


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
        if item.header.type in _CARRIES_ATTACHMENTS:
            with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                return read_event_id(msgspec.json.decode(item.payload, type=_Identified).event_id)
    return None


def _limit(category: str, reason: str, now_us: int) -> RateLimit:
    match reason:
        case "key_minute":
            return RateLimit(seconds_to_next_minute(now_us), category, "key", reason)
        case "project_minute":
            return RateLimit(seconds_to_next_minute(now_us), category, "project", reason)
        case _:
            return RateLimit(PRESSURE_RETRY_S, category, "project", reason)


def _too_many(limits: Iterable[RateLimit]) -> Refusal:
    told = list(limits)
    retry_after_s = max(limit.retry_after_s for limit in told)
    return Refusal(
        429,
        "Too many items; hold back for a while.",
        [
            (b"retry-after", str(retry_after_s).encode()),
            (b"x-sentry-rate-limits", write_rate_limits(told).encode()),
        ],
    )
