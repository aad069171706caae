"""sentry-sdk and our runtime are one per process: each test gets them fresh, with a transport that remembers."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sentry_sdk
import sentry_sdk.scope
from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.transport import Transport

import ukemi.sdk
from ukemi.sdk import runtime

DSN = "https://0123456789abcdef0123456789abcdef@errors.example.org/42"
PII_KEY = "a key for the hashes of these tests"


class Sent:
    """What left the app, and what was counted as lost, instead of a network."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.lost: list[tuple[str, str]] = []

    def transport(self) -> type[Transport]:
        sent = self

        class Remembering(Transport):
            def capture_envelope(self, envelope: Envelope) -> None:
                sent.envelopes.append(envelope)

            def record_lost_event(self, reason, data_category=None, item=None, *, quantity=1) -> None:
                sent.lost.append((reason, item.data_category if item else data_category))

        return Remembering

    def items(self, item_type: str) -> list[Any]:
        found: list[Item] = [item for envelope in self.envelopes for item in envelope.items if item.type == item_type]
        return [json.loads(item.get_bytes()) for item in found]

    def events(self) -> list[dict[str, Any]]:
        return self.items("event")

    def lost_errors(self) -> list[str]:
        """Why errors were lost, one reason for each."""
        return [reason for reason, category in self.lost if category == "error"]

    def event(self) -> dict[str, Any]:
        """The one event that left."""
        [event] = self.events()
        return event

    def everything(self) -> str:
        """Every byte that would go over the wire, but for compression."""
        return b"\n".join(envelope.serialize() for envelope in self.envelopes).decode()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SENTRY_DSN", "SENTRY_ENVIRONMENT", "SENTRY_RELEASE", "UKEMI_PII_KEY"):
        monkeypatch.delenv(name, raising=False)
    _forget()
    yield
    monkeypatch.undo()  # before sentry-sdk is used again: some tests break it
    counter = runtime.current().counter
    if counter:
        counter.end()
    sentry_sdk.get_client().close(timeout=0)
    _forget()


def _forget() -> None:
    sentry_sdk.Scope.get_global_scope().set_client(None)
    for scope in (
        sentry_sdk.Scope.get_global_scope(),
        sentry_sdk.Scope.get_isolation_scope(),
        sentry_sdk.Scope.get_current_scope(),
    ):
        scope.clear()
    sentry_sdk.scope._isolation_scope.set(None)
    sentry_sdk.scope._current_scope.set(None)
    runtime.install(runtime.Runtime())


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def init(sent: Sent) -> Callable[..., ukemi.sdk.Status]:
    """Set tracking up with a transport that remembers and without chance; options as of `ukemi.sdk.init`."""

    def start(app: Any = None, **options: Any) -> ukemi.sdk.Status:
        defaults = {
            "dsn": DSN,
            "release": "shop@1.0",
            "environment": "test",
            "pii_key": PII_KEY,
            "traces_sample_rate": 0.0,
        }
        return ukemi.sdk.init(app, **{**defaults, "transport": sent.transport(), **options})

    return start


class Served:
    """An app as a client sees it: one request after the other, errors of the app come as answers."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://shop.example.org")

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with self.client() as client:
                return await client.request(method, url, **options)

        return asyncio.run(ask())

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def run(self, scope: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Speak ASGI itself: hand the messages in, return what the app sent. Raises what the app raises."""
        waiting, answers = list(messages), []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0)

        async def send(message: dict[str, Any]) -> None:
            answers.append(message)

        asyncio.run(self.app({"asgi": {"version": "3.0"}, **scope}, receive, send))
        return answers

    def live(self) -> list[dict[str, Any]]:
        """Start the app and stop it."""
        return self.run({"type": "lifespan", "state": {}}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})


@pytest.fixture
def serve() -> type[Served]:
    return Served
