"""The judge against a model that keeps every request and adds them up anew for each tick, and its cases one by one."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ukemi.collector.alerts import rules_file
from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.evaluate import Seen
from ukemi.collector.core.judge import Judge, Judgement, Watched
from ukemi.collector.core.observation import (
    TICK_US,
    EventCount,
    EventKind,
    Observation,
    Service,
    Traffic,
    request,
)
from ukemi.collector.core.rule import (
    CountCondition,
    EventCondition,
    PercentileCondition,
    RatioCondition,
    Rule,
    SilenceCondition,
    Step,
)
from ukemi.collector.core.windows import Window
from ukemi.protocol.vocabulary import latency_bin

START_US = 1_767_225_600_000_000
SHOP = Service(1, "production", "1.0")
ERRORS = Rule("errors", "high", RatioCondition(above=0.05, window_s=300))


class Past:
    """Observations by tick; what a store is to the judge."""

    def __init__(self) -> None:
        self.rows: list[Observation] = []

    def read(self, after_us: int, until_us: int) -> list[Observation]:
        return [row for row in self.rows if after_us < row.tick_us <= until_us]

    def served(self, tick: int, good: int, bad: int = 0, **about: object) -> None:
        service = about.get("service", SHOP)
        source = about.get("source", "requests")
        rate = float(about.get("rate", 1))
        number = latency_bin(float(about.get("ms", 50)))
        traffic = Traffic()
        for count, failed in ((good, False), (bad, True)):
            if count:
                traffic.add(request({number: float(count)}, count=count, failed=failed, rate=rate))
        route = str(about.get("route", "GET /shop"))
        self.rows.append(Observation(at(tick), service, source, traffic={route: traffic}))


def at(tick: float) -> int:
    return START_US + round(tick * TICK_US)


def judge_of(*rules: Rule) -> Judge:
    return Judge([Watched(rule) for rule in rules], {})


def run(judge: Judge, past: Past, ticks: int) -> list[tuple[int, str, Judgement]]:
    """Tick, transition and judgement of all that happened."""
    return [
        (tick, one.verdict.transition, one)
        for tick in range(1, ticks + 1)
        for one in judge.tick(at(tick), past.read)
        if one.verdict.transition
    ]


def told(judge: Judge, past: Past, ticks: int) -> list[tuple[int, str]]:
    return [(tick, transition) for tick, transition, _ in run(judge, past, ticks)]


# --- against a model --------------------------------------------------------------------------------------------------


class Model:
    """Judges one ratio rule with one step from the list of all requests, as its documentation reads."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.numbers = [(rule.when.above, rule.when.window_s)] + [
            (step.above, step.window_s or rule.when.window_s) for step in rule.steps
        ]
        self.status, self.since, self.height = "quiet", 0, 0

    def share(self, requests: Sequence[tuple[int, bool, Fraction]], tick: int, window_s: float) -> dict[str, float]:
        first = tick - math.ceil(window_s / 10)
        inside = [one for one in requests if first < one[0] <= tick]
        weight = sum((w for _, _, w in inside), Fraction(0))
        if not inside:
            return {"n": 0, "k": 0, "p": 0.0, "m": 0.0}
        bad = [one for one in inside if one[1]]
        return {
            "n": len(inside),
            "k": len(bad),
            "p": float(sum((w for _, _, w in bad), Fraction(0)) / weight),
            "m": float(weight**2 / sum(w**2 for _, _, w in inside)),
        }

    def step(self, requests: Sequence[tuple[int, bool, Fraction]], tick: int) -> str | None:
        when, rule = self.rule.when, self.rule
        true, held = [], []
        for above, window_s in self.numbers:
            seen = self.share(requests, tick, window_s)
            p, m, z = seen["p"], seen["m"], 1.6448536269514722
            is_true = bool(seen["n"] >= when.min_requests and seen["k"] >= when.min_failures)
            if is_true:
                lower = (p + z * z / (2 * m) - z * math.sqrt((p * (1 - p) + z * z / (4 * m)) / m)) / (1 + z * z / m)
                is_true = lower > above
            true.append(is_true)
            held.append(bool(seen["n"]) and p >= rule.ends_below * above)
        height = max([index for index, one in enumerate(true) if one], default=-1)
        if self.status in ("quiet", "waiting"):
            if height < 0:
                self.status = "quiet"
                return None
            if self.status == "quiet":
                self.status, self.since = "waiting", tick
            if (tick - self.since) * 10 >= rule.for_s:
                self.status, self.height = "burning", height
                return "opened"
            return None
        if height > self.height:
            self.status, self.height = "burning", height
            return "upgraded"
        if height >= 0 or any(held[: self.height + 1]):
            self.status = "burning"
            return None
        if self.status == "burning":
            self.status, self.since = "cooling", tick
        if (tick - self.since) * 10 >= rule.ends_after_s:
            self.status, self.height = "quiet", 0
            return "closed"
        return None


