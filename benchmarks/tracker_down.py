"""What does an app notice when the error tracker is unreachable, hangs or refuses everything: memory, and slow answers?"""

import http.client
import socket
import statistics
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil

from benchmarks.sdk_overhead import Server

VARIANTS = ("sentry 10 %", "ukemi 10 %")
ROUNDS = 6


def unreachable() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def hanging() -> str:
    """Takes connections and never answers."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(200)
    held: list[socket.socket] = []

    def hold() -> None:
        while True:
            held.append(listener.accept()[0])

    threading.Thread(target=hold, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


def refusing() -> str:
    """Answers 429 to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(429)
            self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def main() -> None:
    print(
        f"{'tracker':<13} {'variant':<13} {'first MB':>9} {'last MB':>9} {'slope':>9} {'p50 ms':>8} {'slowest ms':>11} {'failed':>7}"
    )
    trackers: dict[str, Callable[[], str]] = {"unreachable": unreachable, "hangs": hanging, "answers 429": refusing}
    for name, start in trackers.items():
        dsn = f"http://{'0' * 32}@{start()}/1"
        servers = {variant: Server(variant, dsn) for variant in VARIANTS}
        try:
            measured = {variant: _load(server) for variant, server in servers.items()}
        finally:
            for server in servers.values():
                server.process.kill()
                server.process.wait(20)
        for variant, (memory_mb, times_ms, failed) in measured.items():
            slope = (memory_mb[-1] - memory_mb[1]) / (len(memory_mb) - 2)
            print(
                f"{name:<13} {variant:<13} {memory_mb[0]:>9.1f} {memory_mb[-1]:>9.1f} {slope:>6.2f}/kr "
                f"{statistics.median(times_ms):>8.2f} {max(times_ms):>11.0f} {failed:>7}"
            )
    print("slope: MB per thousand requests, after the first thousand; every fifth request raises")


def _load(server: Server) -> tuple[list[float], list[float], int]:
    """Memory after each round, milliseconds of each good answer, and answers that were not as they should be."""
    process = psutil.Process(server.process.pid)
    memory_mb, times_ms, failed = [process.memory_info().rss / 1e6], [], 0
    for _ in range(ROUNDS):
        for number in range(1000):
            is_bad = number % 5 == 0
            began_s = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.request("GET", f"/fail/{number}" if is_bad else "/items/1")
            status = connection.getresponse().status
            connection.close()
            failed += status != (500 if is_bad else 200)
            if not is_bad:
                times_ms.append((time.perf_counter() - began_s) * 1000)
        memory_mb.append(process.memory_info().rss / 1e6)
    return memory_mb, times_ms, failed


if __name__ == "__main__":
    main()
