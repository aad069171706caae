"""How many events a second does a collector acknowledge and store, and what does one cost, beside its peers and the floor?"""

import argparse
import asyncio
import gzip
import hashlib
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from benchmarks import servers
from benchmarks.corpus import Mix, envelopes
from benchmarks.load import send
from ukemi.protocol.envelope import parse_envelope

CONNECTIONS = 64
ROUNDS = 3
WARM_UP = 64
STANDSTILL_S = 5.0
REST_S = 5.0


class Measured(NamedTuple):
    """One server under one load."""

    acknowledged_per_s: float
    p50_ms: float
    p99_ms: float
    stored_per_s: float
    kept: float
    """Share of the events sent that were stored: peers refuse some shapes."""
    cpu_ms: float
    """Per event, all processes of the server."""
    disk_kb: float
    """Per event, the whole data folder at the moment when the last event is stored, logs and free pages included …"""
    rest_kb: float
    """… and REST_S later, which is what stays on a disk."""
    idle_mb: float
    loaded_mb: float
    """PSS of all processes: at rest before the load, and the highest during it."""
    started_s: float


def measure(server: servers.Server, bodies: list[bytes]) -> Measured:
    with tempfile.TemporaryDirectory(dir=servers.PEERS) as name:
        folder = Path(name)
        url = server.start(folder)
        asyncio.run(send(url, bodies[:WARM_UP], 8))  # every process has served once
        before, _ = _wait_for(server, WARM_UP)
        time.sleep(1)
        idle_bytes = _pss(server)
        disk_before = servers.disk_bytes(folder)
        cpu_before_s = _cpu_s(server)
        load = bodies[WARM_UP:]
        began_s = time.perf_counter()
        sent = asyncio.run(send(url, load, CONNECTIONS))
        loaded_bytes = _pss(server)
        stored, stored_at_s = _wait_for(server, len(bodies) - sent.refused)
        disk = servers.disk_bytes(folder) - disk_before
        cpu_s = _cpu_s(server) - cpu_before_s
        loaded_bytes = max(loaded_bytes, _pss(server))
        time.sleep(REST_S)
        at_rest = servers.disk_bytes(folder) - disk_before
        server.stop()
    kept = stored - before
    quantiles = statistics.quantiles(sent.delays_ms, n=100)
    return Measured(
        acknowledged_per_s=len(sent.delays_ms) / sent.wall_s,
        p50_ms=quantiles[49],
        p99_ms=quantiles[98],
        stored_per_s=kept / (stored_at_s - began_s),
        kept=kept / len(load),
        cpu_ms=cpu_s / kept * 1000,
        disk_kb=disk / kept / 1024,
        rest_kb=at_rest / kept / 1024,
        idle_mb=idle_bytes / 1e6,
        loaded_mb=loaded_bytes / 1e6,
        started_s=server.started_s,
    )


def _wait_for(server: servers.Server, events: int) -> tuple[int, float]:
    """How many are stored, and the instant when the last of them was: all, or as many as come before it stands still."""
    last, last_s = -1, time.perf_counter()
    while True:
        stored = server.stored()
        if stored > last:
            last, last_s = stored, time.perf_counter()
        if stored >= events or time.perf_counter() - last_s > STANDSTILL_S:
            return stored, last_s
        time.sleep(0.05)


def _cpu_s(server: servers.Server) -> float:
    """Of all processes, those included that ended meanwhile."""
    return sum(sum(process.cpu_times()[:4]) for process in server.processes())


def _pss(server: servers.Server) -> int:
    return sum(process.memory_full_info().pss for process in server.processes())


class _Frame(msgspec.Struct):
    function: Any = None
    module: Any = None
    in_app: Any = None


class _Stack(msgspec.Struct):
    frames: list[_Frame] = []


class _Exception(msgspec.Struct):
    type: Any = None
    value: Any = None
    stacktrace: _Stack | None = None


class _Exceptions(msgspec.Struct):
    values: list[_Exception] = []


class _Event(msgspec.Struct):
    event_id: str = ""
    level: Any = None
    exception: _Exceptions | None = None


