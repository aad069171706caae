"""What does scrubbing an event cost, beside reading and writing its JSON? Of events as the SDK makes them, each seen once."""

import asyncio
import copy
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import jwt
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

import ukemi.sdk
from benchmarks.overhead_app import SECRET, make_app
from ukemi.privacy import Rules, scrub

WARM, MEASURED = 100, 300
"""Events. A process that was just begun knows no text."""
USERS = 100
"""Who ask in turn."""
RULES = Rules(hash_key=b"k" * 32)


class Measured(NamedTuple):
    step: str
    median_us: float
    bytes: int
    """Of JSON, median."""


class _Nowhere(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        pass


def measure() -> list[Measured]:
    """Medians over events of one app: same code, a hundred users in turn; other variables, ids and times in each."""
    errors, transactions = _made()
    steps: list[tuple[str, list[Any], Callable[[Any], object]]] = [
        ("read the JSON of an error", [json.dumps(error) for error in errors], json.loads),
        ("write the JSON of an error", errors, json.dumps),
        ("scrub an error", errors, _scrub),
        ("scrub a transaction", transactions, _scrub),
    ]
    return [_measured(name, values, step) for name, values, step in steps]


def _scrub(tree: Any) -> object:
    return scrub(tree, RULES, finds_names=True)


def _measured(name: str, values: list[Any], step: Callable[[Any], object]) -> Measured:
    took_us = []
    for value in values:
        began_ns = time.thread_time_ns()
        step(value)
        took_us.append((time.thread_time_ns() - began_ns) / 1000)
    sizes = [len(value if isinstance(value, str) else json.dumps(value)) for value in values]
    return Measured(name, statistics.median(took_us[WARM:]), int(statistics.median(sizes)))


def _made() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Errors and transactions as they are before they are scrubbed."""
    kept: dict[bool, list[dict[str, Any]]] = {True: [], False: []}

    def keep(event: dict[str, Any], _hint: Any) -> dict[str, Any]:
        kept[event.get("type") == "transaction"].append(copy.deepcopy(event))
        return event

    app = make_app(
        "ukemi 100 % whole",
        dsn="http://key@127.0.0.1:9/1",
        transport=_Nowhere,
        before_send=keep,
        before_send_transaction=keep,
    )

    async def ask() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            for number in range(WARM + MEASURED):
                who = number % USERS
                claims = {"sub": str(who), "email": f"member{who}@example.org", "username": f"member.{who}"}
                token = jwt.encode(claims | {"role": "member", "tier": "gold"}, SECRET)
                headers = {"Authorization": f"Bearer {token}"}
                for path in (f"/items/{number}", f"/fail/{number}"):
                    await client.get(path, headers=headers)

    asyncio.run(ask())
    ukemi.sdk.flush(ended=True)
    sentry_sdk.get_client().close()
    failures = [one for one in kept[True] if "/fail/" in one["transaction"]]
    return kept[False], [one for one in kept[True] if one not in failures]


def table(rows: list[Measured]) -> None:
    print(f"{'in process, medians':<34} {'µs':>9} {'KB':>14}")
    for row in rows:
        print(f"{row.step:<34} {row.median_us:>9.0f} {row.bytes / 1000:>14.1f}")


def main() -> None:
    table(measure())