@given(
    traffic=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from([0, 0, 1, 2, 5, 20, 60]), st.sampled_from([1, 0.5, 0.1, 0.01])),
        min_size=1,
        max_size=60,
    ),
    repeat=st.integers(1, 3),
    for_s=st.sampled_from([0, 0, 15, 40]),
    ends_after_s=st.sampled_from([0, 20, 45, 120]),
    window_s=st.sampled_from([10, 25, 60, 300]),
    step_window_s=st.sampled_from([10, 40, None]),
)
@settings(max_examples=80)
def test_whatever_a_service_serves_the_judge_and_the_model_agree(
    traffic: list[tuple[int, int, float]],
    repeat: int,
    for_s: float,
    ends_after_s: float,
    window_s: float,
    step_window_s: float | None,
) -> None:
    rule = Rule(
        "errors",
        "high",
        RatioCondition(above=0.05, window_s=window_s),
        steps=[Step("urgent", "critical", above=0.1, window_s=step_window_s)],
        for_s=for_s,
        ends_after_s=ends_after_s,
    )
    past, requests = Past(), []
    for number, (good, bad, rate) in enumerate([one for one in traffic for _ in range(repeat)]):
        if good or bad:
            past.served(number + 1, good, bad, rate=rate)
            one = Fraction(round(1024 / rate), 1024)
            requests += [(number + 1, False, one)] * good + [(number + 1, True, one)] * bad
    judge, model = judge_of(rule), Model(rule)

    for tick in range(1, len(traffic) * repeat + 35):
        found = [one.verdict.transition for one in judge.tick(at(tick), past.read)]
        assert (found or [None]) == [model.step(requests, tick)], tick


# --- error rates ------------------------------------------------------------------------------------------------------


def test_three_failures_of_four_requests_page_nobody() -> None:
    past = Past()
    past.served(1, good=1, bad=3)

    assert told(judge_of(ERRORS), past, 40) == []


def test_a_true_tenth_of_a_thousand_pages() -> None:
    past = Past()
    for tick in range(1, 31):
        past.served(tick, good=30, bad=3 if tick % 3 else 4)

    (tick, transition), *_ = told(judge_of(ERRORS), past, 30)

    assert transition == "opened"
    assert tick <= 15


def test_a_share_that_chance_alone_can_carry_over_the_threshold_pages_nobody() -> None:
    """6 % of 200 is above 5 %, and no surprise for a service whose true share is 4 %."""
    past = Past()
    past.served(1, good=188, bad=12)

    assert told(judge_of(ERRORS), past, 10) == []


def test_without_confidence_the_share_is_taken_literally() -> None:
    past = Past()
    past.served(1, good=188, bad=12)
    literal = Rule("errors", "high", RatioCondition(above=0.05, confidence=0))

    assert told(judge_of(literal), past, 1) == [(1, "opened")]


