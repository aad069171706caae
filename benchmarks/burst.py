"""
What becomes of 50,000 events sent as fast as possible, and of the alerts that fall due while they wait?

"Nothing" is a server that only answers: so much of each delay is the load generator's own, which shares the machine with what it
loads. "As it ships" has a quota of 10,000 events a minute: what is beyond must be refused with a complete 429, and counted.
"""

import argparse
import asyncio
import gc
import gzip
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import httpx
import msgspec

from benchmarks import servers
from benchmarks.alert_delay import Told, channel, fail, settings
from benchmarks.corpus import envelopes
from benchmarks.load import Sent, send
from ukemi.collector.spool.look import look

EVENTS, CONNECTIONS, ROUNDS = 50_000, 64, 1
TEMPLATES = 200
ALERTS_AT = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
"""Shares of the events that were answered when two services begin to fail: one altogether, one in a quarter of its requests."""
PATIENCE_S = 60.0
NOTHING = """
import asyncio, sys

class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.left, self.head = transport, 0, b""
    def data_received(self, data):
        if not self.left:
            self.head += data
            head, found, rest = self.head.partition(b"\\r\\n\\r\\n")
            if not found:
                return
            self.left, self.head, data = int(head.rpartition(b" ")[2]), b"", rest
        self.left -= len(data)
        if not self.left:
            self.transport.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")

async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Burst(NamedTuple):
    sent: Sent
    most_waiting: int = 0
    """Items in the spool, at most."""
    drained_s: float = 0.0
    """From the first event to the last that was stored."""
    stored: int = 0
    outcomes: Mapping[str, int] = MappingProxyType({})
    """Errors in the accounting."""
    runs_s: tuple[float, ...] = ()
    rates_s: tuple[float, ...] = ()
    """Delays of alerts: from the last failure that makes the rule true to the channel's request."""
    untold: int = 0


class AsItShips(servers.Ukemi):
    name = "as it ships"
    quota = None


class WithoutQuota(servers.Ukemi):
    name = "without quota"


def bodies(count: int) -> list[bytes]:
    """Gzipped envelopes of the mix, each event with an id of its own."""
    templates = []
    for body in envelopes("mix", TEMPLATES):
        plain = gzip.decompress(body)
        templates.append((plain, msgspec.json.decode(plain.split(b"\n", 1)[0])["event_id"].encode()))
    chosen = random.Random(7).choices(templates, k=count)
    return [gzip.compress(plain.replace(own, uuid.uuid4().hex.encode()), 1) for plain, own in chosen]


