"""The ingest endpoint over a real socket: who may send, what is refused and how, and what lies on disk when it says 200."""

import asyncio
import base64
import gzip
import json
import secrets
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import brotli
import httpx
import pytest
import zstandard

from tests.contract.running_ingest import RunningIngest
from ukemi.collector.ingest.app import MAX_PASSED_OVER
from ukemi.collector.ingest.keys import CachedKeys, Key, StoredKeys
from ukemi.collector.spool.item import Lane
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.store import projects
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import StoreError, Unreachable
from ukemi.collector.store.projects import Project
from ukemi.protocol.compression import Decoder
from ukemi.protocol.errors import TooLarge
from ukemi.protocol.vocabulary import REQUEST_COUNTS_ITEM

EVENT_ID = "fc6d8c0c43fc4630ad850ee518f1b9d0"
LIMIT = 1 << 20


@pytest.fixture
def database_kind() -> str:
    """Ingest only looks keys up, which test_store does on both databases."""
    return "sqlite"


def envelope(*items: tuple[str, bytes], **header: object) -> bytes:
    """An envelope of (type, payload)."""
    lines = [json.dumps(header).encode()]
    for kind, payload in items:
        lines += [json.dumps({"type": kind, "length": len(payload)}).encode(), payload]
    return b"\n".join(lines) + b"\n"


EVENT = envelope(("event", b'{"message":"x"}'), event_id=EVENT_ID)


def auth(key: str) -> dict[str, str]:
    return {"X_Sentry_Auth": f"Sentry sentry_version=7, sentry_client=test/1.0, sentry_key={key}"}


# --- who may send -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "dsn"),
    [
        ("/api/1/envelope/", {"X-Sentry-Auth": "Sentry sentry_version=7, sentry_key=KEY"}, None),
        ("/api/1/envelope/", {"x-sentry-auth": "sentry sentry_key=KEY,sentry_client=raven/1"}, None),
        ("/api/1/envelope/", {"Authorization": "Sentry sentry_key=KEY, sentry_version=7"}, None),
        ("/api/1/envelope/", {"Authorization": "Basic " + base64.b64encode(b"KEY:").decode()}, None),
        ("/api/1/envelope/?sentry_key=KEY&sentry_version=7", {}, None),
        ("/api/1/envelope/", {}, "https://KEY@errors.example.org/1"),
        ("/api/1/envelope/?sentry_key=KEY", {"X-Sentry-Auth": "Sentry sentry_key=KEY"}, "http://KEY@host/1"),
        ("/api/1/envelope", {"X-Sentry-Auth": "Sentry sentry_key=KEY"}, None),
        ("/api//1//envelope/", {"X-Sentry-Auth": "Sentry sentry_key=KEY"}, None),
    ],
)
def test_a_key_is_understood_in_every_form(
    ingest: RunningIngest, key: str, path: str, headers: dict[str, str], dsn: str | None
) -> None:
    """SDKs differ in where they put it, and several places may agree."""
    if "Basic" in headers.get("Authorization", ""):
        headers = {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
    headers = {name: value.replace("KEY", key) for name, value in headers.items()}
    header = {"event_id": EVENT_ID} | ({"dsn": dsn.replace("KEY", key)} if dsn else {})
    body = envelope(("event", b"{}"), **header)
    answer = ingest.client.post(path.replace("KEY", key), content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"id": EVENT_ID})
    assert ingest.spooled("project_id", "event_id", "key_kind") == [(1, EVENT_ID, "server")]


@pytest.fixture
def forbidden_keys(database: Database, project: Project, key: str, now_us: int) -> dict[str, str]:
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 90, 30)
        disabled = projects.create_key(tx, project.id, "server", now_us).public_key
        projects.disable_key(tx, project.id, disabled)
        foreign = projects.create_key(tx, other.id, "server", now_us).public_key
    return {"unknown": "0" * 32, "disabled": disabled, "of another project": foreign}


