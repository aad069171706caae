"""Request counts: absolute numbers, sent again and again, add up to the truth whatever happens to single reports."""

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.request_counts import (
    Counted,
    Route,
    counts_of,
    increase,
    merged,
    place_bucket,
    place_instance,
)
from ukemi.protocol.request_counts import Bucket, Instance, RequestCounts, RouteCount
from ukemi.protocol.vocabulary import REQUEST_BUCKETS_RESENT

NOW_US = 1_767_225_600_000_000
PAY, LIST = ("POST", "/pay", 200), ("GET", "/members", 200)

Counts = Mapping[Route, Counted]
Report = dict[int, Counts]
"""Absolute counts by the bucket's sequence."""


def bucket(sequence: int, counts: Counts, age_ms: int = 0) -> Bucket:
    routes = [RouteCount(*route, counted.count, dict(counted.latency)) for route, counted in counts.items()]
    return Bucket(sequence, age_ms, routes)


class Service:
    """What a collector has added up, by the functions that the store calls, in their order."""

    def __init__(self) -> None:
        self.buckets: dict[int, Counts] = {}
        self.totals: dict[Route, Counted] = {}

    def take(self, report: Report) -> None:
        for sequence, counts in report.items():
            old = self.buckets.get(sequence, {})
            new = merged([old, counts_of(bucket(sequence, counts))])
            for route, more in increase(old, new).items():
                self.totals[route] = self.totals.get(route, Counted()).added(more)
            self.buckets[sequence] = new


class Process:
    """An app's process, which knows every request it served."""

    def __init__(self) -> None:
        self.sequence = 0
        self.served: dict[int, dict[Route, Counted]] = {}

    def serve(self, route: Route, latency_bin: int) -> None:
        counts = self.served.setdefault(self.sequence, {})
        counts[route] = counts.get(route, Counted()).added(Counted(1, {str(latency_bin): 1}))

    def report(self) -> Report:
        """The latest buckets, as they stand now."""
        first = self.sequence - REQUEST_BUCKETS_RESENT
        return {sequence: dict(counts) for sequence, counts in self.served.items() if sequence > first}


def added(buckets: Mapping[int, Counts]) -> dict[Route, Counted]:
    """Sum over buckets."""
    totals: dict[Route, Counted] = {}
    for counts in buckets.values():
        for route, counted in counts.items():
            totals[route] = totals.get(route, Counted()).added(counted)
    return totals


# --- what one report says ---------------------------------------------------------------------------------------------


def test_ages_become_instants_counted_back_from_the_receipt():
    report = RequestCounts(
        version=1,
        instance=Instance("ab" * 16, age_ms=60_000),
        buckets=[],
        since_request_ms=10,
        since_success_ms=5_000,
        failures_ms=[4_000, 10],
        failure_count=2,
    )

    state = place_instance(report, NOW_US)

    assert state.started_us == NOW_US - 60 * SECOND_US
    assert state.last_report_us == NOW_US
    assert state.last_request_us == NOW_US - 10_000
    assert state.last_success_us == NOW_US - 5 * SECOND_US
    assert state.failures_us == [NOW_US - 4 * SECOND_US, NOW_US - 10_000]
    assert state.failure_count == 2
    assert state.ended_us is None


def test_a_process_that_served_nothing_and_says_good_bye():
    report = RequestCounts(version=1, instance=Instance("ab" * 16), buckets=[], ended=True)

    state = place_instance(report, NOW_US)

    assert (state.last_request_us, state.last_success_us, state.failures_us) == (None, None, [])
    assert state.ended_us == NOW_US


@pytest.mark.parametrize("age_ms", [0, 1, 5_000, 9_999, 10_000, 123_456])
def test_a_bucket_stands_on_a_multiple_of_its_width(age_ms):
    place_us = place_bucket(bucket(1, {}, age_ms), NOW_US)

    assert place_us % (10 * SECOND_US) == 0
    assert 0 <= NOW_US - age_ms * 1000 - place_us < 10 * SECOND_US


def test_a_route_that_stands_twice_in_a_bucket_adds_up():
    row = RouteCount("POST", "/pay", 200, 2, {"5": 2})

    assert counts_of(Bucket(1, 0, [row, row])) == {PAY: Counted(4, {"5": 4})}


