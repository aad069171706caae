"""What does error tracking cost a FastAPI app: CPU per request when all goes well, per captured error, and in a storm of them?"""

import asyncio
import gzip
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import jwt
import psutil
from sentry_sdk.envelope import Envelope

from benchmarks import scrub
from benchmarks.overhead_app import SECRET

VARIANTS = ("bare", "sentry 10 %", "ukemi 10 %", "sentry 0 %", "ukemi 0 %")
WHOLE = "ukemi, all whole"
"""Without the storm guard: every error is described."""
ROUNDS, REQUESTS, ERRORS = 9, 5000, 40
"""So many requests a round that a tick of the system's clock (10 ms) is 2 µs of each."""
USERS = 200
"""Who ask in turn, each with a token of his own: as many as a service has in a minute of these rounds."""
STORM_ROUNDS, STORM_S, CONNECTIONS = 3, 3.0, 8


class Sink:
    """Takes whatever the SDKs send, and keeps the storms' envelopes by project: there is one for each variant."""

    def __init__(self) -> None:
        self.kept: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else each answer waits 40 ms, queues fill up, and what is measured is how they throw away.
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                sink.kept[self.path.split("/")[2]].append((self.headers.get("content-encoding", ""), body))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def dsn(self, project: int) -> str:
        return f"http://{'0' * 32}@127.0.0.1:{self.server.server_port}/{project}"


