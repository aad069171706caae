"""
Clients for soak: they send real and hostile envelopes over real sockets, and keep a ledger of what they were answered.

A small HTTP client of its own, so that the load costs less than what it loads.
"""

import asyncio
import gzip
import json
import random
import threading
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field

ISSUES = 500
SOURCE_LINE = "    total = sum(price(item, currency) for item in basket if item.is_available)"


@dataclass
class Ledger:
    """What became of everything that was sent, as the clients know it."""

    acknowledged: set[str] = field(default_factory=set)
    """Ids of good events that were answered with 200."""
    unknown: set[str] = field(default_factory=set)
    """Ids of good events whose answer never came: stored or not."""
    hostile: set[str] = field(default_factory=set)
    """Ids of odd, but readable events that were answered with 200."""
    hostile_unknown: set[str] = field(default_factory=set)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By kind of envelope and status; 0: the connection broke."""
    repeats: dict[str, int] = field(default_factory=dict)
    """The greatest total of repeats that was acknowledged, by event."""
    repeats_unknown: dict[str, int] = field(default_factory=dict)
    """And the greatest whose answer never came."""
    refused_at: list[float] = field(default_factory=list)
    """When (monotonic) an item of the category error was refused, or accepted and thrown away: counted in memory first."""

    def of(self, *kinds: str, status: int) -> int:
        return sum(self.answers[kind, status] for kind in kinds)


@dataclass
class Envelope:
    kind: str
    body: bytes
    event_id: str = ""
    key: str = ""
    headers: str = ""
    quantity: int = 0


class Load:
    """Sends until `count` good events are acknowledged, or `minutes` are over; in a thread of its own."""

    CONNECTIONS = 16

    def __init__(self, host: str, port: int, project: str, key: str, count: int, minutes: float, seed: int) -> None:
        self.ledger = Ledger()
        self.is_held = False
        """While True nothing is sent."""
        self.host, self.port, self.project, self.key, self.count = host, port, project, key, count
        self._until_s = time.monotonic() + minutes * 60
        self._random = random.Random(seed)
        self._recent: deque[tuple[str, bytes]] = deque(maxlen=200)
        self._repeats: Counter[str] = Counter()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def start(self) -> None:
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return len(self.ledger.acknowledged) >= self.count or time.monotonic() > self._until_s

    def join(self) -> None:
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self.CONNECTIONS)))

    async def _client(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self.is_done:
            if self.is_held:
                await asyncio.sleep(0.2)
                continue
            envelope = self._next()
            try:
                if connection is None:
                    async with asyncio.timeout(5):
                        connection = await asyncio.open_connection(self.host, self.port)
            except OSError:  # nobody listens while the supervisor is away: nothing was sent
                self.ledger.answers["no_connection", 0] += 1
                await asyncio.sleep(0.05)
                continue
            status, stays = 0, False
            try:
                async with asyncio.timeout(30):
                    status, stays = await self._post(*connection, envelope)
            except (OSError, asyncio.IncompleteReadError, ValueError, IndexError):
                pass
            self._note(envelope, status)
            if not stays:
                connection[1].close()
                connection = None
            if status in (429, 503):
                await asyncio.sleep(0.2)
        if connection is not None:
            connection[1].close()

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, envelope: Envelope
    ) -> tuple[int, bool]:
        head = (
            f"POST /api/{self.project}/envelope/?sentry_key={envelope.key or self.key} HTTP/1.1\r\n"
            f"host: soak\r\ncontent-length: {len(envelope.body)}\r\n{envelope.headers}\r\n"
        )
        writer.write(head.encode() + envelope.body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers.get("connection") != "close"

    def _note(self, envelope: Envelope, status: int) -> None:
        ledger = self.ledger
        ledger.answers[envelope.kind, status] += 1
        if envelope.kind == "event" and status == 200:
            ledger.acknowledged.add(envelope.event_id)
            ledger.unknown.discard(envelope.event_id)
            self._recent.append((envelope.event_id, envelope.body))
        elif envelope.kind == "event" and status == 0:
            ledger.unknown.add(envelope.event_id)
        elif envelope.kind == "hostile" and status in (0, 200):
            (ledger.hostile if status else ledger.hostile_unknown).add(envelope.event_id)
        elif envelope.kind == "repeats" and status in (0, 200):
            told = ledger.repeats if status else ledger.repeats_unknown
            told[envelope.event_id] = max(told.get(envelope.event_id, 0), envelope.quantity)
        if (envelope.kind in ERROR_ITEMS and status in (429, 503)) or (envelope.kind == "too_large" and status == 200):
            ledger.refused_at.append(time.monotonic())

    def _next(self) -> Envelope:
        choose = self._random
        kind = choose.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if kind in ("duplicate", "repeats") and not self._recent:
            kind = "event"
        event_id = uuid.UUID(int=choose.getrandbits(128)).hex
        match kind:
            case "event":
                return Envelope(kind, _event_envelope(event_id, _event(choose, event_id)), event_id)
            case "duplicate":
                event_id, body = choose.choice(self._recent)
                return Envelope(kind, body, event_id)
            case "repeats":
                event_id, _ = choose.choice(self._recent)
                count = self._repeats[event_id] + choose.randrange(1, 50)  # a total, and so is what was told before
                item = {
                    "version": 1,
                    "repeats": [{"event_id": event_id, "count": count, "told": self._repeats[event_id]}],
                }
                self._repeats[event_id] = count
                body = _envelope({}, {"type": "ukemi_repeats"}, json.dumps(item).encode())
                return Envelope(kind, body, event_id, quantity=count)
            case "broken":
                payload = choose.choice(_BROKEN)
                return Envelope(kind, _envelope({"event_id": event_id}, {"type": "event"}, payload), event_id)
            case "hostile":
                payload = choose.choice(_HOSTILE).replace(b"EVENT_ID", event_id.encode())
                return Envelope(kind, _envelope({"event_id": event_id}, {"type": "event"}, payload), event_id)
            case "too_large":
                payload = json.dumps({"event_id": event_id, "message": "x" * (1 << 20)}).encode()
                body = gzip.compress(_envelope({"event_id": event_id}, {"type": "event"}, payload), 1)
                return Envelope(kind, body, event_id, headers="content-encoding: gzip\r\n")
            case "unknown_type":
                return Envelope(kind, _envelope({}, {"type": "nonsense"}, b"{}"))
            case "garbage":
                return Envelope(kind, choose.randbytes(choose.randrange(1, 3000)))
            case "bomb":
                return Envelope(kind, _BOMB, headers="content-encoding: gzip\r\n")
            case "wrong_key":
                return Envelope(kind, _event_envelope(event_id, _event(choose, event_id)), key="0" * 32)
            case _:
                raise AssertionError(kind)


ERROR_ITEMS = ("event", "duplicate", "broken", "hostile", "too_large")
"""Kinds whose one item counts under `error`."""
_WEIGHTS = {
    "event": 900,
    "duplicate": 30,
    "repeats": 15,
    "broken": 12,
    "hostile": 20,
    "too_large": 1,
    "unknown_type": 5,
    "garbage": 10,
    "bomb": 1,
    "wrong_key": 6,
}


def _envelope(head: dict[str, str], item: dict[str, object], payload: bytes) -> bytes:
    lines = [json.dumps(head).encode(), json.dumps({**item, "length": len(payload)}).encode(), payload, b""]
    return b"\n".join(lines)


def _event_envelope(event_id: str, event: dict[str, object]) -> bytes:
    return _envelope({"event_id": event_id}, {"type": "event"}, json.dumps(event).encode())


def _event(choose: random.Random, event_id: str) -> dict[str, object]:
    """A small Python error of one of ISSUES problems, some of them common."""
    issue = min(int(choose.expovariate(8 / ISSUES)), ISSUES - 1)
    frames = [
        {
            "module": f"shop.part_{issue}_{depth}",
            "function": f"step_{depth}",
            "filename": f"shop/part_{issue}.py",
            "lineno": 10 + depth,
            "context_line": SOURCE_LINE,
            "vars": {"basket": f"<Basket {choose.randrange(10**6)}>", "password": "correct horse"},
            "in_app": True,
        }
        for depth in range(3)
    ]
    error = {"type": f"Problem{issue}", "value": f"order {choose.randrange(10**6)}", "stacktrace": {"frames": frames}}
    return {
        "event_id": event_id,
        "platform": "python",
        "level": choose.choice(["error", "error", "warning"]),
        "environment": choose.choice(["production", "staging"]),
        "release": f"shop@1.{choose.randrange(5)}",
        "transaction": f"/orders/{issue % 20}",
        "user": {"id": str(choose.randrange(2000))},
        "tags": {"domain": choose.choice(["payment", "auth", "search"])},
        "exception": {"values": [error]},
    }


_BROKEN = [b"{", b"[]", b'"text"', b"\xff\xfe", b'{"message": "cut of', b"null", b"{" * 5000, b'{"a":' * 3000 + b"1"]
_HOSTILE = [
    b'{"event_id":"EVENT_ID","message":"nul \\u0000 and \\ud800 alone"}',
    b'{"event_id":"EVENT_ID","message":{"formatted":["not","text"]},"level":17,"tags":[[1],[2,3,4]],"user":"bob"}',
    b'{"event_id":"EVENT_ID","timestamp":1e999,"exception":{"values":[null,7,{"type":[]}]}}',
    b'{"event_id":"EVENT_ID","timestamp":"9999-99-99","breadcrumbs":"no","request":[],"contexts":{"":null}}',
    b'{"event_id":"EVENT_ID","tags":{' + b",".join(b'"k%d":"%s"' % (n, b"v" * 300) for n in range(500)) + b"}}",
    b'{"event_id":"EVENT_ID","fingerprint":["' + b"f" * 9000 + b'"],"message":"<script>alert(1)</script>"}',
    b'{"event_id":"EVENT_ID","extra":' + b'{"a":' * 80 + b"1" + b"}" * 80 + b"}",
    b'{"event_id":"EVENT_ID","environment":"' + b"e" * 5000 + b'","release":"\\u0000\\n","transaction":"\\ud83d"}',
    b'{"event_id":"EVENT_ID","user":{"id":{"$ne":1},"email":"a@b.example","ip_address":"{{auto}}"}}',
]
_BOMB = gzip.compress(b"\0" * (60 << 20), 9)
