"""
Observations: what window rules look at, added up for each tick of ten seconds by the time of receipt. Pure.

A tick's observations never change once it was judged: what comes late counts in the next one. So a rule can be replayed
on them and finds what live evaluation found.
"""

from typing import Final, Literal

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.rule import TICK_S

TICK_US: Final = TICK_S * SECOND_US

TrafficSource = Literal["requests", "sessions", "transactions"]
Source = Literal["requests", "sessions", "transactions", "events"]
PREFERRED: Final[tuple[TrafficSource, ...]] = ("requests", "sessions", "transactions")
"""Where rates come from, the best first. One source for each project, environment and release: they tell of the same requests."""
SOURCE_NAMES: Final[dict[TrafficSource, str]] = {
    "requests": "request counts of ukemi.sdk",
    "sessions": "session aggregates",
    "transactions": "transactions, weighted by their sample rate",
}
MAX_USERS: Final = 500
"""Users remembered for each tick and kind of event."""


def tick_of(received_us: int) -> int:
    """End of the tick that an instant falls into: when it is judged. An instant on the border belongs to the next."""
    return received_us - received_us % TICK_US + TICK_US


class Traffic(msgspec.Struct, array_like=True):
    """Requests; with their weights, where only a sample of them was told."""

    requests: float = 0
    failures: float = 0
    samples: int = 0
    """So many of them were told: all, but for sampled transactions."""
    failed_samples: int = 0
    squares: float = 0
    """Sum of the squared weights: what the sample is worth."""
    latency: dict[int, float] = {}
    """Weight by bin of `vocabulary.latency_bin`."""

    def add(self, other: "Traffic", sign: int = 1) -> None:
        """Put `other` in, or take it out again."""
        self.requests += sign * other.requests
        self.failures += sign * other.failures
        self.samples += sign * other.samples
        self.failed_samples += sign * other.failed_samples
        self.squares += sign * other.squares
        latency = self.latency
        for number, weight in other.latency.items():
            total = latency.get(number, 0) + sign * weight
            if total:
                latency[number] = total
            else:
                del latency[number]

    def copy(self) -> "Traffic":
        return msgspec.structs.replace(self, latency=dict(self.latency))


class EventKind(msgspec.Struct, frozen=True, array_like=True):
    """What events of a tick have in common, as far as rules can ask for it."""

    issue: str
    level: str
    domain: str
    is_expected: bool
    key_kind: str


class EventCount(msgspec.Struct, array_like=True):
    events: int = 0
    users: list[str] = []
    """Different ones, at most MAX_USERS."""


class Service(msgspec.Struct, frozen=True, order=True):
    """What sent something."""

    project_id: int
    environment: str
    release: str


class Observation(msgspec.Struct, frozen=True):
    """All of one source that a service sent in one tick."""

    tick_us: int
    service: Service
    source: Source
    traffic: dict[str, Traffic] = {}
    """By route, such as `POST /api/payments`; sessions have none: "". Empty for source `events`."""
    events: list[tuple[EventKind, EventCount]] = []


def weight(sample_rate: float) -> float:
    """
    How many requests a sampled one stands for; a multiple of 1/1024, so that sums of weights are exact.

    Args:
        sample_rate: above 0, at most 1.
    """
    return max(1024, round(1024 / sample_rate)) / 1024


def request(route_latency: dict[int, float], *, count: float = 1, failed: bool = False, rate: float = 1) -> Traffic:
    """Requests of one route that were answered alike."""
    one = weight(rate)
    return Traffic(
        requests=count * one,
        failures=count * one if failed else 0,
        samples=int(count),
        failed_samples=int(count) if failed else 0,
        squares=count * one * one,
        latency={number: weight_ * one for number, weight_ in route_latency.items()},
    )
