"""How large are the envelopes of real SDKs that the collector's benchmarks send, and what are they made of?"""

import asyncio
import gzip
import json
import random
import re
import statistics
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import sentry_sdk
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

SEED = 7
DISTINCT = 120
"""So many failures are really caused and captured; what is sent are copies of them with ids and instants of their own."""
FIRST_MEMBER = 100_000
GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
LARGE_SHARE = 0.53
_MEMBER = re.compile(rb"1000\d\d|1001[01]\d")
"""A number of `_cause_errors`, wherever it came to stand: replaced by another in each copy."""
Mix = Literal["mix", "large"]


class Member(BaseModel):
    id: int
    name: str
    email: str
    tier: str
    belts: list[str]


class Order(BaseModel):
    member: Member
    lines: list[dict[str, Any]]
    currency: str
    note: str


class _Recorder(Transport):
    """Keeps the events that the SDK would send, as it would write them."""

    def __init__(self) -> None:
        super().__init__({})
        self.events: list[bytes] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events += [item.get_bytes() for item in envelope.items if item.type == "event"]


def envelopes(mix: Mix, count: int) -> list[bytes]:
    """
    Gzipped envelopes of one event each; ids, users and what follows from them differ in all of them.

    Args:
        mix: `large`: errors of a FastAPI app alone, mean about 45 KB; `mix`: with messages and errors of Node and
            browsers among them, mean about 29 KB.
    """
    generator = random.Random(SEED)
    large, small = _python_errors(), _small_events()
    share = 1.0 if mix == "large" else LARGE_SHARE
    return [
        _envelope(generator.choice(large if generator.random() < share else small), generator) for _ in range(count)
    ]


def _envelope(event: bytes, generator: random.Random) -> bytes:
    event = _MEMBER.sub(str(generator.randrange(200_000, 999_999)).encode(), event)
    tree = json.loads(event)
    tree["event_id"] = event_id = uuid.UUID(int=generator.getrandbits(128)).hex
    tree.setdefault("user", {})["id"] = str(generator.randrange(5000))
    payload = json.dumps(tree, separators=(",", ":")).encode()
    head = json.dumps({"event_id": event_id, "sdk": {"name": "sentry.python", "version": sentry_sdk.VERSION}}).encode()
    item = json.dumps({"type": "event", "length": len(payload), "content_type": "application/json"}).encode()
    return gzip.compress(b"\n".join([head, item, payload, b""]), 6)


def _python_errors() -> list[bytes]:
    """Errors of an ordinary FastAPI app, caused by real requests and captured by the SDK's own integrations."""
    recorder = _Recorder()
    sentry_sdk.init(
        dsn="http://0123456789abcdef0123456789abcdef@127.0.0.1:1/1",
        transport=recorder,
        environment="production",
        release="shop@1.4.2",
        traces_sample_rate=0,
        shutdown_timeout=0,
    )
    asyncio.run(_cause_errors())
    sentry_sdk.init()  # nobody else's errors are recorded
    return recorder.events


async def _cause_errors() -> None:
    generator = random.Random(SEED)
    transport = httpx.ASGITransport(_shop(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        for number in range(DISTINCT):
            member = str(FIRST_MEMBER + number)
            order = {
                "member": {
                    "id": int(member),
                    "name": f"Member {member}",
                    "email": f"m{member}@example.org",
                    "tier": "gold",
                    "belts": ["white", "blue"],
                },
                "lines": [
                    {"sku": f"GI-{generator.randrange(900)}", "count": 2, "price": generator.random() * 90}
                    for _ in range(2)
                ],
                "currency": "usd",
                "note": " ".join(generator.choices(_WORDS, k=5)),
            }
            headers = {
                "X-Request-Id": f"{generator.getrandbits(64):x}",
                "User-Agent": generator.choice(_AGENTS),
                "Authorization": f"Bearer {generator.getrandbits(256):x}",
            }
            route = ("orders", "quotes", "invoices", "members")[number % 4]
            await client.post(f"/{route}?page={number}", json=order, headers=headers)


def _shop() -> FastAPI:
    app = FastAPI()
    stock = {f"GI-{number}": number * 3 for number in range(500)}

    async def member_of(order: Order, authorization: Annotated[str, Header()]) -> Member:
        if not authorization:
            raise HTTPException(401)
        return order.member

    def price(line: dict[str, Any], currency: str, depth: int) -> float:
        rates = {"eur": 1.0, "usd": 1.1}
        if depth:
            return price(line, currency, depth - 1)
        return float(line["price"]) * rates[currency] * line["count"] / (stock.get(line["sku"], 0) * 0)

    def check(order: Order, member: Member) -> list[float]:
        notes = {word: order.note.count(word) for word in order.note.split()}
        return [price(line, order.currency, len(notes) % 2) for line in order.lines]

    @app.post("/orders")
    async def orders(order: Order, member: Annotated[Member, Depends(member_of)]) -> list[float]:
        return check(order, member)

    @app.post("/quotes")
    def quotes(order: Order, member: Annotated[Member, Depends(member_of)]) -> float:
        return sum(check(order, member))

    @app.post("/invoices")
    async def invoices(order: Order, page: int) -> dict[str, Any]:
        numbers = {line["sku"]: line for line in order.lines}
        try:
            return numbers[f"SKU-{page}"]
        except KeyError as error:
            raise RuntimeError(f"invoice {page} has no line for {order.member.name}") from error

    @app.post("/members")
    async def members(order: Order) -> str:
        belts = order.member.belts
        return belts[len(order.lines) + 7]

    return app


def _small_events() -> list[bytes]:
    """Events of Node, of browsers, and messages, as their SDKs sent them."""
    found = []
    for path in sorted(GOLDEN.glob("*.envelope")):
        if path.name.startswith("python-2.75.0-fastapi"):
            continue
        body = path.read_bytes()
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        found += [item.get_bytes() for item in Envelope.deserialize(body).items if item.type == "event"]
    return found


_WORDS = "the gi was sent back since its belt is too long and the club wants another colour before the next grading in spring".split()
_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
]


def main() -> None:
    print(f"{'':8} {'mean':>9} {'median':>9} {'largest':>9} {'gzipped':>9}   bytes of JSON")
    mixes: list[Mix] = ["mix", "large"]
    for mix in mixes:
        bodies = envelopes(mix, 500)
        sizes = [len(gzip.decompress(body)) for body in bodies]
        print(
            f"{mix:8} {statistics.mean(sizes):9.0f} {statistics.median(sizes):9.0f} {max(sizes):9} {statistics.mean(map(len, bodies)):9.0f}"
        )


if __name__ == "__main__":
    main()
