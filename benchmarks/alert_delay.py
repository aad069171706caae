"""
How long from a raised error to the channel's request, while digest works without a pause?

The rules that ship, with their own windows; real SDKs, a real collector, a webhook. Another process keeps events waiting in the
spool all the time: as many as digest takes, and never more than BACKLOG.
"""

import argparse
import asyncio
import gzip
import multiprocessing
import os
import random
import secrets
import sqlite3
import statistics
import tempfile
import threading
import time
import uuid
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import sentry_sdk
from sentry_sdk.utils import event_from_exception

from benchmarks import servers
from benchmarks.corpus import envelopes
from benchmarks.load import send
from ukemi.collector.alerts import rules_file
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.store import projects
from ukemi.collector.store.database import Database
from ukemi.protocol.dsn import write_dsn
from ukemi.protocol.envelope import EnvelopeHeader, write_envelope
from ukemi.protocol.vocabulary import REQUEST_COUNTS_ITEM
from ukemi.sdk.request_counts import Reporter, RequestCounter

EVENTS, RUNS, RATES = 300, 100, 60
PER_PROJECT = 5
"""New issues of a project; more within a minute would be told in one digest."""
SECONDS = 75.0
BACKLOG = 200
"""Events that wait at most: one batch of digest."""
PATIENCE_S = 60.0

Told = dict[str, float]
"""When the channel was told of each subject; seconds of the wall clock, which the collector goes by, too."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", action="store_true", help="no load beside the alerts")
    is_loaded = not parser.parse_args().idle
    told: Told = {}
    with tempfile.TemporaryDirectory() as name, channel(told) as channel_url:
        folder = Path(name)
        os.environ |= settings(folder, channel_url)
        server = servers.Ukemi()
        url = server.start(folder)
        database = folder / "data" / "ukemi.db"
        with _load(url, database) if is_loaded else _no_load() as rate, _metering(server) as spent_s:
            caused = cause(_targets(url, database, EVENTS // PER_PROJECT))
            deadline_s = time.monotonic() + PATIENCE_S
            while caused.keys() - told.keys() and time.monotonic() < deadline_s:
                time.sleep(0.1)
            print(rate(), flush=True)
            marks = look_back(database)
        server.stop()
    report(caused, told)
    take_apart(caused, told, marks, spent_s)


def report(caused: Told, told: Told) -> None:
    """Print the quantiles of the delays, by the kind of the rule."""
    print(f"{'rule':<24} {'alerts':>6} {'missing':>7}   {'P50':>6} {'P95':>6} {'P99':>6} {'max':>6}  seconds")
    for kind, name in (("event", "event (new error type)"), ("run", "failure run"), ("rate", "window (error rate)")):
        mine = [subject for subject in caused if subject.startswith(kind)]
        delays_s = [told[subject] - caused[subject] for subject in mine if subject in told]
        if not delays_s:
            print(f"{name:<24} {0:6} {len(mine):7}")
            continue
        print(f"{name:<24} {len(delays_s):6} {len(mine) - len(delays_s):7}   {_quantiles(delays_s)}")


class Marks(NamedTuple):
    """What the database remembers of an alert on its way; seconds of the wall clock."""

    received_s: float
    """The event, or what told of the last failure."""
    digested_s: float
    """When digest began to write it down."""
    judged_s: float
    """When the step began that opened the incident."""


def look_back(database: Path) -> dict[str, Marks]:
    """When each subject came by the stages."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    rows = connection.execute(
        "SELECT i.title, i.cause_us, c.at_us, i.opened_us FROM incident i "
        "LEFT JOIN change c ON c.project_id = i.project_id AND c.issue_id = i.issue_id AND c.kind = 'new'"
    ).fetchall()
    connection.close()
    return {
        _subject(title): Marks(received / 1e6, (at or opened) / 1e6, opened / 1e6)
        for title, received, at, opened in rows
    }