def test_a_sample_of_one_in_a_hundred_is_judged_as_what_it_is() -> None:
    """Ten traced requests stand for a thousand, but say no more than ten."""
    past = Past()
    past.served(1, good=8, bad=2, rate=0.01, source="transactions")
    assert told(judge_of(ERRORS), past, 1) == []

    past.served(2, good=160, bad=40, rate=0.01, source="transactions")
    ((_, transition, one),) = run(judge_of(ERRORS), past, 2)
    assert transition == "opened"
    assert one.verdict.why.values["requests"] == 21_000
    assert one.verdict.why.values["source"] == "transactions, weighted by their sample rate"


def test_one_source_counts_where_several_tell_of_the_same_requests() -> None:
    past = Past()
    past.served(1, good=100, bad=0)
    past.served(1, good=0, bad=100, source="sessions")
    past.served(1, good=0, bad=100, source="transactions")

    (one,) = judge_of(ERRORS).tick(at(1), past.read)

    assert one.verdict.transition is None
    assert one.verdict.why.values == {
        "requests": 100,
        "failed": 0,
        "share": 0.0,
        "surely_above": 0.0,
        "threshold": 0.05,
        "source": "request counts of ukemi.sdk",
    }


def test_each_release_has_its_own_source_and_they_add_up() -> None:
    past = Past()
    past.served(1, good=60, bad=20)
    past.served(1, good=60, bad=20, source="sessions", service=Service(1, "production", "2.0"), route="")

    (one,) = judge_of(ERRORS).tick(at(1), past.read)

    assert one.verdict.why.values["requests"] == 160
    assert one.verdict.why.values["source"] == "request counts of ukemi.sdk and session aggregates"


def test_a_step_upgrades_the_incident_and_opens_no_second_one() -> None:
    rule = Rule("errors", "high", ERRORS.when, steps=[Step("urgent", "critical", above=0.1, window_s=120)])
    past = Past()
    past.served(1, good=184, bad=16)
    past.served(2, good=50, bad=50)

    happened = run(judge_of(rule), past, 60)

    assert [(transition, one.verdict.state.tier) for _, transition, one in happened] == [
        ("opened", 0),
        ("upgraded", 1),
        ("closed", 0),
    ]


def test_an_incident_ends_when_its_traffic_does() -> None:
    past = Past()
    past.served(1, good=50, bad=50)

    (_, closed) = run(judge_of(ERRORS), past, 60)

    assert closed[0] == 31 + 12  # the window of five minutes, then two minutes below
    assert closed[2].verdict.why.because == "No requests came in 5 minutes. That has lasted for 2 minutes."


def test_a_rule_waits_for_as_long_as_it_must_hold() -> None:
    rule = Rule("errors", "high", ERRORS.when, for_s=60)
    past = Past()
    past.served(1, good=50, bad=50)
    judge = judge_of(rule)

    states = [judge.tick(at(tick), past.read)[0].verdict.state.status for tick in range(1, 9)]

    assert states == ["pending"] * 6 + ["firing"] * 2


def test_a_rule_split_by_route_sees_the_one_that_fails() -> None:
    rule = Rule("errors", "high", ERRORS.when, by=["environment", "route"])
    past = Past()
    past.served(1, good=2000, route="GET /shop")
    past.served(1, good=0, bad=60, route="POST /pay")

    ((_, _, one),) = run(judge_of(rule), past, 1)

    assert one.instance.labels == (("environment", "production"), ("route", "POST /pay"))


def test_a_rule_may_look_at_some_routes_only() -> None:
    rule = Rule("errors", "high", RatioCondition(above=0.05, routes=["/api/pay*"]))
    past = Past()
    past.served(1, good=0, bad=100, route="GET /shop")
    assert told(judge_of(rule), past, 1) == []

    past.served(2, good=0, bad=100, route="POST /api/payments")
    assert told(judge_of(rule), past, 2) == [(2, "opened")]


