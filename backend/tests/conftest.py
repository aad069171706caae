"""The backend in this process with a transport that remembers, and, for the integration tests, a real collector."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

import ukemi.sdk
from backend import config, database
from ukemi.sdk import runtime


class Sent(Transport):
    """What left the app, instead of a network."""

    envelopes: list[Envelope] = []  # noqa: RUF012 - one for each test, see the fixture

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @classmethod
    def events(cls) -> list[dict[str, Any]]:
        items = [item for envelope in cls.envelopes for item in envelope.items]
        return [item.payload.json for item in items if item.type == "event" and item.payload.json is not None]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Settings of a test of its own; change further ones with `settings.setenv`, before `app` is made."""
    for name in ("SENTRY_ENVIRONMENT", "SENTRY_TRACES_SAMPLE_RATE", "SENTRY_BROWSER_DSN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_ENV", "testing")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'wwmaa.db'}")
    monkeypatch.setenv("SENTRY_DSN", "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1")
    monkeypatch.setenv("SENTRY_RELEASE", "wwmaa-backend@1.0.0")
    monkeypatch.setenv("SENTRY_PROFILES_SAMPLE_RATE", "0")
    _forget()
    yield monkeypatch
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
    runtime.install(runtime.Runtime())
    database.engine().dispose()
    _forget()


def _forget() -> None:
    config.get_settings.cache_clear()
    database.engine.cache_clear()


@pytest.fixture
def sent(settings: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Sent]]:
    """Everything that the app sends, kept here."""
    Sent.envelopes = []
    original = ukemi.sdk.init
    monkeypatch.setattr(ukemi.sdk, "init", lambda app, **options: original(app, transport=Sent, **options))
    with sentry_sdk.isolation_scope() as scope:
        scope.clear()
        yield Sent


@pytest.fixture
def app(sent: type[Sent]) -> FastAPI:
    from backend.app import create_app

    database.create_tables()
    return create_app()


@pytest.fixture
def client(app: FastAPI) -> "Client":
    return Client(app)


class Client:
    """Sends requests to the app, each through the whole of its stack."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://wwmaa.test") as http:
                return await http.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def sign_in(self, username: str = "kiyoshi", password: str = "a good password") -> dict[str, str]:
        """Register and log in; returns the headers of the member's requests."""
        account = {"username": username, "password": password}
        assert self.post("/api/auth/register", json={**account, "email": f"{username}@example.org"}).status_code == 201
        token = self.post("/api/auth/login", json=account).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}


class Collector:
    """A running `ukemi serve`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        command = [sys.executable, "-m", "ukemi.cli.main", "serve", "--data-dir", str(data_dir), "--port", "0"]
        with (data_dir.parent / "collector.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        greeting = ""
        for line in self.process.stdout or ():
            greeting += line
            if "listening on" in line:
                break
        self.dsn = re.search(r"server key: (\S+)", greeting)[1]
        sign_in = re.search(r"Sign in .*: (\S+)", greeting)[1]
        self.web = httpx.Client(base_url=sign_in.split("/sign-in")[0], follow_redirects=True)
        self.web.post(sign_in).raise_for_status()

    def issues(self) -> list[dict[str, Any]]:
        return self.web.get("/issues.json").json()["issues"]

    def issue(self, row: dict[str, Any]) -> dict[str, Any]:
        return self.web.get(f"/projects/{row['project_id']}/issues/{row['id']}.json").json()

    def stop(self) -> None:
        self.web.close()
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path / "collector")
    yield collector
    collector.stop()