def take_apart(caused: Told, told: Told, marks: dict[str, Marks], spent_s: Callable[[float], float]) -> None:
    """
    Print where the time of the event rules goes, and what the worker spent in it: all that is left on an idle machine.

    Args:
        spent_s: CPU seconds of the worker up to an instant.
    """
    print("\nevent rules, from stage to stage           P50    P95    P99    max  seconds")
    ways: list[tuple[str, Callable[[str], float]]] = [
        ("raised → received (SDK, network)", lambda name: marks[name].received_s - caused[name]),
        ("→ digested (fsync, spool, other batches)", lambda name: marks[name].digested_s - marks[name].received_s),
        ("→ judged", lambda name: marks[name].judged_s - marks[name].digested_s),
        ("→ the channel's request (outbox, network)", lambda name: told[name] - marks[name].judged_s),
        ("CPU of the worker in all of it", lambda name: spent_s(told[name]) - spent_s(caused[name])),
    ]
    names = [name for name in caused if name.startswith("event") and name in told and name in marks]
    for way, delay_s in ways if len(names) > 1 else []:
        print(f"{way:<41} {_quantiles([delay_s(name) for name in names])}")


def _quantiles(delays_s: list[float]) -> str:
    cuts = statistics.quantiles(delays_s, n=100, method="inclusive")
    return " ".join(f"{value:6.2f}" for value in (cuts[49], cuts[94], cuts[98], max(delays_s)))


def cause(targets: list[tuple[str, str]]) -> Told:
    """
    Make every rule come true, spread over SECONDS.

    Args:
        targets: DSN and envelope endpoint of each project.

    Returns:
        When what makes each come true was complete: the error raised, the tenth failure in a row, the last request.
    """
    caused: Told = {}
    clients = [_client(dsn) for dsn, _ in targets]
    url = targets[0][1]
    http = httpx.Client(timeout=30)
    acts: list[Callable[[], None]] = [
        lambda number=number: _raise(clients[number % len(clients)], f"event{number}x", caused)
        for number in range(EVENTS)
    ]
    acts += [lambda number=number: fail(http, url, f"run{number}x", 10, 10, caused) for number in range(RUNS)]
    acts += [lambda number=number: fail(http, url, f"rate{number}x", 100, 25, caused) for number in range(RATES)]
    events, others = acts[:EVENTS], acts[EVENTS:]
    random.Random(7).shuffle(others)
    begin_s = time.monotonic()
    with ThreadPoolExecutor(EVENTS + RUNS + RATES) as several:
        for at, act in sorted(
            [(number / len(events), act) for number, act in enumerate(events)]
            + [(number / len(others), act) for number, act in enumerate(others)],
            key=lambda pair: pair[0],
        ):
            time.sleep(max(0.0, begin_s + at * SECONDS - time.monotonic()))
            several.submit(act)
    http.close()
    for client in clients:
        client.close()
    return caused


def _client(dsn: str) -> sentry_sdk.Client:
    return sentry_sdk.Client(dsn, default_integrations=False, auto_session_tracking=False, environment="production")


def _raise(client: sentry_sdk.Client, name: str, caused: Told) -> None:
    """An error of a kind that was never seen."""
    kind = type(name, (Exception,), {})
    caused[name] = time.time()
    try:
        raise kind("a new one")  # noqa: TRY301 - as an app would
    except kind as error:
        event, hint = event_from_exception(error, client_options=client.options)
        client.capture_event(event, hint)


def fail(http: httpx.Client, url: str, environment: str, requests: int, failures: int, caused: Told) -> None:
    """A service of its own serves requests, the last of which fails; it says good-bye a while after that."""

    def post(write: Callable[[], Any], *_arguments: object, **_options: object) -> None:
        item = ({"type": REQUEST_COUNTS_ITEM}, msgspec.json.encode(write()))
        http.post(url, content=write_envelope(EnvelopeHeader(), [item])).raise_for_status()

    reporter = Reporter(RequestCounter(environment, "shop@1"), post)
    for number in range(1, requests + 1):
        is_failure = number * failures // requests > (number - 1) * failures // requests
        reporter.count("GET", "/orders", 500 if is_failure else 200, 5.0)
        time.sleep(0.01)
    caused[environment] = time.time()
    time.sleep(20)
    reporter.end()


def _targets(url: str, database: Path, count: int) -> list[tuple[str, str]]:
    """Make projects; returns the DSN and the envelope endpoint of each."""
    base = url.partition("/api/")[0]
    store = Database(f"sqlite:///{database}")
    found = []
    for number in range(count):
        now_us = SystemClock().now_us()
        with store.write() as tx:
            project = projects.create(tx, f"App {number}", now_us, 90, 30)
            key = projects.create_key(tx, project.id, "server", now_us).public_key
        dsn = write_dsn(base, key, project.id)
        found.append((dsn, servers.envelope_url(dsn, base.partition("://")[2])))
    store.close()
    return found


