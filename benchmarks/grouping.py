"""How well are events grouped into problems? Ours, Foxray's and plain type + message, on labelled events of buggy programs."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.buggy.labelled import Labelled, labelled
from ukemi.collector.core.fingerprint import fingerprint
from ukemi.protocol.event import read_event

FOXRAY = "foxray==0.1.2"
ENVIRONMENTS = Path(__file__).parent / ".environments"
"""Of other projects, outside of our lock files."""
ASK_FOXRAY = """
import json, sys
from foxray.core import fingerprint, normalize, settings
for line in sys.stdin:
    event, _ = normalize.normalize_event(json.loads(line), settings.Settings())
    print(fingerprint.fingerprint(event))
"""


def main() -> None:
    for name in ("tuned", "held_out"):
        events = labelled(name)
        bugs = len({one.label for one in events})
        print(f"{name}: {len(events)} events of {bugs} bugs\n")
        print(f"{'grouping':<22}{'precision':>10}{'recall':>9}{'issues':>8}")
        for title, keys in (
            ("ukemi", ours(events)),
            ("Foxray 0.1.2", foxray(events)),
            ("type + message", [type_and_message(one) for one in events]),
        ):
            precision, recall = pairwise([one.label for one in events], keys)
            print(f"{title:<22}{precision:>10.3f}{recall:>9.3f}{len(set(keys)):>8}")
        print()


def pairwise(labels: Sequence[str], keys: Sequence[str]) -> tuple[float, float]:
    """Of the pairs that were put together, how many belong together; of those that do, how many were put together."""

    def pairs(counts: Counter[object]) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    both = pairs(Counter(zip(labels, keys, strict=True)))
    return both / max(1, pairs(Counter(keys))), both / max(1, pairs(Counter(labels)))


def ours(events: Sequence[Labelled]) -> list[str]:
    return [fingerprint(read_event(one.event)).hash.hex() for one in events]


def foxray(events: Sequence[Labelled]) -> list[str]:
    python = ENVIRONMENTS / "foxray" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", FOXRAY], check=True)
    lines = "".join(json.dumps(one.event) + "\n" for one in events)
    done = subprocess.run([str(python), "-c", ASK_FOXRAY], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


def type_and_message(one: Labelled) -> str:
    event = read_event(one.event)
    thrown = event.exceptions[-1] if event.exceptions else None
    return f"{thrown.type}: {thrown.value}" if thrown else event.message


def mistakes(events: Sequence[Labelled], keys: Sequence[str], show: Callable[[Labelled], str]) -> None:
    """Print which bugs were torn apart and which were mixed: what to look at when a figure is bad."""
    by_label, by_key = defaultdict(list), defaultdict(list)
    for one, key in zip(events, keys, strict=True):
        by_label[one.label].append((key, one))
        by_key[key].append(one)
    for label, found in by_label.items():
        if len({key for key, _ in found}) > 1:
            print(f"TORN {label}")
            for key, one in found:
                print(f"    {key[:6]} {one.mutation:<14} {show(one)}")
    for key, found in by_key.items():
        if len({one.label for one in found}) > 1:
            print(f"MIXED {key[:6]} {Counter(one.label for one in found)}\n    {show(found[0])}")


def explain(one: Labelled) -> str:
    return " | ".join(f"{part.kind}={part.text}" for part in fingerprint(read_event(one.event)).parts)[:220]


if __name__ == "__main__":  # python -m benchmarks.grouping NAME: the mistakes in one set
    chosen = labelled(sys.argv[1])
    mistakes(chosen, ours(chosen), explain)
