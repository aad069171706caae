"""Request counts: from one process's absolute report to what it adds to the service's rollups. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.protocol.request_counts import Bucket, RequestCounts
from ukemi.protocol.vocabulary import REQUEST_BUCKET_S

WIDTHS_S: Final = (60, 3600)
"""Widths of the stored rollups."""

Route = tuple[str, str, int]
"""method, route template, status"""


class Counted(msgspec.Struct):
    """Requests and their latency bins (`vocabulary.latency_bin`, as text)."""

    count: int = 0
    latency: dict[str, int] = {}

    def added(self, other: "Counted") -> "Counted":
        return Counted(self.count + other.count, _sum(self.latency, other.latency))

    def without(self, other: "Counted") -> "Counted":
        """What is left of self beyond `other`; never negative."""
        latency = {bin_: n for bin_, count in self.latency.items() if (n := count - other.latency.get(bin_, 0)) > 0}
        return Counted(max(0, self.count - other.count), latency)


class InstanceState(msgspec.Struct, frozen=True):
    """What one report says about its process, on our clock."""

    started_us: int
    last_report_us: int
    last_request_us: int | None
    last_success_us: int | None
    failures_us: list[int]
    """Its latest failures since its latest success, oldest first."""
    failure_count: int
    ended_us: int | None


def place_instance(report: RequestCounts, received_us: int) -> InstanceState:
    """Turn the report's ages into instants, counted back from its receipt."""

    def instant(age_ms: int | None) -> int | None:
        return None if age_ms is None else received_us - age_ms * 1000

    return InstanceState(
        started_us=received_us - report.instance.age_ms * 1000,
        last_report_us=received_us,
        last_request_us=instant(report.since_request_ms),
        last_success_us=instant(report.since_success_ms),
        failures_us=sorted(received_us - age_ms * 1000 for age_ms in report.failures_ms),
        failure_count=report.failure_count,
        ended_us=received_us if report.ended else None,
    )


def place_bucket(bucket: Bucket, received_us: int) -> int:
    """Start of a bucket that is new to us, on our clock. A bucket keeps the place that its first report gave it."""
    start_us = received_us - bucket.age_ms * 1000
    return start_us - start_us % (REQUEST_BUCKET_S * SECOND_US)


def counts_of(bucket: Bucket) -> dict[Route, Counted]:
    """The bucket's absolute counts by route; double entries add up."""
    counts: dict[Route, Counted] = {}
    for row in bucket.routes:
        route = (row.method[:16], row.route[:200], row.status)
        counts[route] = counts.get(route, Counted()).added(Counted(row.count, dict(row.latency)))
    return counts


def increase(old: Mapping[Route, Counted], new: Mapping[Route, Counted]) -> dict[Route, Counted]:
    """What `new` counts beyond `old`: nothing for a report that came twice, everything that a lost one held."""
    return {route: more for route, counted in new.items() if (more := counted.without(old.get(route, Counted()))).count}


def merged(reports: Iterable[Mapping[Route, Counted]]) -> dict[Route, Counted]:
    """The greatest count of each route: reports of one bucket only grow, so the greatest is the latest."""
    result: dict[Route, Counted] = {}
    for report in reports:
        for route, counted in report.items():
            if route not in result or counted.count >= result[route].count:
                result[route] = counted
    return result


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    result = dict(one)
    for key, count in other.items():
        result[key] = result.get(key, 0) + count
    return result
