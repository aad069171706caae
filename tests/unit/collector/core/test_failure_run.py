"""Consecutive failures over all processes of a service, held against a model that knows every request of each."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.collector.core.processes import Process, at, process
from ukemi.collector.core.failure_run import LIVE_US, WAIT_US, ServiceSeen, see_service


def seen(*processes: Process, now_s: float) -> ServiceSeen:
    return see_service([one.seen() for one in processes], at(now_s))


# --- runs -------------------------------------------------------------------------------------------------------------


def test_nobody_has_no_run():
    assert seen(now_s=0) == ServiceSeen()


def test_failures_of_several_processes_are_one_run():
    one, other = process("xxxxx", report_s=5), process("xxxxx", begin_s=0.5, report_s=5)

    assert seen(one, other, now_s=5) == ServiceSeen(run=10, run_last_us=at(4.5), live=2, last_report_us=at(5))


def test_a_success_of_any_process_ends_the_run():
    sick, healthy = process("xxxxxxxxx xxx", report_s=13), process("         o", report_s=13)

    assert seen(sick, healthy, now_s=13).run == 3


def test_a_success_at_the_instant_of_a_failure_comes_after_it():
    """Clocks are not fine enough to tell; a doubt must not wake anybody."""
    assert seen(process("x", report_s=1), process("o", report_s=1), now_s=1).run == 0


def test_a_failure_counts_once_every_live_process_has_reported_past_it():
    """The other may have succeeded since, and not have said so yet."""
    sick, slow = process("xxxxxxxxxx", report_s=10), process("", report_s=7.5)

    assert seen(sick, slow, now_s=10).run == 8
    assert seen(sick, process("", report_s=10), now_s=10).run == 10


def test_an_idle_process_holds_nobody_up_for_long():
    """Had it served anything, it would have said so within two seconds; so reports every ten seconds are enough."""
    sick, idle = process("xxxxxxxxxx", report_s=10), process("", report_s=2)

    assert seen(sick, idle, now_s=10).run == 7
    assert seen(sick, idle, now_s=13).run == 10


def test_nobody_waits_for_a_process_that_ended():
    sick = process("xxxxxxxxxx", begin_s=30, report_s=40)

    assert seen(sick, process("", report_s=31, is_ended=True), now_s=40).run == 10


def test_failures_of_processes_that_are_gone_still_count():
    """Workers that crash and are started again fail once each."""
    gone = [process("x", begin_s=second, report_s=second, is_ended=True) for second in range(9)]

    assert seen(*gone, process("x", begin_s=9, report_s=10), now_s=10).run == 10


# --- silence ----------------------------------------------------------------------------------------------------------


def silence_of(*processes: Process, now_s: float) -> int | None:
    return seen(*processes, now_s=now_s).quiet_since_us


def test_a_service_that_dies_after_traffic_is_quiet_since_its_last_report():
    busy = process("ooo", report_s=3)

    assert silence_of(busy, now_s=17.999) is None
    assert silence_of(busy, now_s=18) == at(3)
    assert see_service([busy.seen()], at(7), quiet_us=4_000_000).quiet_since_us == at(3)


def test_while_one_process_reports_a_service_is_not_quiet():
    assert silence_of(process("ooo", report_s=3), process("", report_s=60), now_s=61) is None


def test_who_said_good_bye_may_be_quiet():
    assert silence_of(process("ooo", report_s=3, is_ended=True), now_s=100) is None


def test_a_process_that_ended_does_not_excuse_the_one_that_died_after_it():
    ended = process("ooo", report_s=3, is_ended=True)

    assert silence_of(ended, process("ooo", report_s=5), now_s=60) == at(5)


def test_a_service_that_nobody_asked_anything_may_be_quiet():
    assert silence_of(process("", report_s=3), now_s=100) is None
    assert silence_of(now_s=100) is None


def test_after_ten_idle_minutes_silence_is_nothing_to_remark():
    assert silence_of(process("o", report_s=599), now_s=1000) == at(599)
    assert silence_of(process("o", report_s=600), now_s=1000) is None


def test_what_moves_on_by_itself_is_no_difference():
    """A healthy service reports every second, and nothing need be kept of that."""
    before, after = process("ooo", report_s=3), process("ooooo", report_s=5)

    assert not seen(after, now_s=5).differs(seen(before, now_s=3))
    assert seen(process("ooox", report_s=5), now_s=5).differs(seen(before, now_s=3))
    assert seen(before, now_s=30).differs(seen(before, now_s=3))
    assert not seen(before, now_s=31).differs(seen(before, now_s=30))


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
    live = [one for one in service if not one.is_ended and at(NOW_S) - one.last_report_us < LIVE_US]
    judged_until_us = min((max(one.last_report_us, at(NOW_S) - WAIT_US) for one in live), default=at(NOW_S))
    told = [request for one in service for request in one.told()]

    service_seen = seen(*service, now_s=NOW_S)

    assert service_seen.live == len(live)
    assert service_seen.run == trailing_failures([(t, ok) for t, ok in told if ok or t <= judged_until_us])


@given(processes(st.just(NOW_S)))
def test_when_all_have_told_all_the_run_is_the_truth(service):
    assert seen(*service, now_s=NOW_S).run == trailing_failures([r for one in service for r in one.requests])


@given(processes(st.integers(NOW_S - 4, NOW_S), may_end=False))
def test_no_run_is_longer_than_one_that_really_happened(service):
    """Also when each process is heard of at another time, and holds back what it served in the seconds since."""
    happened = sorted(request for one in service for request in one.requests)
    real = [len(list(block)) for is_success, block in groupby(happened, key=lambda r: r[1]) if not is_success]

    assert seen(*service, now_s=NOW_S).run <= max(real, default=0)