def test_a_rule_may_leave_some_routes_out() -> None:
    rule = Rule("errors", "high", RatioCondition(above=0.05, routes=["/api/*", "!/api/search*", "!POST /api/hook"]))
    past = Past()
    for route in ("GET /api/search/all", "POST /api/hook", "GET /shop"):
        past.served(1, good=0, bad=100, route=route)
    assert told(judge_of(rule), past, 1) == []

    past.served(2, good=0, bad=100, route="GET /api/hook")
    assert told(judge_of(rule), past, 2) == [(2, "opened")]
    others = msgspec.structs.replace(rule, when=RatioCondition(above=0.05, routes=["!*/search*", "!*/hook"]))
    assert told(judge_of(others), past, 2) == [(1, "opened")], "all but these: the shop fails from the first tick on"


def test_two_projects_are_two_incidents_and_a_rule_of_one_watches_one() -> None:
    past = Past()
    for project in (1, 2, 3):
        past.served(1, good=0, bad=100, service=Service(project, "production", ""))
    shared, own = Watched(ERRORS, None, frozenset({3})), Watched(ERRORS, 3)

    found = Judge([shared, own], {}).tick(at(1), past.read)

    assert [one.instance.project_id for one in found if one.verdict.transition] == [1, 2, 3]


# --- latency ----------------------------------------------------------------------------------------------------------

SLOW = Rule(
    "slow",
    "warning",
    PercentileCondition(above_ms=1000),
    steps=[Step("very slow", "high", quantile=0.99, above_ms=3000)],
)
SLOW_ALONE = Rule("slow", "warning", PercentileCondition(above_ms=1000))


def test_a_slow_twentieth_is_slow_and_a_few_slow_requests_are_not() -> None:
    past = Past()
    past.served(1, good=98)
    past.served(1, good=4, ms=5000, route="GET /report")
    assert told(judge_of(SLOW), past, 1) == []

    past.served(2, good=30, ms=1500, route="GET /report")
    ((_, transition, one),) = run(judge_of(SLOW), past, 2)
    assert transition == "opened"
    assert one.verdict.why.values["p95_ms"] == pytest.approx(1500, rel=0.011)


@pytest.mark.parametrize(("count", "transitions"), [(1, []), (49, []), (50, [(1, "opened")])])
def test_a_few_requests_have_no_percentile_to_speak_of(count: int, transitions: list[tuple[int, str]]) -> None:
    """The one slow request of a quiet night is its P95, and would wake somebody."""
    past = Past()
    past.served(1, good=count, ms=5000)
    assert told(judge_of(SLOW_ALONE), past, 1) == transitions


def test_slow_becomes_very_slow_on_the_same_incident() -> None:
    past = Past()
    past.served(1, good=100, ms=1500)
    past.served(2, good=300, ms=4000)

    assert told(judge_of(SLOW), past, 2) == [(1, "opened"), (2, "upgraded")]


# --- counts -----------------------------------------------------------------------------------------------------------

WRONG_PASSWORD = EventKind("a" * 16, "warning", "auth", True, "server")


def failed_alone(
    past: Past, tick: int, count: int, kind: EventKind = WRONG_PASSWORD, users: Sequence[str] = ()
) -> None:
    past.rows.append(Observation(at(tick), SHOP, "events", events=[(kind, EventCount(count, list(users)))]))


def test_far_more_expected_failures_than_usual_are_told_and_the_usual_ones_are_not() -> None:
    rule = Rule("expected", "warning", CountCondition(60, times_usual=5, usual_over_s=3600, expected=True))
    past = Past()
    for tick in range(1, 361):
        failed_alone(past, tick, 1)
    for tick in range(361, 371):
        failed_alone(past, tick, 20)

    happened = run(judge_of(rule), past, 420)

    assert [transition for _, transition, _ in happened[:1]] == ["opened"]
    assert 361 <= happened[0][0] <= 371
    assert happened[0][2].verdict.why.values["usual"] == pytest.approx(30, abs=3)


