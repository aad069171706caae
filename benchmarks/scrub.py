"""What does scrubbing an event cost, beside reading and writing its JSON?"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.events import large_event
from ukemi.privacy import Rules, scrub

ROUNDS = 15


def main() -> None:
    trees = [large_event(number) for number in range(20)]
    transactions = [_transaction(number) for number in range(20)]
    texts = [msgspec.json.encode(tree) for tree in trees]
    rules = Rules(hash_key=b"k" * 32)
    steps: dict[str, Callable[[], object]] = {
        "read JSON": lambda: [msgspec.json.decode(text) for text in texts],
        "write JSON": lambda: [msgspec.json.encode(tree) for tree in trees],
        "scrub": lambda: [scrub(tree, rules) for tree in trees],
        "scrub a transaction": lambda: [scrub(tree, rules) for tree in transactions],
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):  # interleaved: the machine's moods meet all alike
        for name, step in steps.items():
            began_s = time.perf_counter()
            step()
            took[name].append((time.perf_counter() - began_s) / len(trees) * 1e6)
    small = len(msgspec.json.encode(transactions[0]))
    print(
        f"{'step':<20} {'µs each':>8}   median of {ROUNDS}; events of {len(texts[0]) // 1024} KB, transactions of {small} bytes"
    )
    for name, times in took.items():
        print(f"{name:<20} {statistics.median(times):>8.0f}")


def _transaction(number: int) -> dict[str, Any]:
    """What one request leaves behind: some spans, the request, contexts."""
    event = large_event(number)
    spans = [
        {
            "op": "db.query",
            "description": f"SELECT * FROM member WHERE id = {number + step}",
            "span_id": f"{number * 100 + step:016x}",
            "trace_id": f"{number:032x}",
            "start_timestamp": 1_800_000_000.25 + step,
            "timestamp": 1_800_000_000.5 + step,
            "data": {"db.system": "postgresql", "thread.name": "MainThread"},
        }
        for step in range(5)
    ]
    kept = ("event_id", "environment", "release", "transaction", "request", "user")
    contexts = {"trace": {"trace_id": f"{number:032x}", "op": "http.server", "status": "ok"}}
    return {name: event[name] for name in kept} | {"type": "transaction", "spans": spans, "contexts": contexts}