@contextmanager
def nothing() -> Iterator[str]:
    """URL of a server that reads and answers, and does nothing else."""
    process = subprocess.Popen([sys.executable, "-c", NOTHING], stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().strip() if process.stdout else ""
    yield f"http://127.0.0.1:{port}/?"
    process.terminate()
    process.wait()


def burst_on(server: servers.Ukemi, load: list[bytes], connections: int) -> Burst:
    """Send the load, and let services fail meanwhile."""
    caused: Told = {}
    told: Told = {}
    with tempfile.TemporaryDirectory(dir=servers.PEERS) as name, channel(told) as channel_url:
        folder = Path(name)
        os.environ |= settings(folder, channel_url)
        url = server.start(folder)
        database, spool = folder / "data" / "ukemi.db", folder / "data" / "spool" / "spool.db"
        asyncio.run(send(url, bodies(64), 8))  # every process has served once
        while server.stored() < 64:
            time.sleep(0.1)
        progress = _Progress(len(load))
        with _watching(spool) as waiting, httpx.Client(timeout=30) as http:
            services = threading.Thread(target=_let_services_fail, args=(http, url, progress, caused))
            services.start()
            began_s = time.monotonic()
            sent = asyncio.run(send(url, load, connections, progress.step))
            while look(spool).items:
                time.sleep(0.05)
            drained_s = time.monotonic() - began_s
            services.join()
        deadline_s = time.monotonic() + PATIENCE_S
        while caused.keys() - told.keys() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        stored, outcomes = server.stored() - 64, _outcomes(database)
        server.stop()
    delays_s = {subject: told[subject] - at_s for subject, at_s in caused.items() if subject in told}
    return Burst(
        sent,
        max(waiting),
        drained_s,
        stored,
        outcomes - Counter(accepted=64),
        tuple(delay for subject, delay in delays_s.items() if subject.startswith("run")),
        tuple(delay for subject, delay in delays_s.items() if subject.startswith("rate")),
        len(caused) - len(delays_s),
    )


class _Progress:
    """How many of the events were answered."""

    def __init__(self, events: int) -> None:
        self.answers, self._events = 0, events

    def step(self) -> None:
        self.answers += 1

    @property
    def share(self) -> float:
        return self.answers / self._events


def _let_services_fail(http: httpx.Client, url: str, progress: _Progress, caused: Told) -> None:
    several = []
    for number, share in enumerate(ALERTS_AT):
        while progress.share < share:
            time.sleep(0.02)
        for environment, requests, failures in ((f"run{number}x", 10, 10), (f"rate{number}x", 100, 25)):
            one = threading.Thread(target=fail, args=(http, url, environment, requests, failures, caused))
            one.start()
            several.append(one)
    for one in several:
        one.join()


@contextmanager
def _watching(spool: Path) -> Iterator[list[int]]:
    """How many items waited in the spool, looked at five times a second."""
    waiting = [0]
    done = threading.Event()

    def run() -> None:
        while not done.wait(0.2):
            with suppress(sqlite3.Error):
                waiting.append(look(spool).items)

    thread = threading.Thread(target=run)
    thread.start()
    yield waiting
    done.set()
    thread.join()


def _outcomes(database: Path) -> Counter[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        query = "SELECT outcome, sum(quantity) FROM outcome WHERE category = 'error' GROUP BY outcome"
        return Counter(dict(connection.execute(query).fetchall()))


def measure(load: list[bytes], connections: int) -> dict[str, Burst]:
    """One burst on each server, by name."""
    with nothing() as url:
        found = {"nothing": Burst(asyncio.run(send(url, load, connections)))}
    for server in (AsItShips(), WithoutQuota()):
        found[server.name] = burst_on(server, load, connections)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks burst", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    arguments = parser.parse_args()
    servers.PEERS.mkdir(parents=True, exist_ok=True)
    load = bodies(arguments.events)
    gc.freeze()  # else the generator looks through its load again and again
    size = statistics.mean(map(len, load)) / 1024
    print(f"{len(load)} events, {size:.1f} KB each on the wire, {arguments.connections} connections\n", flush=True)
    report(measure(load, arguments.connections))


def report(found: dict[str, Burst]) -> None:
    """Print one column for each server."""

    def quantile(sent: Sent, number: int) -> str:
        cuts = statistics.quantiles(sent.delays_ms, n=1000) if len(sent.delays_ms) > 1 else [0.0] * 999
        return f"{cuts[number - 1]:.1f}"

    def delays(values: tuple[float, ...]) -> str:
        return f"{statistics.median(values):.1f} / {max(values):.1f}" if values else "-"

    rows: list[tuple[str, Callable[[Burst], object]]] = [
        ("acknowledged", lambda one: len(one.sent.delays_ms)),
        ("  a second", lambda one: round(len(one.sent.delays_ms) / one.sent.wall_s)),
        ("  p50, ms", lambda one: quantile(one.sent, 500)),
        ("  p99, ms", lambda one: quantile(one.sent, 990)),
        ("  p99.9, ms", lambda one: quantile(one.sent, 999)),
        ("refused with 429", lambda one: one.sent.refused),
        ("  counted as rate_limited", lambda one: one.outcomes.get("rate_limited", 0)),
        ("stored in the end", lambda one: one.stored),
        ("  counted as accepted", lambda one: one.outcomes.get("accepted", 0)),
        ("most that waited", lambda one: one.most_waiting),
        ("seconds until all was stored", lambda one: f"{one.drained_s:.1f}"),
        ("alert on 10 failures in a row, s", lambda one: delays(one.runs_s)),
        ("alert on an error rate, s", lambda one: delays(one.rates_s)),
        ("alerts not told", lambda one: one.untold),
    ]
    print(f"{'':34}" + "".join(f"{name:>18}" for name in found))
    for label, value in rows:
        shown = [
            "" if name == "nothing" and not label.startswith(("ack", "  a", "  p")) else value(one)
            for name, one in found.items()
        ]
        print(f"{label:34}" + "".join(f"{text!s:>18}" for text in shown), flush=True)
    print("\nDelays of alerts: median / longest. An error rate is judged when its ten seconds are over.")


if __name__ == "__main__":
    main()
