"""Rules: what a demonstration that cannot wait makes of them, and which numbers make no rule."""

import msgspec
import pytest

from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule, scaled

NEW_ERROR = Rule("new error", "warning", EventCondition([ChangeKind.NEW], domains=["payment"], quiet_s=1800))
DOWNTIME = Rule("downtime", "critical", FailureRunCondition(length=10, silence_s=30))


def test_a_scaled_rule_is_quiet_sooner_and_otherwise_the_same():
    rule = scaled(NEW_ERROR, 60)

    assert rule.when.quiet_s == 30
    assert scaled(rule, 1 / 60) == NEW_ERROR


def test_scaling_leaves_the_length_of_silence_alone():
    """It is tied to how often apps report."""
    assert scaled(DOWNTIME, 60) == DOWNTIME


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