class Server:
    """The app of `overhead_app.py` under uvicorn, in one of the variants."""

    def __init__(self, variant: str, dsn: str) -> None:
        environment = os.environ | {"VARIANT": variant, "SENTRY_DSN": dsn}
        app = ["--app-dir", str(Path(__file__).parent), "--factory", "overhead_app:make_app"]
        command = [sys.executable, "-m", "uvicorn", *app, "--port", "0", "--no-access-log"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr or ():
            if "running on" in line:
                self.port = int(line.split("127.0.0.1:")[1].split()[0])
                break
        threading.Thread(target=self._drain, daemon=True).start()
        self._ps = psutil.Process(self.process.pid)
        self._headers = itertools.cycle([_headers(number) for number in range(USERS)])

    def _drain(self) -> None:
        for _ in self.process.stderr or ():
            pass

    def cpu_us(self, path: str, count: int) -> float:
        """Microseconds of CPU, all threads, per request."""
        before_s = sum(self._ps.cpu_times()[:2])
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        for _ in range(count):
            connection.request("GET", path, headers=next(self._headers))
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 500:  # uvicorn closes the connection after an error
                connection.close()
        connection.close()
        time.sleep(0.3)  # what is sent later belongs to it, too
        return (sum(self._ps.cpu_times()[:2]) - before_s) / count * 1e6

    def storm(self, path: str, seconds: float) -> tuple[int, float]:
        """Ask for `path` as fast as it is answered. How often it was, and in how many seconds."""
        return asyncio.run(self._storm(path, seconds))

    async def _storm(self, path: str, seconds: float) -> tuple[int, float]:
        began_s = time.perf_counter()
        answered = 0

        async def work() -> None:
            nonlocal answered
            while time.perf_counter() - began_s < seconds:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                head = "".join(f"{name}: {value}\r\n" for name, value in next(self._headers).items())
                writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{head}\r\n".encode())
                if (await reader.read()).startswith(b"HTTP/1.1 500 "):
                    answered += 1
                writer.close()

        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
        return answered, time.perf_counter() - began_s

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def _headers(number: int) -> dict[str, str]:
    claims = {"sub": str(number), "role": "member", "tier": "gold", "email": f"member{number}@example.org"}
    token = jwt.encode(claims | {"username": f"member.{number}"}, SECRET)
    return {"Authorization": f"Bearer {token}", "User-Agent": "Mozilla/5.0", "Accept": "*/*"}


class Told(NamedTuple):
    """What the storm's envelopes say in the end."""

    whole: int
    complete: int
    """Of those, with variables and source lines in each frame, and with their user."""
    counted: int
    """Beside them."""


def _told(envelopes: list[tuple[str, bytes]]) -> Told:
    decode = {"gzip": gzip.decompress, "br": brotli.decompress, "": bytes}
    items = [item for encoding, body in envelopes for item in Envelope.deserialize(decode[encoding](body)).items]
    payloads = [(item.type, json.loads(item.get_bytes())) for item in items]
    events = [payload for kind, payload in payloads if kind == "event"]
    counts = {
        entry["event_id"]: entry["count"]  # totals: the last telling of an event holds what those before told
        for kind, payload in payloads
        if kind == "ukemi_repeats"
        for entry in payload["repeats"]
    }
    return Told(len(events), sum(map(_is_complete, events)), sum(counts.values()))


def _is_complete(event: dict[str, Any]) -> bool:
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    return bool(event["user"]["id"]) and all(frame["vars"] and frame["context_line"] for frame in frames)


def main() -> None:
    sink = Sink()
    names = (*VARIANTS, WHOLE)
    servers = {variant: Server(variant, sink.dsn(number)) for number, variant in enumerate(names)}
    good: dict[str, list[float]] = defaultdict(list)
    bad: dict[str, list[float]] = defaultdict(list)
    fast: dict[str, list[float]] = defaultdict(list)
    failed = 0
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
        failed = 10 + 5 * ERRORS  # until here; all of them are the same error
        for number in range(STORM_ROUNDS):
            for variant in ("bare", "sentry 10 %", "ukemi 10 %"):
                answered, took_s = servers[variant].storm(f"/fail/{number}", STORM_S)
                fast[variant].append(answered / took_s)
                failed += answered if variant == "ukemi 10 %" else 0
    finally:
        for server in servers.values():
            server.stop()
        sink.server.shutdown()
    _requests_table(good)
    _errors_table(bad)
    _storm_table(fast, failed, _told(sink.kept[str(names.index("ukemi 10 %"))]))
    print()
    scrub.table(scrub.measure())


def _requests_table(good: dict[str, list[float]]) -> None:
    bare = statistics.median(good["bare"])
    print(f"{f'a request, of {USERS} users in turn':<34} {'µs CPU':>9} {'added':>9} {'of sentry-sdk':>14}")
    for variant in VARIANTS:
        median = statistics.median(good[variant])
        rivals = statistics.median(good[variant.replace("ukemi", "sentry")]) - bare
        share = f"{(median - bare) / rivals:.2f} ×" if variant.startswith("ukemi") else ""
        print(f"{variant:<34} {median:>9.0f} {median - bare:>9.0f} {share:>14}")


def _errors_table(bad: dict[str, list[float]]) -> None:
    added_ms = {name: (statistics.median(bad[name]) - statistics.median(bad["bare"])) / 1000 for name in bad}
    rival_ms = added_ms["sentry 10 %"]
    print(f"\n{'an error, one after the other':<34} {'':>9} {'ms added':>9} {'of sentry-sdk':>14}")
    for label, variant in (
        ("sentry-sdk", "sentry 10 %"),
        ("ukemi, each described", WHOLE),
        ("ukemi, as shipped (storm guard)", "ukemi 10 %"),
    ):
        share = f"{added_ms[variant] / rival_ms:.2f} ×" if variant != "sentry 10 %" else ""
        print(f"{label:<34} {'':>9} {added_ms[variant]:>9.2f} {share:>14}")


def _storm_table(fast: dict[str, list[float]], failed: int, told: Told) -> None:
    print(f"\n{'a route that fails at full speed':<34} {'':>9} {'answers/s':>9} {'of sentry-sdk':>14}")
    rival = statistics.median(fast["sentry 10 %"])
    for variant, rates in fast.items():
        median = statistics.median(rates)
        share = f"{median / rival:.1f} ×" if variant.startswith("ukemi") else ""
        print(f"{variant:<34} {'':>9} {median:>9.0f} {share:>14}")
    verdict = "all" if told.whole + told.counted == failed else "NOT ALL"
    print(
        f"ukemi failed {failed:,} times in all: {told.whole} events left, {told.complete} of them complete, "
        f"{told.counted:,} more were counted: {verdict}"
    )


if __name__ == "__main__":
    main()