def test_names_that_are_too_long_are_cut_and_their_counts_kept():
    rows = [RouteCount("M" * 99, "/" * 999, 200, 1), RouteCount("M" * 98, "/" * 998, 200, 1)]

    assert counts_of(Bucket(1, 0, rows)) == {("M" * 16, "/" * 200, 200): Counted(2)}


def test_counts_never_fall_below_zero():
    assert Counted(1, {"5": 1}).without(Counted(3, {"5": 2, "6": 1})) == Counted(0, {})


# --- reports that come twice, or not at all ---------------------------------------------------------------------------


def test_the_same_report_twice_adds_nothing():
    service = Service()
    report = {0: {PAY: Counted(3, {"5": 2, "7": 1})}}

    service.take(report)
    service.take(report)

    assert service.totals == {PAY: Counted(3, {"5": 2, "7": 1})}


def test_a_later_report_adds_what_is_new_in_it():
    service = Service()

    service.take({0: {PAY: Counted(3, {"5": 3})}})
    service.take({0: {PAY: Counted(4, {"5": 3, "9": 1}), LIST: Counted(1, {"2": 1})}})

    assert service.totals == {PAY: Counted(4, {"5": 3, "9": 1}), LIST: Counted(1, {"2": 1})}


def test_the_next_report_heals_a_lost_one():
    process, service = Process(), Service()
    process.serve(PAY, 5)
    process.report()  # lost on the way
    process.sequence += 1
    process.serve(LIST, 2)

    service.take(process.report())

    assert service.totals == {PAY: Counted(1, {"5": 1}), LIST: Counted(1, {"2": 1})}


def test_a_bucket_heals_for_as_long_as_it_is_sent_again():
    process, service = Process(), Service()
    process.serve(PAY, 5)
    process.sequence = REQUEST_BUCKETS_RESENT - 1
    service.take(process.report())
    assert service.totals == {PAY: Counted(1, {"5": 1})}

    late = Service()
    process.sequence = REQUEST_BUCKETS_RESENT
    late.take(process.report())
    assert late.totals == {}


def test_an_old_report_that_comes_late_takes_nothing_back():
    service = Service()
    service.take({0: {PAY: Counted(4, {"5": 4})}})

    service.take({0: {PAY: Counted(3, {"5": 3})}})
    service.take({0: {PAY: Counted(5, {"5": 5})}})

    assert service.totals == {PAY: Counted(5, {"5": 5})}


STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from([PAY, LIST, ("GET", "/members", 500)]), st.integers(-2, 3)), max_size=4),
        st.integers(0, 2),  # buckets that go by
        st.integers(0, 2),  # times that the report arrives
        st.lists(st.integers(0, 30), max_size=2),  # older reports that come again
    ),
    max_size=25,
)


@given(STEPS)
def test_what_was_reported_last_of_each_bucket_is_counted_exactly_once(steps):
    """Whatever is lost, comes twice or comes again later. Beyond that, nothing is ever counted that was not served."""
    process, service = Process(), Service()
    delivered: list[Report] = []
    told: dict[int, Counts] = {}
    for requests, buckets_by, arrivals, again in steps:
        for route, latency_bin in requests:
            process.serve(route, latency_bin)
        report = process.report()
        for _ in range(arrivals):
            service.take(report)
            delivered.append(report)
            told |= report
        for number in again:
            if number < len(delivered):
                service.take(delivered[number])
        process.sequence += buckets_by

    assert service.totals == added(told)
    for route, counted in service.totals.items():
        assert counted.count == sum(counted.latency.values()) <= added(process.served)[route].count


@given(STEPS)
def test_one_report_that_comes_through_in_time_makes_the_totals_true(steps):
    """At least every sixth bucket one report comes through; then nothing is missing in the end."""
    process, service = Process(), Service()
    unheard = 0
    for requests, buckets_by, arrivals, _ in steps:
        for route, latency_bin in requests:
            process.serve(route, latency_bin)
        unheard += buckets_by
        if arrivals or unheard >= REQUEST_BUCKETS_RESENT:
            service.take(process.report())
            unheard = buckets_by
        process.sequence += buckets_by
    service.take(process.report())

    assert service.totals == added(process.served)


def test_adding_up_changes_none_of_its_arguments():
    old, new = {PAY: Counted(1, {"5": 1})}, {PAY: Counted(2, {"5": 2})}
    before = msgspec.json.encode([list(old.values()), list(new.values())])

    merged([old, new])
    increase(old, new)
    old[PAY].added(new[PAY])

    assert msgspec.json.encode([list(old.values()), list(new.values())]) == before
