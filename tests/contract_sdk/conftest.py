"""A server that records envelopes, and apps that run under uvicorn in processes of their own."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brotli
import pytest
from sentry_sdk.envelope import Envelope

from ukemi.protocol.request_counts import RequestCounts, read_request_counts

HERE = Path(__file__).parent
KEY = "0123456789abcdef0123456789abcdef"


class Tracker(ThreadingHTTPServer):
    """Records what it is sent, and answers as it is told: a status, `reset` or `hang`."""

    daemon_threads = True

    def __init__(self) -> None:
        tracker = self
        self.envelopes: list[Envelope] = []
        self.behaviour: int | str = 200
        self.is_over = threading.Event()

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                tracker.answer(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.server_port}/7"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        encoding = request.headers.get("Content-Encoding")
        if encoding == "br":
            body = brotli.decompress(body)
        elif encoding == "gzip":
            body = zlib.decompress(body, 31)
        self.envelopes.append(Envelope.deserialize(body))
        if self.behaviour == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
            return
        if self.behaviour == "hang":
            self.is_over.wait(30)
        request.send_response(self.behaviour if isinstance(self.behaviour, int) else 200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def handle_error(self, *_arguments: object) -> None:
        """Connections that are reset on purpose are no news."""

    def last_reports(self) -> list[RequestCounts]:
        """The last report of each process that counted requests, in the order of their first."""
        last: dict[str, RequestCounts] = {}
        for item in (item for envelope in self.envelopes for item in envelope.items):
            if item.type == "ukemi_request_counts":
                report = read_request_counts(item.get_bytes())
                last[report.instance.id] = report
        return list(last.values())

    def counted(self) -> Counter[tuple[str, int]]:
        """All requests of all processes by route and status."""
        counts: Counter[tuple[str, int]] = Counter()
        for report in self.last_reports():
            for one in (route for bucket in report.buckets for route in bucket.routes):
                counts[one.route, one.status] += one.count
        return counts

    def items(self, item_type: str) -> list[Any]:
        items = [item for envelope in self.envelopes for item in envelope.items if item.type == item_type]
        return [json.loads(item.get_bytes()) for item in items]


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    tracker = Tracker()
    thread = threading.Thread(target=tracker.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield tracker
    tracker.is_over.set()
    tracker.shutdown()
    thread.join()
    tracker.server_close()


UVICORN = ("-m", "uvicorn", "shop:app", "--app-dir", str(HERE), "--port", "0")
GUNICORN = (
    "-m",
    "gunicorn",
    "-k",
    "uvicorn_worker.UvicornWorker",
    "-w",
    "2",
    "-b",
    "127.0.0.1:0",
    "--chdir",
    str(HERE),
    "shop:app",
)
PRELOADED = (str(HERE / "preloaded.py"),)


class Shop:
    """The app of `shop.py` under a server: what Python is to run."""

    def __init__(self, folder: Path, dsn: str, *arguments: str, **environment: str) -> None:
        self.log = folder / "uvicorn.log"
        command = [sys.executable, *(arguments or UVICORN)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "SENTRY_DSN": dsn, **environment}
            )

    @property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            if match := re.search(r"(?:running on|Listening at:) (http://\S+)", self.log.read_text()):
                return match[1]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        pytest.fail(f"uvicorn does not listen: {self.log.read_text()}")

    def wait_for_line(self, text: str, times: int) -> None:
        """Until the log has `text` so many times."""
        deadline_s = time.monotonic() + 30
        while self.log.read_text().count(text) < times:
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM, and wait; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    started: list[Shop] = []

    def start(dsn: str, *arguments: str, **environment: str) -> Shop:
        started.append(Shop(tmp_path, dsn, *arguments, **environment))
        return started[-1]

    yield start
    for shop in started:
        shop.kill()