def floor_ms(bodies: list[bytes]) -> float:
    """CPU of the least that any collector does with an event: inflate, decode a few fields, hash, compress, insert."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/floor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE event (id BLOB PRIMARY KEY, hash BLOB, body BLOB) WITHOUT ROWID")
        compressor = zstandard.ZstdCompressor(level=1)
        began_s = time.process_time()
        rows = []
        for number, body in enumerate(bodies, 1):
            payload = parse_envelope(gzip.decompress(body)).items[0].payload
            event = msgspec.json.decode(payload, type=_Event)
            digest = hashlib.blake2b(digest_size=16)
            for value in event.exception.values if event.exception else ():
                digest.update(f"{value.type}".encode())
                for frame in value.stacktrace.frames if value.stacktrace else ():
                    digest.update(f"{frame.module}{frame.function}".encode())
            rows.append((bytes.fromhex(event.event_id), digest.digest(), compressor.compress(payload)))
            if number % 200 == 0 or number == len(bodies):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)
                connection.execute("COMMIT")
                rows = []
        spent_s = time.process_time() - began_s
        connection.close()
    return spent_s / len(bodies) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks collector", description=__doc__)
    parser.add_argument("--bugsink", action="store_true", help="compare with Bugsink, too: I accept its licence")
    parser.add_argument("--no-foxray", action="store_true")
    parser.add_argument("--postgres", action="store_true", help="measure ukemi on PostgreSQL, too")
    parser.add_argument("--events", type=int, default=6000, help="for ukemi; peers get a tenth")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    servers.PEERS.mkdir(parents=True, exist_ok=True)
    mixes: list[Mix] = ["mix", "large"]
    for mix in mixes:
        bodies = envelopes(mix, arguments.events + WARM_UP)
        size = statistics.mean(len(gzip.decompress(body)) for body in bodies)
        print(f"\n{mix}: events of {size / 1024:.0f} KB in the mean, {CONNECTIONS} connections", flush=True)
        results: dict[str, list[Measured]] = {}
        floors: list[float] = []
        for _ in range(arguments.rounds):
            for server, share in _contestants(arguments):
                few = bodies[: WARM_UP + arguments.events // share]
                results.setdefault(server.name, []).append(measure(server, few))
            floors.append(floor_ms(bodies[:1000]))
        _print(results, statistics.median(floors))


def _contestants(arguments: argparse.Namespace) -> list[tuple[servers.Server, int]]:
    found: list[tuple[servers.Server, int]] = [(servers.Ukemi(), 1)]
    if arguments.postgres:
        found.append((servers.UkemiOnPostgres(), 1))
    if not arguments.no_foxray:
        found.append((servers.Foxray(), 10))
    if arguments.bugsink:
        found.append((servers.Bugsink(), 10))
    return found


def _print(results: dict[str, list[Measured]], floor: float) -> None:
    medians = {
        name: Measured(*(statistics.median(column) for column in zip(*rounds, strict=True)))
        for name, rounds in results.items()
    }
    names = list(medians)
    print(f"{'':34}" + "".join(f"{name:>18}" for name in names))
    labels = {
        "acknowledged_per_s": "acknowledged/s",
        "p50_ms": "  p50 ms",
        "p99_ms": "  p99 ms",
        "stored_per_s": "stored and queryable/s",
        "kept": "  share of those sent",
        "cpu_ms": "CPU per event, ms",
        "disk_kb": "disk per event, KB",
        "rest_kb": f"  after {REST_S:.0f} s at rest",
        "idle_mb": "memory idle (PSS), MB",
        "loaded_mb": "memory loaded (PSS), MB",
        "started_s": "seconds to start",
    }
    for field, label in labels.items():
        print(f"{label:34}" + "".join(f"{getattr(medians[name], field):18.2f}" for name in names))
    print(
        f"{'CPU over the floor of':>24} {floor:.2f} ms  "
        + "".join(f"{medians[n].cpu_ms / floor:17.1f}x" for n in names)
    )
    ours = medians[names[0]]
    for name in names[1:]:
        peer = medians[name]
        print(
            f"ukemi against {name}: acknowledged {ours.acknowledged_per_s / peer.acknowledged_per_s:.1f}x, "
            f"stored {ours.stored_per_s / peer.stored_per_s:.1f}x, CPU 1/{peer.cpu_ms / ours.cpu_ms:.1f}, "
            f"disk 1/{peer.disk_kb / ours.disk_kb:.1f}, at rest 1/{peer.rest_kb / ours.rest_kb:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
