"""Rules: what a demonstration that cannot wait makes of them, and which numbers make no rule."""

import msgspec
import pytest

from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.rule import (
    LONGEST_AFTERMATH_S,
    TICK_S,
    EventCondition,
    FailureRunCondition,
    RatioCondition,
    Rule,
    RuleError,
    Step,
    aftermath_s,
    check,
    scaled,
)

NEW_ERROR = Rule("new error", "warning", EventCondition([ChangeKind.NEW], domains=["payment"], quiet_s=1800))
DOWNTIME = Rule("downtime", "critical", FailureRunCondition(length=10, silence_s=30))

RATE = Rule(
    "rate",
    "high",
    RatioCondition(above=0.05, window_s=300),
    steps=[Step("urgent", "critical", above=0.1, window_s=120)],
    for_s=60,
    repeat_s=3600,
)


def test_a_scaled_rule_is_quiet_sooner_and_otherwise_the_same():
    rule = scaled(NEW_ERROR, 60)

    assert rule.when.quiet_s == 30
    assert scaled(rule, 1 / 60) == NEW_ERROR


def test_scaling_leaves_the_length_of_silence_alone():
    """It is tied to how often apps report."""
    assert scaled(DOWNTIME, 60).when == DOWNTIME.when


def test_all_that_a_rule_waits_for_is_scaled():
    """Else a demonstration would be silent about what comes again, and about what outlives an outage."""
    rule = scaled(RATE, 10)
    step = rule.steps[0]
    assert (rule.when.window_s, step.window_s, rule.for_s, rule.ends_after_s) == (30, 12, 6, 12)
    assert (rule.repeat_s, rule.cooldown_s, aftermath_s(rule)) == (360, 30, 30 + 12 + 3 * TICK_S)
    once = msgspec.structs.replace(NEW_ERROR, repeat_s=600)
    assert (scaled(once, 10).repeat_s, scaled(once, 10).cooldown_s) == (60, 30)


def test_the_aftermath_of_an_outage_is_as_long_as_windows_remember_it():
    assert aftermath_s(RATE) == 300 + 120 + 3 * TICK_S
    budget = msgspec.structs.replace(RATE, when=RatioCondition(above=0.001, window_s=3 * 86_400))
    assert aftermath_s(budget) == LONGEST_AFTERMATH_S
    assert aftermath_s(DOWNTIME) == 0


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        (["api/payments"], "a route is a path"),
        (["!"], "a route is a path"),
        (["! /health"], "a route is a path"),
        (["GET POST /a"], "a route is a path"),
        (["not /health"], "a route is a path"),
        (["/a", "!/a"], "leaves it out again"),
        (["/api/*", "!/api/health", "!GET /api/search*", "*/users", "GET <unmatched>"], ""),
    ],
)
def test_a_route_that_cannot_be_meant_is_named(routes, says):
    rule = Rule("rate", "high", RatioCondition(above=0.05, routes=routes))
    if not says:
        check(rule)
        return
    with pytest.raises(RuleError, match=says) as refused:
        check(rule)
    assert repr(routes[0]) in str(refused.value)


@pytest.mark.parametrize(
    "when",
    [
        '{"kind": "event", "changes": ["new"], "quiet_s": 0}',
        '{"kind": "event", "changes": ["never"]}',
        '{"kind": "failure_run", "length": 0}',
        '{"kind": "failure_run", "length": 51}',
        '{"kind": "failure_run", "silence_s": -1}',
        '{"kind": "failure_run", "lenght": 5}',
    ],
)
def test_a_condition_out_of_its_bounds_is_refused(when):
    """51: a process tells of its latest 50 failures only."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"name": "x", "severity": "high", "when": {when}}}', type=Rule)