@pytest.mark.parametrize("which", ["unknown", "disabled", "of another project"])
def test_a_wrong_key_is_refused_and_told_why(
    ingest: RunningIngest, forbidden_keys: dict[str, str], key: str, which: str
) -> None:
    """Before the body is read: a stranger must not make us decompress."""
    answer = ingest.post(b"\x1f\x8b garbage", content_encoding="gzip", **auth(forbidden_keys[which]))
    assert answer.status_code == 403
    assert "key" in answer.headers["x-sentry-error"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert ingest.spooled("position") == []
    assert ingest.post(EVENT, **auth(key)).status_code == 200


@pytest.mark.parametrize("which", ["unknown", "disabled", "of another project"])
def test_a_wrong_key_in_the_envelope_is_refused_too(
    ingest: RunningIngest, forbidden_keys: dict[str, str], which: str
) -> None:
    body = envelope(("event", b"{}"), dsn=f"http://{forbidden_keys[which]}@host/1")
    assert ingest.post(body).status_code == 403
    assert ingest.spooled("position") == []


def test_an_envelope_for_another_project_is_refused(ingest: RunningIngest, key: str) -> None:
    """Its DSN names project 2, though the key is one of project 1."""
    answer = ingest.post(envelope(("event", b"{}"), dsn=f"http://{key}@host/2"), **auth(key))
    assert 400 <= answer.status_code < 404
    assert ingest.spooled("position") == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Sentry-Auth": "Sentry"},
        {"X-Sentry-Auth": "Sentry sentry_key=../../etc"},
        {"X-Sentry-Auth": "Sentry sentry_key=" + "a" * 32, "Authorization": "Sentry sentry_key=" + "b" * 32},
        {"Authorization": "Basic !!!"},
    ],
    ids=["no key", "empty", "malformed", "two that differ", "broken base64"],
)
def test_without_a_usable_key_the_answer_is_401(ingest: RunningIngest, headers: dict[str, str]) -> None:
    answer = ingest.client.post("/api/1/envelope/", content=EVENT, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["x-sentry-error"]


def test_a_browser_may_ask_first(ingest: RunningIngest) -> None:
    """A preflight carries no key, and must allow the headers that browser SDKs send."""
    answer = ingest.client.options(
        "/api/1/envelope/",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-sentry-auth, content-encoding",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"x-sentry-auth", "content-type", "content-encoding", "sentry-trace", "baggage"} <= set(allowed)


def test_a_page_may_read_the_answer(ingest: RunningIngest, browser_key: str) -> None:
    """Without these headers a browser SDK would never learn of a rate limit."""
    answer = ingest.post(EVENT, Origin="https://shop.example", **auth(browser_key))
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-sentry-error", "x-sentry-rate-limits", "retry-after"} <= set(exposed)


def test_other_paths_and_methods_are_no_endpoint(ingest: RunningIngest) -> None:
    assert ingest.client.post("/api/1/playstation/", content=b"x").status_code == 404
    assert ingest.client.post("/api/../etc/passwd", content=b"x").status_code == 404
    answer = ingest.client.get("/api/1/envelope/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_acknowledged_is_committed(ingest: RunningIngest, key: str, now_us: int) -> None:
    """Another process finds the row at once, as raw as it came."""
    items = [("event", b'{"message":"\xff raw"}'), ("client_report", b'{"discarded_events":[]}')]
    answer = ingest.post(envelope(*items, event_id=EVENT_ID, sent_at="2026-01-01T00:00:00Z"), **auth(key))
    assert answer.status_code == 200
    assert ingest.spooled("item_type", "lane", "received_us", "payload") == [
        ("event", 1, now_us, items[0][1]),
        ("client_report", 0, now_us, items[1][1]),
    ]
    ((context,),) = ingest.spooled("context")[:1]
    assert json.loads(context)["client_ip"] == "127.0.0.1"
    assert json.loads(context)["sent_at"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_every_encoding_of_sdks_is_understood(
    ingest: RunningIngest, key: str, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    assert ingest.post(encode(EVENT), content_encoding=encoding, **auth(key)).status_code == 200
    assert ingest.spooled("payload") == [(b'{"message":"x"}',)]


@pytest.mark.parametrize(
    ("header_id", "payload", "expected"),
    [
        (EVENT_ID, b"{}", EVENT_ID),
        ("fc6d8c0c-43fc-4630-ad85-0ee518f1b9d0", b"{}", EVENT_ID),
        (None, b'{"event_id":"' + EVENT_ID.encode() + b'"}', EVENT_ID),
        ("../../etc/passwd", b"{}", None),
        (7, b'{"event_id":{}}', None),
    ],
)
def test_an_event_has_one_id_for_client_and_collector(
    ingest: RunningIngest, key: str, header_id: object, payload: bytes, expected: str | None
) -> None:
    """What is no UUID is replaced by a new one."""
    answer = ingest.post(envelope(("event", payload), event_id=header_id), **auth(key))
    ((stored,),) = ingest.spooled("event_id")
    assert answer.json() == {"id": stored}
    assert stored == (expected or stored)
    assert len(bytes.fromhex(stored)) == 16


@pytest.mark.parametrize(
    "encode",
    [bytes, lambda body: base64.b64encode(zlib.compress(body))],
    ids=["json", "base64 of deflate"],
)
def test_the_legacy_endpoint_takes_one_event(ingest: RunningIngest, key: str, encode: Callable[[bytes], bytes]) -> None:
    event = b'{"event_id":"' + EVENT_ID.encode() + b'","message":"x"}'
    answer = ingest.post(encode(event), "/api/1/store/", **auth(key))
    assert (answer.status_code, answer.json()) == (200, {"id": EVENT_ID})
    assert ingest.spooled("item_type", "event_id", "payload") == [("event", EVENT_ID, event)]


def test_the_legacy_endpoint_finds_the_project_by_the_key(ingest: RunningIngest, key: str) -> None:
    assert ingest.post(b'{"message":"x"}', "/api/store/", **auth(key)).status_code == 200
    assert ingest.spooled("project_id") == [(1,)]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"garbage", ""),
        (b"[1]\n", ""),
        (b"{}\nno header\n{}", ""),
        (b'{}\n{"type":"event","length":99}\n{}', ""),
        (b'{}\n{"type":"event","length":-1}\n{}', ""),
        (b'{}\n{"type":7}\n{}', ""),
        (b"{" * 100_000, ""),
        (b'{}\n{"type":"event"}\n{}\n' + b'{"type":"event","length":0}\n\n' * 1001, ""),
        (b"not gzip", "gzip"),
        (gzip.compress(EVENT, mtime=0)[:-9], "gzip"),
        (zlib.compress(EVENT)[:-5], "deflate"),
        (brotli.compress(EVENT)[:-2], "br"),
        (zstandard.ZstdCompressor().compress(EVENT)[:-2], "zstd"),
        (EVENT, "rot13"),
        (b"", "gzip"),
    ],
)
def test_garbage_is_refused_with_400(ingest: RunningIngest, key: str, body: bytes, encoding: str) -> None:
    answer = ingest.post(body, content_encoding=encoding, **auth(key))
    assert answer.status_code == 400
    assert answer.json()["detail"] == answer.headers["x-sentry-error"]
    assert ingest.spooled("position") == []
    assert ingest.post(EVENT, **auth(key)).status_code == 200


@pytest.mark.parametrize("body", [b"garbage", b"", base64.b64encode(b"no deflate"), b"\xff" * 100])
def test_garbage_on_the_legacy_endpoint_is_refused_with_400(ingest: RunningIngest, key: str, body: bytes) -> None:
    answer = ingest.post(body, "/api/1/store/", **auth(key))
    assert answer.status_code == 400
    assert ingest.spooled("position") == []


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """100 MB of zeros, by encoding."""
    zeros = bytes(100 << 20)
    packed = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    return {
        "gzip": packed.compress(zeros) + packed.flush(),
        "deflate": zlib.compress(zeros, 1),
        "br": brotli.compress(zeros, quality=1),
        "zstd": zstandard.ZstdCompressor(level=1).compress(zeros),
    }


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_refused_and_the_next_envelope_taken(
    ingest: RunningIngest, key: str, bombs: dict[str, bytes], encoding: str
) -> None:
    assert ingest.post(bombs[encoding], content_encoding=encoding, **auth(key)).status_code == 413
    assert ingest.spooled("position") == []
    assert ingest.post(EVENT, **auth(key)).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_of_a_bomb_only_little_more_than_the_limit_is_decoded(bombs: dict[str, bytes], encoding: str) -> None:
    decoder = Decoder(encoding, LIMIT)
    with pytest.raises(TooLarge):
        decoder.feed(bombs[encoding])
    assert decoder.decoded_bytes <= LIMIT + (2 << 20)


def test_the_rest_of_a_refused_body_is_passed_over_but_not_without_end(
    ingest: RunningIngest, key: str, bombs: dict[str, bytes]
) -> None:
    """So much is taken that an honest client gets to read the answer. Without a socket, each piece can be counted."""
    piece = bytes(1 << 20)
    taken = []

    async def pieces() -> AsyncIterator[bytes]:
        yield bombs["gzip"]
        while True:
            taken.append(len(piece))
            yield piece

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(ingest.app)
        headers = {"X-Sentry-Auth": f"Sentry sentry_key={key}", "Content-Encoding": "gzip"}
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest", headers=headers) as client:
            return await client.post("/api/1/envelope/", content=pieces())

    answer = asyncio.run(send())
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert sum(taken) <= MAX_PASSED_OVER + len(piece)


def test_a_body_beyond_the_limit_is_refused(ingest: RunningIngest, key: str) -> None:
    answer = ingest.post(envelope(("attachment", bytes(LIMIT))), **auth(key))
    assert answer.status_code == 413
    assert ingest.post(EVENT, **auth(key)).status_code == 200


def test_a_bomb_on_the_legacy_endpoint_is_refused(ingest: RunningIngest, key: str) -> None:
    """The limit holds for what base64 and deflate hide as well."""
    hidden = base64.b64encode(zlib.compress(b'{"message":"' + b" " * (2 * LIMIT) + b'"}'))
    assert ingest.post(hidden, "/api/1/store/", **auth(key)).status_code == 413
    assert ingest.spooled("position") == []


def test_an_item_beyond_its_limit_costs_only_itself(start_ingest: Callable[..., RunningIngest], key: str) -> None:
    ingest = start_ingest(max_item_bytes=1000)
    body = envelope(("event", b'{"m":"' + b"x" * 1000 + b'"}'), ("client_report", b"{}"))
    assert ingest.post(body, **auth(key)).status_code == 200
    assert ingest.spooled("item_type") == [("client_report",)]
    assert ingest.outcomes() == {("error", "invalid", "too_large"): 1}


def test_a_browser_key_cannot_send_request_counts(ingest: RunningIngest, browser_key: str) -> None:
    """It is public, so alerts on a service must not stand on what comes with it."""
    body = envelope((REQUEST_COUNTS_ITEM, b"{}"), ("sessions", b"{}"), ("event", b"{}"), event_id=EVENT_ID)
    assert ingest.post(body, **auth(browser_key)).status_code == 200
    assert ingest.spooled("item_type", "key_kind") == [("sessions", "browser"), ("event", "browser")]
    assert ingest.outcomes() == {("internal", "invalid", "browser_key"): 1}


def test_items_that_are_not_kept_are_counted(ingest: RunningIngest, key: str) -> None:
    """Unknown types share one reason, so that a stranger cannot invent metric labels."""
    log = b'{"items":[{"body":"a"},{"body":"b"}]}'
    items = [("statsd", b"x"), ("made up", b"x"), ("any", b"x"), ("log", log), ("attachment", b"12345")]
    answer = ingest.post(envelope(*items), **auth(key))
    assert answer.status_code == 200
    assert ingest.spooled("position") == []
    assert ingest.outcomes() == {
        ("default", "invalid", "unknown_type"): 2,
        ("metric_bucket", "not_kept", "statsd"): 1,
        ("log_item", "not_kept", "log"): 2,
        ("log_byte", "not_kept", "log"): len(log),
        ("attachment", "invalid", "no_event"): 5,
        ("attachment_item", "invalid", "no_event"): 1,
    }


def test_beyond_the_limit_of_a_minute_events_are_refused_and_the_sdk_told_to_hold_back(
    start_ingest: Callable[..., RunningIngest], key: str
) -> None:
    """The header names the category: an empty list would silence loss reports, too."""
    ingest = start_ingest(events_per_minute=2)
    answers = [ingest.post(EVENT, **auth(key)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[2].headers["x-sentry-rate-limits"] == "60:error:project:project_minute"
    assert answers[2].headers["retry-after"] == "60"
    assert len(ingest.spooled("position")) == 2
    assert ingest.outcomes() == {("error", "rate_limited", "project_minute"): 2}


def test_a_limited_event_does_not_cost_the_loss_report_beside_it(
    start_ingest: Callable[..., RunningIngest], key: str
) -> None:
    ingest = start_ingest(events_per_minute=1)
    ingest.post(EVENT, **auth(key))
    answer = ingest.post(envelope(("event", b"{}"), ("client_report", b"{}")), **auth(key))
    assert answer.status_code == 429
    assert ingest.spooled("item_type") == [("event",), ("client_report",)]


def test_a_full_spool_refuses_until_digest_has_made_room(
    start_ingest: Callable[..., RunningIngest], key: str, spool_path: Path
) -> None:
    ingest = start_ingest(max_spool_bytes=200_000)
    big = envelope(("event", json.dumps({"m": secrets.token_hex(150_000)}).encode()))
    answers = [ingest.post(big, **auth(key)) for _ in range(4)]
    codes = [answer.status_code for answer in answers]
    kept = codes.count(200)
    assert codes == [200] * kept + [429] * (4 - kept)
    assert 0 < kept < 4
    assert answers[-1].headers["x-sentry-rate-limits"] == "60:error:project:spool_full"
    assert ingest.spooled("item_type") == [("event",)] * kept
    reader = SpoolReader(spool_path)
    reader.trim(Lane.EVENTS, kept)
    reader.close()
    assert ingest.post(EVENT, **auth(key)).status_code == 200
    assert ingest.outcomes() == {("error", "rate_limited", "spool_full"): 4 - kept}


def test_the_app_answers_as_ever_after_all_that_strangers_tried(
    ingest: RunningIngest, key: str, bombs: dict[str, bytes]
) -> None:
    tried = [
        ingest.post(EVENT),
        ingest.post(b"garbage", **auth(key)),
        ingest.post(EVENT, **auth("0" * 32)),
        *(ingest.post(bomb, content_encoding=encoding, **auth(key)) for encoding, bomb in bombs.items()),
        ingest.post(EVENT[:-9], **auth(key)),
        ingest.client.get("/"),
    ]
    assert [answer.status_code for answer in tried] == [401, 400, 403, 413, 413, 413, 413, 400, 404]
    answer = ingest.post(EVENT, **auth(key))
    assert (answer.status_code, answer.json()) == (200, {"id": EVENT_ID})
    assert ingest.spooled("event_id") == [(EVENT_ID,)]


def test_known_keys_go_on_working_while_the_database_is_away() -> None:
    """SDKs never retry a 5xx, and the spool takes envelopes without the database."""
    key = Key(1, "a" * 32, "server", is_enabled=True)

    class Source:
        is_away = False

        def lookup(self, public_key: str) -> Key | None:
            if self.is_away:
                raise Unreachable("gone")
            return key if public_key == key.public_key else None

    source = Source()
    keys = CachedKeys(source, ttl_s=0.0)
    assert asyncio.run(keys.lookup(key.public_key)) == key
    source.is_away = True
    assert asyncio.run(keys.lookup(key.public_key)) == key
    with pytest.raises(StoreError):
        asyncio.run(keys.lookup("b" * 32))
    source.is_away = False
    assert asyncio.run(keys.lookup("b" * 32)) is None


def test_a_key_is_looked_up_once_however_many_requests_bring_it() -> None:
    """Else all that come while a key's time is over ask at once, each in a thread of its own."""
    asked = []

    class Source:
        def lookup(self, public_key: str) -> Key | None:
            asked.append(public_key)
            time.sleep(0.05)
            return Key(len(asked), public_key, "server", is_enabled=True)

    async def look_up_many(keys: CachedKeys) -> set[int]:
        first = asyncio.create_task(keys.lookup("a" * 32))
        await asyncio.sleep(0)
        others = [asyncio.create_task(keys.lookup("a" * 32)) for _ in range(50)]
        await asyncio.sleep(0)
        first.cancel()  # the client went away; the others still want to know
        return {key.project_id for key in await asyncio.gather(*others) if key}

    assert asyncio.run(look_up_many(CachedKeys(Source()))) == {1}
    assert len(asked) == 1


def test_a_key_in_use_is_looked_up_again_before_anybody_has_to_wait() -> None:
    asked: list[str] = []
    now_s = [0.0]
    may_answer = threading.Event()
    may_answer.set()

    class Source:
        def lookup(self, public_key: str) -> Key | None:
            asked.append(public_key)
            assert may_answer.wait(10)
            return Key(len(asked), public_key, "server", is_enabled=True)

    async def use() -> list[int | None]:
        keys = CachedKeys(Source(), ttl_s=2.0, now_s=lambda: now_s[0])
        seen = [await keys.lookup("a" * 32)]
        may_answer.clear()
        now_s[0] = 1.5
        seen.append(await asyncio.wait_for(keys.lookup("a" * 32), 5))
        may_answer.set()
        now_s[0] = 2.0
        seen.append(await keys.lookup("a" * 32))
        return [key and key.project_id for key in seen]

    assert asyncio.run(use()) == [1, 1, 2]
    assert len(asked) == 2


def test_a_key_that_cannot_be_looked_up_is_a_503(
    start_ingest: Callable[..., RunningIngest], monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = start_ingest()

    def away(_self: StoredKeys, _key: str) -> Key | None:
        raise Unreachable("gone")

    monkeypatch.setattr(StoredKeys, "lookup", away)
    answer = ingest.post(b"{}\n", f"/api/1/envelope/?sentry_key={'a' * 32}")
    assert answer.status_code == 503
    assert "client key" in answer.json()["detail"]
