"""What does scrubbing an event cost, beside reading and writing its JSON?"""

import statistics
import time
from collections.abc import Callable

import msgspec

from benchmarks.events import large_event
from ukemi.privacy import Rules, scrub

ROUNDS = 15


def main() -> None:
    trees = [large_event(number) for number in range(20)]
    texts = [msgspec.json.encode(tree) for tree in trees]
    rules = Rules(hash_key=b"k" * 32)
    steps: dict[str, Callable[[], object]] = {
        "read JSON": lambda: [msgspec.json.decode(text) for text in texts],
        "write JSON": lambda: [msgspec.json.encode(tree) for tree in trees],
        "scrub": lambda: [scrub(tree, rules) for tree in trees],
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):  # interleaved: the machine's moods meet all alike
        for name, step in steps.items():
            began_s = time.perf_counter()
            step()
            took[name].append((time.perf_counter() - began_s) / len(trees) * 1e6)
    print(f"{'step':<12} {'µs per event':>14}   median of {ROUNDS}, events of {len(texts[0]) // 1024} KB")
    for name, times in took.items():
        print(f"{name:<12} {statistics.median(times):>14.0f}")