def settings(folder: Path, channel_url: str) -> dict[str, str]:
    """The rules that ship; every severity goes to the one channel."""
    rules = rules_file.load(None)
    rules = msgspec.structs.replace(rules, severities={severity: ["webhook"] for severity in rules.severities})
    path = folder / "rules.toml"
    path.write_text(rules_file.write(rules), "utf-8")
    return {
        "UKEMI_RULES_FILE": str(path),
        "UKEMI_WEBHOOK_URL": channel_url,
        "UKEMI_WEBHOOK_SECRET": "whsec_" + b64encode(secrets.token_bytes(24)).decode(),
        "UKEMI_OUTGOING_ALLOW": '["127.0.0.0/8"]',
    }


@contextmanager
def channel(told: Told) -> Iterator[str]:
    """A webhook's receiver; notes when it was told of the opening of each subject."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            at_s = time.time()
            body = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()
            if body["type"] != "incident.opened":
                return
            data = body["data"]
            told.setdefault(_subject(data["title"]), at_s)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def _subject(title: str) -> str:
    """Of `SHOP-12: event7x: a new one` or `API downtime in run3x`."""
    words = title.replace(":", " ").split()
    return next((word for word in words if word.startswith(("event", "run", "rate")) and word.endswith("x")), "")


@contextmanager
def _metering(server: servers.Ukemi) -> Iterator[Callable[[float], float]]:
    """What the worker has spent up to an instant, in CPU seconds, as it was looked at every few milliseconds."""
    (worker,) = [process for process in server.processes() if "worker" in process.cmdline()]
    at_s: list[float] = []
    spent_s: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            times = worker.cpu_times()
            at_s.append(time.time())
            spent_s.append(times.user + times.system)

    thread = threading.Thread(target=look)
    thread.start()
    yield lambda instant_s: spent_s[min(bisect_left(at_s, instant_s), len(spent_s) - 1)]
    done.set()
    thread.join()


@contextmanager
def _no_load() -> Iterator[Callable[[], str]]:
    yield lambda: "no load beside the alerts"


@contextmanager
def _load(url: str, database: Path) -> Iterator[Callable[[], str]]:
    """Keep digest busy from another process, until the end."""
    context = multiprocessing.get_context("spawn")
    done, stored, looks, empty = (context.Value("q", 0) for _ in range(4))
    process = context.Process(target=_send_load, args=(url, database, done, stored, looks, empty))
    process.start()
    while not looks.value:
        time.sleep(0.1)
    began_s, before, looks_before, empty_before = time.monotonic(), stored.value, looks.value, empty.value

    def rate() -> str:
        per_s = (stored.value - before) / (time.monotonic() - began_s)
        idle = (empty.value - empty_before) / max(1, looks.value - looks_before)
        return f"beside the alerts: {per_s:.0f} events/s of mean 29 KB digested; nothing waited at {idle:.0%} of the looks\n"

    yield rate
    done.value = 1
    process.join()


def _send_load(
    url: str,
    database: Path,
    done: "Synchronized[int]",
    stored: "Synchronized[int]",
    looks: "Synchronized[int]",
    empty: "Synchronized[int]",
) -> None:
    templates = []
    for body in envelopes("mix", 200):
        plain = gzip.decompress(body)
        templates.append((plain, msgspec.json.decode(plain.split(b"\n", 1)[0])["event_id"].encode()))
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    sent = 0
    while not done.value:
        ((count,),) = connection.execute(
            "SELECT coalesce(sum(event_count), 0) FROM issue WHERE project_id = 1"
        ).fetchall()
        stored.value = count
        looks.value += 1
        empty.value += count >= sent
        if sent - count > BACKLOG - 50:
            time.sleep(0.005)
            continue
        # As good as not compressed: digest has the same work, and the load takes little of the machine.
        bodies = [
            gzip.compress(t.replace(own, uuid.uuid4().hex.encode()), 0) for t, own in random.choices(templates, k=50)
        ]
        answers = asyncio.run(send(url, bodies, 8))
        sent += len(answers.delays_ms)
    connection.close()


if __name__ == "__main__":
    main()
