"""Which transactions are kept. Decided by path segments: the route is not matched yet when sentry-sdk asks."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final

from ukemi.protocol.vocabulary import HEALTH_SEGMENTS

CRITICAL_SEGMENTS: Final = frozenset({"payment", "payments", "auth", "login", "checkout"})
HEALTH_RATE: Final = 0.01
CRITICAL_RATE: Final = 1.0

SamplingContext = Mapping[str, Any]


@lru_cache(maxsize=1024)
def segments(path: str) -> frozenset[str]:
    """`/api/payments/42` → api, payments, 42."""
    return frozenset(part for part in path.lower().split("/") if part)


def lowered(words: Collection[str]) -> frozenset[str]:
    """Words of a setting as `segments` gives them."""
    return frozenset(word.lower() for word in words)


def request_sampler(
    base_rate: float,
    critical: Collection[str] = CRITICAL_SEGMENTS,
    health: Collection[str] = HEALTH_SEGMENTS,
) -> Callable[[str, bool | None], float]:
    """
    The rate of a request, by its path and by what its caller decided about the trace (None: nothing).

    In this order: health checks 1 %, critical paths 100 %, the caller's decision, `base_rate`.

    Args:
        critical: path segments, such as `payments`, whose requests are all kept.
        health: path segments of health checks.
    """
    critical, health = lowered(critical), lowered(health)

    def rate(path: str, parent: bool | None) -> float:
        parts = segments(path)
        if parts & health:
            return HEALTH_RATE
        if parts & critical:
            return CRITICAL_RATE
        return base_rate if parent is None else float(parent)

    return rate


def make_traces_sampler(
    base_rate: float,
    critical: Collection[str] = CRITICAL_SEGMENTS,
    health: Collection[str] = HEALTH_SEGMENTS,
) -> Callable[[SamplingContext], float]:
    """A `traces_sampler` for sentry-sdk that decides as `request_sampler` does; by name where there is no path."""
    rate = request_sampler(base_rate, critical, health)

    def sample(context: SamplingContext) -> float:
        transaction = context.get("transaction_context") or {}
        scope = context.get("asgi_scope") or {}
        return rate(str(scope.get("path") or transaction.get("name") or ""), context.get("parent_sampled"))

    return sample
