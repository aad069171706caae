"""From a window's sums to what one rule wants of them, split by its labels. Pure."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.measure import Gathered
from ukemi.collector.core.observation import PREFERRED, TICK_US, EventKind, Service, Source, Traffic, TrafficSource
from ukemi.collector.core.rule import (
    CountCondition,
    Label,
    PercentileCondition,
    RatioCondition,
    Rule,
    SilenceCondition,
    WindowCondition,
    span_s,
)
from ukemi.collector.core.windows import Tally, Window, Windows

Labels = tuple[tuple[str, str], ...]
Found = dict[tuple[int, Labels], Gathered]
"""By project and labels."""


def lengths_us(condition: WindowCondition) -> set[int]:
    """The windows that a condition looks at."""
    return {_ticks_us(condition.window_s), _ticks_us(span_s(condition))}


def gather(
    windows: Windows, rule: Rule, condition: WindowCondition, cache: dict[object, Mapping[tuple[int, Labels], Gathered]]
) -> Mapping[tuple[int, Labels], Gathered]:
    """
    What the windows hold for each instance of a rule.

    Args:
        cache: of this tick: rules that differ in numbers alone share what they look at.
    """
    key = (_key(condition), tuple(rule.environments), tuple(rule.split_by))
    if key not in cache:
        cache[key] = _gather(windows, rule, condition)
    return cache[key]


def _key(condition: WindowCondition) -> object:
    lengths = (_ticks_us(condition.window_s), _ticks_us(span_s(condition)))
    match condition:
        case RatioCondition():
            return (condition.of, tuple(condition.routes), lengths)
        case PercentileCondition():
            return ("latency", tuple(condition.routes), lengths)
        case _:
            return msgspec.json.encode(condition)


def _gather(windows: Windows, rule: Rule, condition: WindowCondition) -> Found:
    window = windows.by_length[_ticks_us(condition.window_s)]
    match condition:
        case RatioCondition():
            only: TrafficSource | None = "sessions" if condition.of == "crashes" else None
            return _traffic(window, rule, condition.routes, only)
        case PercentileCondition():
            return _traffic(window, rule, condition.routes, None, without="sessions")
        case CountCondition():
            found = _events(window, rule, condition)
        case SilenceCondition(of="requests"):
            found = _traffic(window, rule, condition.routes, None)
        case SilenceCondition():
            found = _events(window, rule, condition)
    if span_s(condition) > condition.window_s:
        _compare(windows.by_length[_ticks_us(span_s(condition))], rule, condition, found)
    return found


def _compare(longer: Window, rule: Rule, condition: CountCondition | SilenceCondition, found: Found) -> None:
    """Fill in what came before the window."""
    if isinstance(condition, SilenceCondition) and condition.of == "requests":
        longer_found = _traffic(longer, rule, condition.routes, None)
    else:
        longer_found = _events(longer, rule, condition)
    for subject, whole in longer_found.items():
        one = found.setdefault(subject, Gathered(sources=whole.sources))
        one.before = whole.count - one.count


def _traffic(
    window: Window, rule: Rule, routes: list[str], only: TrafficSource | None, without: TrafficSource | None = None
) -> Found:
    found: Found = {}
    by, patterns = rule.split_by, tuple(routes)
    for service, sources in window.traffic.items():
        if rule.environments and service.environment not in rule.environments:
            continue
        source = _choose(sources, only, without)
        if source is None:
            continue
        for route, traffic in sources[source].items():
            if patterns and not matches_route(patterns, route):
                continue
            subject = (service.project_id, _labels(by, service, route=route))
            one = found.get(subject)
            if one is None:
                found[subject] = Gathered(traffic, {source}, round(traffic.requests))
                continue
            if not one.is_own:  # until here it was the window's own sum, which must stay as it is
                one.traffic, one.is_own = one.traffic.copy(), True
            one.traffic.add(traffic)
            one.sources.add(source)
            one.count += round(traffic.requests)
    return found


def _choose(
    sources: Mapping[Source, dict[str, Traffic]], only: TrafficSource | None, without: TrafficSource | None
) -> TrafficSource | None:
    """The best source that is there: two of them tell of the same requests, so they are never added."""
    return next((one for one in PREFERRED if one in sources and one != without and (only is None or one == only)), None)


def _events(window: Window, rule: Rule, condition: CountCondition | SilenceCondition) -> Found:
    found: Found = {}
    users: dict[tuple[int, Labels], set[str]] = {}
    by = rule.split_by
    for service, kind, tally in _wanted(window, rule, condition):
        subject = (service.project_id, _labels(by, service, kind=kind))
        one = found.setdefault(subject, Gathered())
        if condition.of == "users":
            known = users.setdefault(subject, set())
            known.update(tally.users)
            one.count = len(known)
        else:
            one.count += tally.events
    return found


def _wanted(
    window: Window, rule: Rule, condition: CountCondition | SilenceCondition
) -> Iterator[tuple[Service, EventKind, Tally]]:
    levels = condition.levels if isinstance(condition, CountCondition) else []
    key_kinds = condition.key_kinds if isinstance(condition, CountCondition) else []
    expected = condition.expected if isinstance(condition, CountCondition) else None
    for service, tallies in window.events.items():
        if rule.environments and service.environment not in rule.environments:
            continue
        for kind, tally in tallies.items():
            if (
                (not condition.domains or kind.domain in condition.domains)
                and (not levels or kind.level in levels)
                and (not key_kinds or kind.key_kind in key_kinds)
                and (expected is None or kind.is_expected is expected)
            ):
                yield service, kind, tally


@lru_cache(10_000)
def matches_route(patterns: tuple[str, ...], route: str) -> bool:
    """
    Whether a route, such as `POST /api/payments`, is meant: by one of the patterns, with or without its method, and by none
    of those that begin with `!`. When all of them do, every other route is meant.
    """
    path = route.partition(" ")[2]

    def is_one_of(some: list[str]) -> bool:
        return any(fnmatchcase(route, pattern) or fnmatchcase(path, pattern) for pattern in some)

    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return (not wanted or is_one_of(wanted)) and not is_one_of(unwanted)


def _labels(by: list[Label], service: Service, *, route: str = "", kind: EventKind | None = None) -> Labels:
    if by == ["environment"]:
        return (("environment", service.environment),)
    values = {"environment": service.environment, "release": service.release, "route": route}
    if kind is not None:
        values |= {"domain": kind.domain, "issue": kind.issue}
    return tuple((label, values[label]) for label in sorted(set(by)))


def _ticks_us(seconds: float) -> int:
    """A window, in whole ticks."""
    return -(-round(seconds * SECOND_US) // TICK_US) * TICK_US
