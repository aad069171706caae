"""
How much sooner is a backlog digested with a second process that understands events ahead?

The whole digest on SQLite, without HTTP and alerts beside it; with and without the assistant in turn, on the same events.
"""

import asyncio
import gc
import gzip
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from benchmarks.corpus import Mix, envelopes
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.digest.assistant import Assistant
from ukemi.collector.digest.worker import Digest
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import migrate, projects
from ukemi.collector.store.database import Database
from ukemi.protocol.envelope import parse_envelope

EVENTS, ROUNDS = 3000, 3


class Measured(NamedTuple):
    """One backlog, worked off."""

    events_per_s: float
    cpu_ms: float
    """Per event, both processes."""
    longest_ms: float
    """Of the steps: due alerts wait for the end of one."""
    assistant_mb: float
    """PSS of the assistant at its highest; 0 without one."""


def spooled(mix: Mix) -> list[SpoolItem]:
    context = msgspec.json.encode(ItemContext(user_agent="benchmark", client_ip="192.0.2.1"))
    items = []
    for body in envelopes(mix, EVENTS):
        envelope = parse_envelope(gzip.decompress(body))
        event_id, payload = envelope.header.event_id or "", envelope.items[0].payload
        received_us = time.time_ns() // 1000
        items.append(SpoolItem(0, Lane.EVENTS, received_us, 1, "server", "event", event_id, context, payload))
    return items


def measure(items: list[SpoolItem], assistant: Assistant | None) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder}/ukemi.db")
        migrate.upgrade(database)
        with database.write() as tx:
            projects.create(tx, "Shop", time.time_ns() // 1000, 90, 30)
        writer = SpoolWriter(folder / "spool.db", 1 << 30)
        for at in range(0, len(items), 50):
            asyncio.run(writer.append(items[at : at + 50]))
        reader = SpoolReader(folder / "spool.db")
        digest = Digest(database, reader, b"k" * 32, assistant=assistant)
        clock = SystemClock()
        gc.collect()
        began_s, spent_s, steps_s, pss = time.perf_counter(), _cpu_s(), [0.0], 0
        while True:
            step_s = time.perf_counter()
            if not digest.step(clock):
                break
            steps_s.append(time.perf_counter() - step_s)
            if assistant and assistant.pid and len(steps_s) % 8 == 0:
                pss = max(pss, psutil.Process(assistant.pid).memory_full_info().pss)
        took_s = time.perf_counter() - began_s
        digest.close()
        spent_s = _cpu_s() - spent_s
        reader.close()
        writer.close()
        database.close()
    return Measured(len(items) / took_s, spent_s / len(items) * 1000, max(steps_s) * 1000, pss / 1e6)


def _cpu_s() -> float:
    return sum(os.times()[:4])


def main() -> None:
    mixes: list[Mix] = ["mix", "large"]
    for mix in mixes:
        items = spooled(mix)
        size = statistics.mean(len(item.payload) for item in items)
        print(f"{mix}: {EVENTS} events of {size / 1024:.0f} KB in the mean, {ROUNDS} rounds")
        print(f"  {'':20} {'events/s':>9} {'CPU ms/event':>13} {'longest step ms':>16} {'assistant MB':>13}")
        rates = []
        results: dict[str, list[Measured]] = {"one process": [], "with assistant": []}
        for _ in range(ROUNDS):
            results["one process"].append(measure(items, None))
            results["with assistant"].append(measure(items, Assistant()))
            rates.append(results["with assistant"][-1].events_per_s / results["one process"][-1].events_per_s)
        for name, rounds in results.items():
            one = Measured(*(statistics.median(column) for column in zip(*rounds, strict=True)))
            print(
                f"  {name:20} {one.events_per_s:9.0f} {one.cpu_ms:13.2f} {one.longest_ms:16.0f} {one.assistant_mb:13.1f}"
            )
        print(f"  faster by {statistics.median(rates):.2f}x (of each round: {', '.join(f'{r:.2f}' for r in rates)})")


if __name__ == "__main__":
    main()
