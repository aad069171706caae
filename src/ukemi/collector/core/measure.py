"""
What a window's sums say about a condition: a value, whether it is surely too high, and whether it is still too high to end. Pure.

The formulas stand with their price in docs/reference/conditions.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Final, assert_never

import msgspec

from ukemi.collector.core.observation import SOURCE_NAMES, Traffic, TrafficSource
from ukemi.collector.core.rule import (
    CountCondition,
    PercentileCondition,
    RatioCondition,
    SilenceCondition,
    WindowCondition,
)
from ukemi.collector.core.words import duration, percent
from ukemi.protocol.vocabulary import latency_of_bin

Values = dict[str, int | float | str | None]


class Gathered(msgspec.Struct):
    """What the window holds for one instance of a rule."""

    traffic: Traffic = msgspec.field(default_factory=Traffic)
    """Of the window itself while it is of one route and service; so never change it unless `is_own`."""
    sources: set[TrafficSource] = msgspec.field(default_factory=set)
    count: int = 0
    """Events, or users, or requests: what the condition counts."""
    before: int = 0
    """How many came in the comparison time before the window."""
    is_own: bool = False


class Measured(msgspec.Struct, frozen=True):
    is_true: bool
    is_held: bool
    """Too high for an incident to end."""
    sample: int
    value: float | None
    """None when there is nothing to judge."""
    threshold: float
    because: str
    values: Values = {}


def measure(condition: WindowCondition, gathered: Gathered, ends_below: float) -> Measured:
    """
    Judge one window.

    Args:
        ends_below: share of the threshold below which the value must be for an incident to end.
    """
    match condition:
        case RatioCondition():
            return _ratio(condition, gathered, ends_below)
        case PercentileCondition():
            return _percentile(condition, gathered, ends_below)
        case CountCondition():
            return _count(condition, gathered, ends_below)
        case SilenceCondition():
            return _silence(condition, gathered)
        case _:
            assert_never(condition)


def wilson_lower(share: float, sample: float, confidence: float) -> float:
    """
    What a true share is above, with one-sided confidence, when `share` of a sample was seen.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).

    Args:
        sample: size, above 0; of a weighted sample, what it is worth.
        confidence: 0 gives the share itself.
    """
    if not confidence:
        return share
    z = _z(confidence)
    square = z * z / sample
    middle = share + square / 2
    spread = z * math.sqrt(share * (1 - share) / sample + square / (4 * sample))
    return max(0.0, (middle - spread) / (1 + square))


def quantile_ms(latency: Mapping[int, float], share: float) -> float | None:
    """
    The latency that `share` of the requests do not exceed, within 1 %; None without requests.

    Args:
        latency: weight by bin.
    """
    total = sum(latency.values())
    reached = 0.0
    for number in sorted(latency):
        reached += latency[number]
        if reached >= share * total:
            return latency_of_bin(number)
    return None


def slower_than(latency: Mapping[int, float], limit_ms: float) -> float:
    """Weight of the requests above a limit, which is as exact as the bins: 1 %."""
    return sum(weight for number, weight in latency.items() if latency_of_bin(number) > limit_ms)


_CONFIDENT: Final = NormalDist()


@lru_cache(100)
def _z(confidence: float) -> float:
    return _CONFIDENT.inv_cdf(confidence) if confidence > 0.5 else 0.0


def _sources(sources: Iterable[TrafficSource]) -> str:
    return " and ".join(SOURCE_NAMES[source] for source in sorted(sources))


def _worth(traffic: Traffic) -> float:
    """The size of an unweighted sample that says as much (Kish)."""
    return traffic.requests * traffic.requests / traffic.squares if traffic.squares else 0.0


def _ratio(condition: RatioCondition, gathered: Gathered, ends_below: float) -> Measured:
    traffic = gathered.traffic
    what, one = ("sessions", "crashed") if condition.of == "crashes" else ("requests", "failed")
    window = duration(condition.window_s)
    values: Values = {
        what: round(traffic.requests),
        one: round(traffic.failures),
        "threshold": condition.above,
        "source": _sources(gathered.sources),
    }
    if not traffic.samples:
        return Measured(False, False, 0, None, condition.above, f"No {what} came in {window}.", values)
    share = min(1.0, traffic.failures / traffic.requests)
    lower = wilson_lower(share, _worth(traffic), condition.confidence)
    values |= {"share": round(share, 5), "surely_above": round(lower, 5)}
    if traffic.samples != round(traffic.requests):
        values["sample"] = traffic.samples
    is_enough = traffic.samples >= condition.min_requests and traffic.failed_samples >= condition.min_failures
    is_true = is_enough and lower > condition.above
    text = f"{percent(share)} of {round(traffic.requests)} {what} {one} in {window}"
    if is_true:
        because = f"{text}, more than {percent(condition.above)}."
    elif share <= condition.above:
        because = f"{text}; {percent(condition.above)} is the threshold."
    elif traffic.samples < condition.min_requests:
        because = f"{text}: too few to judge, {condition.min_requests} are needed."
    elif traffic.failed_samples < condition.min_failures:
        because = f"{text}: too few failures to judge, {condition.min_failures} are needed."
    else:
        because = f"{text}; that it is more than {percent(condition.above)} is not sure yet."
    return Measured(
        is_true, share >= ends_below * condition.above, traffic.samples, share, condition.above, because, values
    )


def _percentile(condition: PercentileCondition, gathered: Gathered, ends_below: float) -> Measured:
    """P95 above 1 s is the same as: more than 5 % took longer than 1 s. So it is judged as a share is."""
    traffic = gathered.traffic
    window, name = duration(condition.window_s), f"P{condition.quantile * 100:g}"
    values: Values = {
        "requests": round(traffic.requests),
        "threshold_ms": condition.above_ms,
        "error": "1 %",
        "source": _sources(gathered.sources),
    }
    measured_ms = quantile_ms(traffic.latency, condition.quantile)
    if not traffic.samples or measured_ms is None:
        because = f"No requests with a latency came in {window}."
        return Measured(False, False, 0, None, condition.above_ms, because, values)
    weight = sum(traffic.latency.values())
    slow = slower_than(traffic.latency, condition.above_ms)
    lower = wilson_lower(slow / weight, _worth(traffic), condition.confidence)
    slow_samples = round(slow * traffic.samples / weight)
    values |= {f"{name.lower()}_ms": round(measured_ms, 1), "slower": round(slow), "surely_slower": round(lower, 5)}
    is_enough = traffic.samples >= condition.min_requests and slow_samples >= condition.min_slow
    is_true = is_enough and measured_ms > condition.above_ms and lower >= 1 - condition.quantile
    text = f"{name} of {round(traffic.requests)} requests was {measured_ms / 1000:.2f} s in {window}"
    if is_true:
        because = f"{text}, more than {condition.above_ms / 1000:g} s."
    elif measured_ms <= condition.above_ms:
        because = f"{text}; {condition.above_ms / 1000:g} s is the threshold."
    elif not is_enough:
        because = f"{text}: too few to judge, {condition.min_requests} with {condition.min_slow} slow ones are needed."
    else:
        because = f"{text}; that it is more than {condition.above_ms / 1000:g} s is not sure yet."
    is_held = measured_ms >= ends_below * condition.above_ms
    return Measured(is_true, is_held, traffic.samples, measured_ms, condition.above_ms, because, values)


def _count(condition: CountCondition, gathered: Gathered, ends_below: float) -> Measured:
    count = gathered.count
    usual = gathered.before * condition.window_s / condition.usual_over_s if condition.times_usual else 0.0
    threshold = max(float(condition.at_least), condition.times_usual * usual)
    values: Values = {condition.of: count, "at_least": condition.at_least}
    text = f"{count} {condition.of}{_of_kind(condition)} in {duration(condition.window_s)}"
    if condition.times_usual:
        values |= {"usual": round(usual, 2), "times_usual": condition.times_usual}
        text += f", where {usual:.1f} are usual"
    is_true = count >= condition.at_least and count > condition.times_usual * usual
    because = f"{text}." if is_true else f"{text}; {math.ceil(threshold)} are needed."
    return Measured(is_true, count > 0 and count >= ends_below * threshold, count, count, threshold, because, values)


def _of_kind(condition: CountCondition) -> str:
    """Whose count it is, such as ` that users can cause alone, in auth or payment`."""
    kind = {None: "", True: " that users can cause alone", False: " that users cannot cause alone"}[condition.expected]
    if condition.levels:
        kind += f", at level {' or '.join(condition.levels)},"
    if condition.domains:
        kind += f" in {' or '.join(condition.domains)}"
    return kind


def _silence(condition: SilenceCondition, gathered: Gathered) -> Measured:
    is_true = gathered.count == 0 and gathered.before >= condition.at_least
    values: Values = {condition.of: gathered.count, "before": gathered.before, "at_least": condition.at_least}
    if gathered.sources:
        values["source"] = _sources(gathered.sources)
    window, before = duration(condition.window_s), duration(condition.before_s)
    if is_true:
        because = f"No {condition.of} came in {window}, though {gathered.before} came in {before} before."
    elif gathered.count:
        because = f"{gathered.count} {condition.of} came in {window}."
    else:
        because = f"No {condition.of} came in {window}, but only {gathered.before} in {before} before; {condition.at_least} are needed."
    # Nothing in the time before either: a silence that was told goes on until something comes.
    return Measured(is_true, gathered.count == 0, gathered.count, gathered.count, 1, because, values)
