"""What does error tracking cost a FastAPI app: CPU per request when all goes well, and per captured error?"""

import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import psutil

VARIANTS = ("bare", "sentry 10 %", "ukemi 10 %", "sentry 0 %", "ukemi 0 %")
WHOLE = "ukemi, all whole"
"""Without the storm guard: every error is described."""
ROUNDS, REQUESTS, ERRORS = 9, 5000, 40
"""So many requests a round that a tick of the system's clock (10 ms) is 2 µs of each."""
SECRET = "a secret of the benchmark, 32 long"


class Sink:
    """Takes whatever the SDKs send."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = f"http://{'0' * 32}@127.0.0.1:{self.server.server_port}/1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Server:
    """The app of `overhead_app.py` under uvicorn, in one of the variants."""

    def __init__(self, variant: str, dsn: str) -> None:
        environment = os.environ | {"VARIANT": variant, "SENTRY_DSN": dsn, "JWT_SECRET": SECRET}
        app = ["--app-dir", str(Path(__file__).parent), "overhead_app:app"]
        command = [sys.executable, "-m", "uvicorn", *app, "--port", "0", "--no-access-log"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr or ():
            if "running on" in line:
                self.port = int(line.split("127.0.0.1:")[1].split()[0])
                break
        threading.Thread(target=self._drain, daemon=True).start()
        self._ps = psutil.Process(self.process.pid)
        token = jwt.encode({"sub": "7", "role": "member", "tier": "gold", "email": "a@example.org"}, SECRET)
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "Mozilla/5.0", "Accept": "*/*"}

    def _drain(self) -> None:
        for _ in self.process.stderr or ():
            pass

    def cpu_us(self, path: str, count: int) -> float:
        """Microseconds of CPU, all threads, per request."""
        before_s = sum(self._ps.cpu_times()[:2])
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        for _ in range(count):
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 500:  # uvicorn closes the connection after an error
                connection.close()
        connection.close()
        time.sleep(0.3)  # what is sent later belongs to it, too
        return (sum(self._ps.cpu_times()[:2]) - before_s) / count * 1e6

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def main() -> None:
    sink = Sink()
    servers = {variant: Server(variant, sink.dsn) for variant in (*VARIANTS, WHOLE)}
    good: dict[str, list[float]] = {variant: [] for variant in servers}
    bad: dict[str, list[float]] = {variant: [] for variant in servers}
    try:
        for server in servers.values():  # warm up
            server.cpu_us("/items/1", REQUESTS)
            server.cpu_us("/fail/0", 10)
        for _ in range(ROUNDS):  # interleaved: the machine's moods meet all alike
            for variant in VARIANTS:
                good[variant].append(servers[variant].cpu_us("/items/1", REQUESTS))
        for number in range(5):
            for variant in ("bare", "sentry 10 %", "ukemi 10 %", WHOLE):
                bad[variant].append(servers[variant].cpu_us(f"/fail/{number}", ERRORS))
    finally:
        for server in servers.values():
            server.stop()
        sink.server.shutdown()
    bare = statistics.median(good["bare"])
    print(f"{'variant':<14} {'µs per request':>15} {'added':>8} {'of sentry-sdk':>14}")
    for variant in VARIANTS:
        median = statistics.median(good[variant])
        rivals = statistics.median(good[variant.replace("ukemi", "sentry")]) - bare
        share = f"{(median - bare) / rivals:.2f} ×" if variant.startswith("ukemi") else ""
        print(f"{variant:<14} {median:>15.0f} {median - bare:>8.0f} {share:>14}")
    errors_ms = {
        variant: (statistics.median(taken) - statistics.median(bad["bare"])) / 1000
        for variant, taken in bad.items()
        if taken
    }
    rival_ms = errors_ms["sentry 10 %"]
    print(f"\n{'one error again and again':<34} {'ms added':>9} {'of sentry-sdk':>14}")
    for label, variant in (
        ("sentry-sdk", "sentry 10 %"),
        ("ukemi, each described", WHOLE),
        ("ukemi, as shipped (storm guard)", "ukemi 10 %"),
    ):
        share = f"{errors_ms[variant] / rival_ms:.2f} ×" if variant != "sentry 10 %" else ""
        print(f"{label:<34} {errors_ms[variant]:>9.2f} {share:>14}")


if __name__ == "__main__":
    main()
