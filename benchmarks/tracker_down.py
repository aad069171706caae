"""What does an app notice when the error tracker is unreachable, hangs or refuses everything: memory, and slow answers?"""

import http.client
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil

from benchmarks.sdk_overhead import Server

VARIANTS = ("sentry 10 %", "ukemi 10 %")
MINUTES = float(os.environ.get("MINUTES", "2"))
SAMPLE_S = 5.0
WARM_UP = 0.2
"""Share of the time after which memory is compared: caches are full, and so is the queue."""


def unreachable() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def answering(status: int, after_s: float) -> str:
    """Where a server listens that answers everything so, so late."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            time.sleep(after_s)
            self.send_response(status)
            if status == 429:
                self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that waited long enough
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


TRACKERS: dict[str, Callable[[], str]] = {
    "unreachable": unreachable,
    "30 s per answer": lambda: answering(200, 30),
    "answers 429": lambda: answering(429, 0),
}


@dataclass
class Measured:
    """One app, and what was seen of it."""

    server: Server
    requests: int = 0
    failed: int = 0
    """Answers that were not as they should be."""
    times_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)

    def ask(self) -> None:
        """One request; every fifth meets an error in the app."""
        is_bad = self.requests % 5 == 0
        began_s = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", f"/fail/{self.requests}" if is_bad else "/items/1")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        self.failed += answer.status != (500 if is_bad else 200)
        self.requests += 1
        if not is_bad:
            self.times_ms.append((time.perf_counter() - began_s) * 1000)

    def slope_mb(self) -> float:
        """Growth in MB per minute: a line through what was measured after the warm-up."""
        later = self.memory_mb[int(len(self.memory_mb) * WARM_UP) :]
        minutes = [index * SAMPLE_S / 60 for index in range(len(later))]
        return statistics.linear_regression(minutes, later).slope if len(later) > 2 else 0.0


def main() -> None:
    apps = {("none", "bare"): Measured(Server("bare", ""))}
    for tracker, start in TRACKERS.items():
        dsn = f"http://{'0' * 32}@{start()}/1"
        apps |= {(tracker, variant): Measured(Server(variant, dsn)) for variant in VARIANTS}
    processes = {key: psutil.Process(app.server.process.pid) for key, app in apps.items()}
    sampled_s = began_s = time.monotonic()
    try:
        while time.monotonic() - began_s < MINUTES * 60:
            for app in apps.values():  # in turns: the machine's moods meet all alike
                app.ask()
            if time.monotonic() - sampled_s >= SAMPLE_S:
                sampled_s = time.monotonic()
                for key, app in apps.items():
                    app.memory_mb.append(processes[key].memory_info().rss / 1e6)
    finally:
        for app in apps.values():
            app.server.process.kill()
            app.server.process.wait(20)
    print(
        f"{'tracker':<16} {'app':<12} {'requests':>9} {'not as due':>11} {'p50 ms':>7} {'p99 ms':>7} {'worst ms':>9}"
        f" {'MB, warm':>9} {'MB, end':>8} {'most':>6} {'MB/min':>7}"
    )
    for (tracker, variant), app in apps.items():
        hundredths = statistics.quantiles(app.times_ms, n=100)
        memory = app.memory_mb
        print(
            f"{tracker:<16} {variant:<12} {app.requests:>9} {app.failed:>11} {hundredths[49]:>7.2f} {hundredths[98]:>7.2f}"
            f" {max(app.times_ms):>9.0f} {memory[int(len(memory) * WARM_UP)]:>9.1f} {memory[-1]:>8.1f} {max(memory):>6.1f}"
            f" {app.slope_mb():>7.2f}"
        )
    print(f"{MINUTES:g} minutes (MINUTES=…), all apps in turns; every fifth request raises")


if __name__ == "__main__":
    main()
