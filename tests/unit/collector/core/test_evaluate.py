"""The evaluator: when an incident opens, when it closes, and that what it says about either is true."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.collector.core.processes import Process, at, process
from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.evaluate import Seen, State, Verdict, evaluate_event, evaluate_failure_run, matches
from ukemi.collector.core.failure_run import see_service
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule

OK = State()


# --- event rules ------------------------------------------------------------------------------------------------------

ANY_CHANGE = EventCondition([ChangeKind.NEW, ChangeKind.REGRESSED, ChangeKind.EVENT], quiet_s=1800)


def seen(kind: ChangeKind = ChangeKind.EVENT, at_s: float = 0, **detail: object) -> Seen:
    return Seen(kind, at(at_s), ChangeDetail(**detail))


def rule_of(condition: EventCondition, **fields: object) -> Rule:
    return Rule("a rule", "high", condition, **fields)


def judge(
    state: State, *changes: Seen, now_s: float, condition: EventCondition = ANY_CHANGE, **fields: object
) -> Verdict:
    return evaluate_event(rule_of(condition, **fields), condition, state, changes, at(now_s))


def firing(since_s: float = 0) -> State:
    return State("firing", at(since_s), at(since_s))


@pytest.mark.parametrize(
    ("wanted", "detail", "is_match"),
    [
        ({}, {}, True),
        ({"levels": ["error", "fatal"]}, {"level": "fatal"}, True),
        ({"levels": ["error", "fatal"]}, {"level": "warning"}, False),
        ({"domains": ["payment"]}, {"tags": {"domain": "payment"}}, True),
        ({"domains": ["payment"]}, {"tags": {"domain": "auth"}}, False),
        ({"domains": ["payment"]}, {}, False),
        ({"key_kinds": ["server"]}, {"key_kind": "server"}, True),
        ({"key_kinds": ["server"]}, {"key_kind": "browser"}, False),
        ({"environments": ["production"]}, {"environment": "production"}, True),
        ({"environments": ["production"]}, {"environment": "staging"}, False),
        ({"environments": ["production"]}, {}, False),
        ({"domains": ["payment"], "levels": ["fatal"]}, {"tags": {"domain": "payment"}, "level": "error"}, False),
    ],
)
def test_a_change_matches_when_it_has_all_that_the_rule_asks_for(wanted, detail, is_match):
    fields = dict(wanted)
    environments = fields.pop("environments", [])
    condition = EventCondition([ChangeKind.EVENT], **fields)

    assert matches(rule_of(condition, environments=environments), condition, seen(**detail)) is is_match


@pytest.mark.parametrize("kind", ChangeKind)
def test_a_rule_wants_only_the_kinds_of_change_that_it_lists(kind):
    condition = EventCondition([ChangeKind.NEW])

    assert matches(rule_of(condition), condition, seen(kind)) is (kind is ChangeKind.NEW)


def test_an_incident_opens_once():
    opened = judge(OK, seen(), now_s=1)
    again = judge(opened.state, seen(at_s=5), now_s=6)

    assert (opened.transition, opened.state) == ("opened", State("firing", at(1), at(1)))
    assert (again.transition, again.state) == (None, State("firing", at(1), at(6)))


def test_nothing_opens_without_a_match():
    verdict = judge(OK, seen(ChangeKind.RESOLVED), seen(ChangeKind.REOPENED), now_s=1)

    assert (verdict.transition, verdict.state) == (None, OK)


def test_the_delay_of_an_alert_starts_with_the_receipt_of_what_opened_it():
    late = seen(at_s=9, received_us=at(2))

    assert judge(OK, seen(ChangeKind.REOPENED), late, seen(at_s=9, received_us=at(8)), now_s=10).cause_us == at(2)
    assert judge(OK, seen(at_s=9), now_s=10).cause_us == at(9)


@pytest.mark.parametrize(
    ("kind", "because"),
    [(ChangeKind.RESOLVED, "The issue was resolved."), (ChangeKind.MUTED, "The issue was muted.")],
)
def test_who_resolves_or_mutes_an_issue_ends_its_incident(kind, because):
    verdict = judge(firing(), seen(kind), now_s=5)

    assert (verdict.transition, verdict.why.because) == ("closed", because)
    assert verdict.state == State("ok", at(5), at(0))


@pytest.mark.parametrize("kind", [ChangeKind.RESOLVED, ChangeKind.MUTED])
def test_what_happened_before_an_issue_was_resolved_or_muted_is_settled(kind):
    """Both were found in one go; the person had the last word."""
    assert judge(OK, seen(), seen(kind), now_s=5).transition is None
    assert judge(firing(), seen(), seen(kind), now_s=5).transition == "closed"


def test_what_happened_after_an_issue_was_resolved_counts():
    changes = [seen(ChangeKind.RESOLVED), seen(ChangeKind.REGRESSED)]

    assert judge(OK, *changes, now_s=5).transition == "opened"
    assert judge(firing(), *changes, now_s=5).state == State("firing", at(0), at(5))


def test_the_last_word_about_an_issue_is_the_reason():
    verdict = judge(firing(), seen(ChangeKind.RESOLVED), seen(ChangeKind.REGRESSED), seen(ChangeKind.MUTED), now_s=5)

    assert verdict.why.because == "The issue was muted."


def test_a_rule_may_ask_to_be_told_that_an_issue_was_muted():
    condition = EventCondition([ChangeKind.MUTED])

    assert judge(OK, seen(ChangeKind.MUTED), now_s=1, condition=condition).transition == "opened"


def test_an_incident_closes_after_quiet_and_not_before():
    assert judge(firing(), now_s=1799.9).transition is None
    quiet = judge(firing(), now_s=1800)
    assert (quiet.transition, quiet.why.because) == ("closed", "Nothing of the kind came for 30 minutes.")


def test_a_further_match_starts_the_quiet_anew():
    state = judge(firing(), seen(), now_s=1000).state

    assert judge(state, now_s=2799).transition is None
    assert judge(state, now_s=2800).transition == "closed"


def test_changes_that_do_not_match_do_not_keep_an_incident_open():
    verdict = judge(firing(), seen(environment="staging"), now_s=1800, environments=["production"])

    assert verdict.transition == "closed"


@pytest.mark.parametrize(
    ("kind", "domains", "because"),
    [
        (ChangeKind.NEW, [], "An error of a new kind happened, at level error."),
        (ChangeKind.REGRESSED, [], "A resolved issue came back, at level error."),
        (ChangeKind.EVENT, ["payment"], "An error happened in payment, at level error."),
    ],
)
def test_an_incident_says_why_it_opened(kind, domains, because):
    condition = msgspec.structs.replace(ANY_CHANGE, domains=domains)
    change = seen(kind, tags={"domain": "payment"}, environment="production", event_count=3)

    why = judge(OK, change, change, now_s=1, condition=condition).why

    assert why.because == because
    assert why.values == {
        "change": kind.value,
        "level": "error",
        "environment": "production",
        "domain": "payment",
        "events": 6,
    }


# --- failure runs and silence -----------------------------------------------------------------------------------------

TEN = FailureRunCondition(length=10, silence_s=30)


def watch(
    *service: Process,
    now_s: float,
    state: State = OK,
    observing_since_s: float = 0,
    condition: FailureRunCondition = TEN,
) -> Verdict:
    seen = see_service([one.seen() for one in service], at(now_s))
    return evaluate_failure_run(condition, state, seen, at(observing_since_s), at(now_s))


def test_ten_failures_over_two_processes_open_an_incident():
    five = process("xxxxx", report_s=5)

    verdict = watch(five, five, now_s=6)

    assert (verdict.transition, verdict.state) == ("opened", State("firing", at(6), at(6)))
    assert verdict.cause_us == at(4)
    assert verdict.why.because == "10 requests in a row failed, and none succeeded since."
    assert verdict.why.values == {"failures_in_a_row": 10, "threshold": 10, "live_processes": 2, "silent_s": None}


def test_a_success_between_nine_and_nine_failures_keeps_it_shut():
    one_process = process("xxxxxxxxxoxxxxxxxxx", report_s=19)
    sick, healthy = process("xxxxxxxxx xxxxxxxxx", report_s=19), process("         o", report_s=19)

    for service in ([one_process], [sick, healthy]):
        verdict = watch(*service, now_s=19)
        assert (verdict.transition, verdict.why.because) == (None, "9 failures in a row; 10 are needed.")


def test_it_waits_for_every_live_process_to_report_past_the_failures():
    sick = process("xxxxxxxxxx", report_s=10)

    assert watch(sick, process("", report_s=8), now_s=10).transition is None
    assert watch(sick, process("         o", report_s=10), now_s=10).transition is None
    assert watch(sick, process("", report_s=10), now_s=10).transition == "opened"


def test_a_service_that_dies_after_traffic_opens_an_incident():
    verdict = watch(process("ooo", report_s=3), now_s=33)

    assert (verdict.transition, verdict.cause_us) == ("opened", at(33))
    assert verdict.why.because == "No process has reported for 30 seconds, though requests came before."
    assert verdict.why.values["silent_s"] == 30


@pytest.mark.parametrize(
    "service",
    [
        [process("ooo", report_s=3, is_ended=True)],
        [process("", report_s=3)],
        [process("o", report_s=700)],
        [process("ooo", report_s=3), process("", report_s=990)],
        [],
    ],
    ids=["ended properly", "without traffic", "idle", "one still reports", "unknown"],
)
def test_a_silence_without_meaning_opens_nothing(service):
    assert watch(*service, now_s=1000).transition is None


def test_an_incident_stays_open_while_either_is_true():
    """The failing process dies: no second incident, and no end."""
    opened = watch(process("xxxxxxxxxx", report_s=10), now_s=10)

    for second in range(11, 120, 7):
        verdict = watch(process("xxxxxxxxxx", report_s=10), now_s=second, state=opened.state)
        assert (verdict.transition, verdict.state) == (None, State("firing", at(10), at(second)))


def test_a_silence_that_was_told_goes_on_when_the_collector_starts_anew():
    dead = process("ooo", report_s=3)
    opened = watch(dead, now_s=33)

    assert watch(dead, now_s=41, state=opened.state, observing_since_s=40).transition is None


SICK = "xxxxxxxxxx"


@pytest.mark.parametrize(
    ("since_s", "now_s", "service", "because"),
    [
        (10.5, 20, [process(SICK + "  o", report_s=13)], "A request succeeded."),
        (10.5, 20, [process(SICK + "  oxxx", report_s=16)], "A request succeeded; failures in a row now: 3."),
        (10.5, 20, [process(SICK, report_s=10), process("o", begin_s=12, report_s=13)], "A request succeeded."),
        (
            10.5,
            20,
            [process(SICK + "o", report_s=13)],
            "A request had succeeded before the incident opened, and was reported later.",
        ),
        (33, 70, [process("ooo", report_s=70)], "The service reports again."),
        (33, 70, [process("oxxx", report_s=70)], "The service reports again; failures in a row now: 3."),
        (33, 70, [process("ooo", report_s=3), process("", begin_s=69, report_s=70)], "The service reports again."),
        (33, 70, [process("ooo" + " " * 60 + "o", report_s=70)], "A request succeeded."),
        (33, 70, [process("ooo", report_s=70, is_ended=True)], "The service ended properly."),
        (33, 70, [process("ooo" + " " * 20 + "o", report_s=70, is_ended=True)], "The service ended properly."),
        (33, 70, [], "The service is no longer known: nothing was heard of it for a day."),
    ],
    ids=[
        "success",
        "success and failures",
        "success of another process",
        "success that was told late",
        "silence is over, idle",
        "silence is over, failures before it",
        "silence is over, new process",
        "silence is over, with a success",
        "good-bye",
        "good-bye after requests in the silence",
        "forgotten",
    ],
)
def test_an_incident_says_truly_why_it_closed(since_s, now_s, service, because):
    verdict = watch(*service, now_s=now_s, state=firing(since_s))

    assert (verdict.transition, verdict.why.because) == ("closed", because)
    assert verdict.state == State("ok", at(now_s), at(since_s))


STEPS = st.lists(
    st.tuples(
        st.integers(1, 40),  # seconds that go by
        st.lists(  # for each of two processes: what it serves, whether it reports, whether it ends
            st.tuples(st.sampled_from(["", "", "x", "xx", "o"]), st.booleans(), st.sampled_from([False] * 9 + [True])),
            min_size=2,
            max_size=2,
        ),
    ),
    max_size=30,
)


@given(STEPS)
@settings(deadline=None, max_examples=200)
def test_whatever_a_service_goes_through_each_verdict_is_true(steps):
    """Two processes serve, report, fall silent, end and begin anew; every sentence is held against what they did."""
    condition = FailureRunCondition(length=3, silence_s=30)
    service: list[Process] = []
    running: dict[int, Process] = {}
    state, now_s = OK, 0
    for seconds, acts in steps:
        now_s += seconds
        returned = []
        before_us = max((one.last_report_us for one in service), default=None)
        for slot, (marks, does_report, does_end) in enumerate(acts):
            one = running.get(slot) or Process([], 0)
            one.requests += [(at(now_s - 0.5 + 0.1 * n), mark == "o") for n, mark in enumerate(marks)]
            running[slot] = one
            if not does_report:
                continue
            if one.last_report_us == 0:
                service.append(one)
            if one.last_report_us == 0 or at(now_s) - one.last_report_us >= 30 * SECOND_US:
                returned.append(one)
            one.last_report_us, one.is_ended = at(now_s), does_end
            if does_end:
                del running[slot]

        verdict = watch(*service, now_s=now_s, state=state, condition=condition)

        flipped = (state.status, verdict.state.status)
        assert verdict.transition == {("ok", "firing"): "opened", ("firing", "ok"): "closed"}.get(flipped)
        because = verdict.why.because
        told = sorted(request for one in service for request in one.told())
        if "requests in a row failed" in because:
            assert [is_success for _, is_success in told[-3:]] == [False] * 3
        elif "No process has reported" in because:
            assert before_us is not None
            assert before_us <= at(now_s - 30)
            assert not any(one.last_report_us > before_us for one in service)
        elif "ended properly" in because:
            assert max(service, key=lambda one: one.last_report_us).is_ended
        elif because.startswith("A request succeeded"):
            assert any(is_success and at_us >= state.since_us for at_us, is_success in told)
        elif because.startswith("A request had succeeded"):
            assert any(is_success and at_us < state.since_us for at_us, is_success in told)
        elif because.startswith("The service reports again"):
            assert returned
        else:
            assert "are needed" in because
        state = verdict.state
