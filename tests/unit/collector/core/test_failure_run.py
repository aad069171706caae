"""Consecutive failures over all processes of a service, held against a model that knows every request of each."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.collector.core.processes import Process, at, process
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.failure_run import FailureRun, failure_run, silent_since

SILENCE_US = 30 * SECOND_US


def run_of(*processes: Process, now_s: float) -> FailureRun:
    return failure_run([one.seen() for one in processes], SILENCE_US, at(now_s))


def silence_of(*processes: Process, now_s: float, observing_since_s: float = 0) -> int | None:
    return silent_since([one.seen() for one in processes], SILENCE_US, at(observing_since_s), at(now_s))


# --- runs -------------------------------------------------------------------------------------------------------------


def test_nobody_has_no_run():
    assert failure_run([], SILENCE_US, at(0)) == FailureRun(0, None, None, None, 0, None)


def test_failures_of_several_processes_are_one_run():
    one, other = process("xxxxx", report_s=5), process("xxxxx", begin_s=0.5, report_s=5)

    assert run_of(one, other, now_s=5) == FailureRun(10, at(0), at(4.5), None, 2, at(5))


def test_a_success_of_any_process_ends_the_run():
    sick, healthy = process("xxxxxxxxx xxx", report_s=13), process("         o", report_s=13)

    assert run_of(sick, healthy, now_s=13).length == 3


def test_a_success_at_the_instant_of_a_failure_comes_after_it():
    """Clocks are not fine enough to tell; a doubt must not wake anybody."""
    assert run_of(process("x", report_s=1), process("o", report_s=1), now_s=1).length == 0


def test_a_failure_counts_once_every_live_process_has_reported_past_it():
    """The other may have succeeded since, and not have said so yet."""
    sick, slow = process("xxxxxxxxxx", report_s=10), process("", report_s=4)

    assert run_of(sick, slow, now_s=10).length == 5
    assert run_of(sick, process("", report_s=10), now_s=10).length == 10


def test_what_happened_past_the_slowest_report_is_not_judged_yet():
    run = run_of(process("xxx", report_s=3), process("", report_s=1), now_s=3)

    assert (run.length, run.judged_until_us) == (2, at(1))


def test_nobody_waits_for_a_process_that_ended_or_fell_silent():
    sick = process("xxxxxxxxxx", begin_s=30, report_s=40)

    assert run_of(sick, process("", report_s=31, is_ended=True), now_s=40).length == 10
    assert run_of(sick, process("", report_s=10), now_s=39.999).length == 0
    assert run_of(sick, process("", report_s=10), now_s=40).length == 10


def test_failures_of_processes_that_are_gone_still_count():
    """Workers that crash and are started again fail once each."""
    gone = [process("x", begin_s=second, report_s=second, is_ended=True) for second in range(9)]

    assert run_of(*gone, process("x", begin_s=9, report_s=10), now_s=10).length == 10


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_service_that_dies_after_traffic_is_silent_since_its_last_report():
    busy = process("ooo", report_s=3)

    assert silence_of(busy, now_s=32.999) is None
    assert silence_of(busy, now_s=33) == at(3)


def test_while_one_process_reports_a_service_is_not_silent():
    assert silence_of(process("ooo", report_s=3), process("", report_s=60), now_s=61) is None


def test_who_said_good_bye_may_be_silent():
    assert silence_of(process("ooo", report_s=3, is_ended=True), now_s=100) is None


def test_a_process_that_ended_does_not_excuse_the_one_that_died_after_it():
    ended = process("ooo", report_s=3, is_ended=True)

    assert silence_of(ended, process("ooo", report_s=5), now_s=60) == at(5)


def test_a_service_that_nobody_asked_anything_may_be_silent():
    assert silence_of(process("", report_s=3), now_s=100) is None
    assert silence_of(now_s=100) is None


def test_after_ten_idle_minutes_silence_is_nothing_to_remark():
    assert silence_of(process("o", report_s=599), now_s=1000) == at(599)
    assert silence_of(process("o", report_s=600), now_s=1000) is None


def test_silence_before_the_collector_listened_is_its_own():
    busy = process("ooo", report_s=3)

    assert silence_of(busy, now_s=1029, observing_since_s=1000) is None
    assert silence_of(busy, now_s=1030, observing_since_s=1000) == at(3)


# --- against all that happened ----------------------------------------------------------------------------------------

NOW_S = 100


def processes(report_s: st.SearchStrategy[int], *, may_end: bool = True) -> st.SearchStrategy[list[Process]]:
    """Up to four processes that served requests at any second until now."""

    def build(requests: list[tuple[int, bool]], last_report_s: int, is_ended: bool) -> Process:
        served = [(at(second), is_success) for second, is_success in requests]
        if is_ended:
            served = [(at_us, is_success) for at_us, is_success in served if at_us <= at(last_report_s)]
        return Process(served, at(last_report_s), is_ended)

    # Successes are rare, or no run would ever grow.
    request = st.tuples(st.integers(0, NOW_S), st.sampled_from([False] * 7 + [True]))
    is_ended = st.booleans() if may_end else st.just(False)
    return st.lists(st.builds(build, st.lists(request, max_size=15), report_s, is_ended), max_size=4)


def trailing_failures(requests: list[tuple[int, bool]]) -> int:
    length = 0
    for _, is_success in sorted(requests):
        length = 0 if is_success else length + 1
    return length


@given(processes(st.integers(0, NOW_S)))
def test_the_run_is_what_one_gets_by_reading_all_that_was_told_in_order(service):
    live = [one for one in service if not one.is_ended and at(NOW_S) - one.last_report_us < SILENCE_US]
    judged_until_us = min((one.last_report_us for one in live), default=at(NOW_S))
    told = [request for one in service for request in one.told()]

    run = run_of(*service, now_s=NOW_S)

    assert run.live == len(live)
    assert run.length == trailing_failures([(t, ok) for t, ok in told if ok or t <= judged_until_us])


@given(processes(st.just(NOW_S)))
def test_when_all_have_told_all_the_run_is_the_truth(service):
    assert run_of(*service, now_s=NOW_S).length == trailing_failures([r for one in service for r in one.requests])


@given(processes(st.integers(NOW_S - 29, NOW_S), may_end=False))
def test_no_run_is_longer_than_one_that_really_happened(service):
    """Also when each process is heard of at another time, and holds back what it served since."""
    happened = sorted(request for one in service for request in one.requests)
    real = [len(list(block)) for is_success, block in groupby(happened, key=lambda r: r[1]) if not is_success]

    assert run_of(*service, now_s=NOW_S).length <= max(real, default=0)