def test_only_what_the_rule_asks_for_is_counted() -> None:
    rule = Rule("many", "warning", CountCondition(20, domains=["auth"], levels=["error"], key_kinds=["server"]))
    for kind in (
        EventKind("a", "warning", "auth", False, "server"),
        EventKind("a", "error", "payment", False, "server"),
        EventKind("a", "error", "auth", False, "browser"),
    ):
        past = Past()
        failed_alone(past, 1, 50, kind)
        assert told(judge_of(rule), past, 1) == []
    past = Past()
    failed_alone(past, 1, 50, EventKind("a", "error", "auth", False, "server"))
    assert told(judge_of(rule), past, 1) == [(1, "opened")]


def test_users_count_once_however_many_events_they_meet() -> None:
    rule = Rule("users", "warning", CountCondition(3, of="users", window_s=20))
    past = Past()
    failed_alone(past, 1, 50, users=["a", "b"])
    failed_alone(past, 2, 50, users=["a", "b"])
    failed_alone(past, 3, 1, users=["c"])

    assert told(judge_of(rule), past, 3) == [(3, "opened")]


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_route_that_nobody_calls_any_more_is_missed_until_somebody_does() -> None:
    when = SilenceCondition(window_s=60, before_s=300, routes=["/jobs"], at_least=10)
    rule = Rule("job", "warning", when, ends_after_s=0)
    past = Past()
    for tick in range(1, 20):
        past.served(tick, good=1, route="POST /jobs")
    past.served(40, good=1, route="POST /jobs")

    happened = run(judge_of(rule), past, 40)

    assert [(tick, transition) for tick, transition, _ in happened] == [(25, "opened"), (40, "closed")]
    assert happened[0][2].verdict.why.because == "No requests came in 60 seconds, though 19 came in 5 minutes before."


def test_a_silence_may_be_our_own() -> None:
    rule = Rule("job", "warning", SilenceCondition(window_s=60, before_s=300, at_least=10))
    past = Past()
    for tick in range(1, 20):
        past.served(tick, good=1)
    judge = judge_of(rule)
    judge.listening_since_us = at(22)

    assert told(judge, past, 27) == []


# --- windows ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=40), st.integers(1, 39))
def test_a_judge_that_begins_late_sees_what_one_sees_that_was_there(served: list[tuple[int, int]], start: int) -> None:
    past = Past()
    for tick, (good, bad) in enumerate(served, 1):
        if good or bad:
            past.served(tick, good, bad)
    old, new = judge_of(ERRORS, SLOW), judge_of(ERRORS, SLOW)
    for tick in range(1, start):
        old.tick(at(tick), past.read)

    for tick in range(start, 45):
        old.tick(at(tick), past.read)
        new.tick(at(tick), past.read)
        assert [contents(window) for window in old.windows.by_length.values()] == [
            contents(window) for window in new.windows.by_length.values()
        ]


def contents(window: Window) -> Mapping[object, object]:
    return window.traffic


# --- events -----------------------------------------------------------------------------------------------------------


def test_the_judge_knows_which_changes_its_rules_want() -> None:
    rule = Rule("payment", "critical", EventCondition([ChangeKind.EVENT], domains=["payment"]))
    judge = Judge([Watched(rule, 1)], {})
    wanted = Seen(ChangeKind.EVENT, START_US, ChangeDetail(tags={"domain": "payment"}))
    other = Seen(ChangeKind.EVENT, START_US, ChangeDetail(tags={"domain": "search"}))

    assert judge.wants(1, wanted)
    assert not judge.wants(2, wanted)
    assert not judge.wants(1, other)


def test_the_shipped_rules_are_judged_together() -> None:
    """On traffic that is well, nobody hears anything."""
    past = Past()
    for tick in range(1, 100):
        past.served(tick, good=40, bad=tick % 2)
    judge = judge_of(*rules_file.load(None).rules)

    assert told(judge, past, 100) == []
    assert judge.windows.by_length[300 * SECOND_US].traffic
