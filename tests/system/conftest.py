"""System tests import nothing of ours: they start `ukemi`, kill it, and look."""

import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).parent.parent.parent
UKEMI = [sys.executable, "-m", "ukemi.cli.main"]


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> object:
    """The first truthy value of `condition`; fails with `what` after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline_s, f"still not so after {timeout_s:.0f} s: {what}"
        time.sleep(0.05)


class Collector:
    """A running `ukemi serve` with its own data folder."""

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.environment = environment
        self.log = data_dir.parent / "ukemi.log"
        self._dsns: dict[str, str] = {}
        self.start()

    def start(self, *arguments: str) -> None:
        if hasattr(self, "process"):
            self.process.stdout.close()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*UKEMI, "serve", "--data-dir", str(self.data_dir), "--port", "0", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
            )
        self.greeting = ""
        for line in self.process.stdout:
            self.greeting += line
            if match := re.search(r"listening on (http://\S+)", line):
                self.url = match[1]
                break
        else:
            pytest.fail(f"ukemi serve ended: {self.greeting}\n{self.log.read_text()}")
        wait_until(lambda: len(self.children()) == 2, "both processes run")

    def children(self) -> dict[str, psutil.Process]:
        """The supervised processes by name: http, worker."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            if "ukemi.collector.processes" in command:
                found[command[command.index("ukemi.collector.processes") + 1]] = child
        return found

    def kill(self, name: str) -> None:
        """SIGKILL one supervised process, and wait until it is gone."""
        child = self.children()[name]
        child.send_signal(signal.SIGKILL)
        child.wait(10)

    def dsn(self, kind: str = "server") -> str:
        """DSN of the first project, at the port of the present start."""
        if not self._dsns:  # asking takes a second or two
            self._dsns = {key["kind"]: key["dsn"] for key in self.ukemi("key", "list", "1", "--json")}
        dsn = self._dsns[kind]
        return re.sub(r"@[^/]+/", "@" + self.url.removeprefix("http://") + "/", dsn)

    def ukemi(self, *arguments: str) -> object:
        """Run a `ukemi` command on this data folder and read its JSON."""
        answer = subprocess.run(
            [*UKEMI, *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            check=True,
            env=self.environment,
        )
        return json.loads(answer.stdout)

    def rows(self, query: str, *parameters: object) -> list[tuple]:
        """Rows of the main database, read from beside."""
        connection = sqlite3.connect(f"file:{self.data_dir / 'ukemi.db'}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def start_collector(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Start a collector; further settings as keyword arguments, `slack_url="…"` for UKEMI_SLACK_URL. Capitals stand for themselves."""
    started: list[Collector] = []

    def start(**settings: str) -> Collector:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UKEMI_")}
        environment |= {
            name if name.isupper() else f"UKEMI_{name.upper()}": str(value) for name, value in settings.items()
        }
        collector = Collector(tmp_path / f"data-{len(started)}", environment)
        started.append(collector)
        return collector

    yield start
    for collector in started:
        collector.stop()


@pytest.fixture
def collector(start_collector: Callable[..., Collector]) -> Collector:
    return start_collector()


class Receiver:
    """A local server that takes whatever is posted, and remembers it."""

    def __init__(self) -> None:
        received: list[tuple[str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                received.append((self.path, dict(self.headers), body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def json(self, path: str) -> list[dict]:
        """Bodies that were posted to `path`, oldest first."""
        return [json.loads(body) for where, _, body in self.received if where == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Find a TCP port that nothing listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@pytest.fixture
def start_backend(free_port: Callable[[], int], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start the WWMAA backend and the stand-in for its payment service; returns the backend's address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(dsn: str, browser_dsn: str = "") -> str:
        url, payments_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYTHON_ENV": "staging",
            "SENTRY_RELEASE": "wwmaa-backend@1.0.0",
            "SENTRY_DSN": dsn,
            "SENTRY_BROWSER_DSN": browser_dsn,
            "DATABASE_URL": f"sqlite:///{tmp_path / 'wwmaa.db'}",
            "JWT_SECRET": secrets.token_hex(32),
            "STRIPE_API_BASE": payments_url,
        }
        for name, address, arguments in (
            ("payments", payments_url, ["demo.payments:create_app", "--factory"]),
            ("backend", url, ["backend.app:app"]),
        ):
            command = [sys.executable, "-m", "uvicorn", *arguments, "--port", address.rsplit(":", 1)[1]]
            with (tmp_path / f"{name}.log").open("ab") as log:
                started.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log))

        def answers() -> bool:
            try:
                is_healthy = httpx.get(f"{url}/health").status_code == 200
                return is_healthy and httpx.post(f"{payments_url}/_mode/ok").is_success
            except httpx.HTTPError:
                return False

        wait_until(answers, "backend and payment stand-in answer")
        return url

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


class Shop:
    """The app of `shop.py` under `uvicorn --workers N`."""

    def __init__(self, dsn: str, port: int, workers: int, log: Path, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.workers = workers
        # Each request has a connection of its own, so that the kernel chooses the worker.
        self._http = httpx.Client(base_url=self.url, headers={"Connection": "close"}, timeout=30)
        command = [sys.executable, "-m", "uvicorn", "shop:app", "--app-dir", str(Path(__file__).parent)]
        command += ["--port", str(port), "--workers", str(workers)]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=os.environ | {"SENTRY_DSN": dsn} | environment, stdout=output, stderr=output
            )

    def ask(self, path: str) -> httpx.Response:
        return self._http.get(path)

    def get(self, path: str) -> int:
        """Status of the answer."""
        return self.ask(path).status_code

    def pids(self) -> set[int]:
        """Of the workers that serve; each of them has answered a request then."""
        with ThreadPoolExecutor(2 * self.workers) as several:
            asked = [several.submit(self.ask, "/ok") for _ in range(10 * self.workers)]
        return {one.result().json()["pid"] for one in asked}

    def kill(self) -> None:
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for child in children:
            child.kill()
        self.process.wait(10)

    def stop(self) -> None:
        self._http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)


@pytest.fixture
def start_shop(free_port: Callable[[], int], tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Start the shop and wait until all of its workers have served; further variables as keyword arguments."""
    started: list[Shop] = []

    def start(dsn: str, *, workers: int, **environment: str) -> Shop:
        shop = Shop(dsn, free_port(), workers, tmp_path / "shop.log", environment)
        started.append(shop)

        def answers() -> bool:
            try:
                return shop.get("/health") == 200
            except httpx.HTTPError:
                return False

        wait_until(answers, "the app answers")
        wait_until(lambda: len(shop.pids()) == workers, "every worker serves")
        return shop

    yield start
    for shop in started:
        shop.stop()


@pytest.fixture
def eventually() -> Callable[..., object]:
    return wait_until
