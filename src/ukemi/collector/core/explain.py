"""
Why a rule did or did not fire: its latest evaluations, made again from what was kept. Pure.

Only evaluations that changed a state are stored. All others come out of the same judge as they did then.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from ukemi.collector.core.backtest import History, WouldBe, backtest
from ukemi.collector.core.clock import HOUR_US
from ukemi.collector.core.evaluate import Status, Transition, why_not
from ukemi.collector.core.gather import Labels
from ukemi.collector.core.judge import Instance, Judgement, Watched
from ukemi.collector.core.measure import Values
from ukemi.collector.core.rule import EventCondition

SHOWN: Final = 12
"""Evaluations shown of each instance."""
_SAME: Final = 2
WARM_UP_US: Final = HOUR_US


class Evaluation(msgspec.Struct, frozen=True):
    at_us: int
    status: Status
    transition: Transition | None
    because: str
    values: Values = {}


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One tick of a chart."""

    at_us: int
    value: float | None
    threshold: float
    sample: int


class Explained(msgspec.Struct):
    """How a rule stands for one set of labels."""

    project_id: int
    labels: Labels
    status: Status
    evaluations: list[Evaluation]
    """The latest first; of a row of alike ones the latest."""
    points: list[Point]
    """Of a window rule's own tier, oldest first."""
    incidents: list[WouldBe]


def explain(watched: Sequence[Watched], history: History, since_us: int, until_us: int) -> list[Explained]:
    """How rules of one name were judged in a time, by labels: those with an incident first."""
    found: dict[Instance, Explained] = {}
    kept: dict[Instance, deque[Evaluation]] = {}

    def hear(at_us: int, one: Judgement) -> None:
        state, why = one.verdict.state, one.verdict.why
        explained = found.setdefault(
            one.instance, Explained(one.instance.project_id, one.instance.labels, state.status, [], [], [])
        )
        explained.status = state.status
        evaluation = Evaluation(at_us, state.status, one.verdict.transition, why.because, why.values)
        evaluations = kept.setdefault(one.instance, deque(maxlen=SHOWN))
        if evaluations and not evaluation.transition and _alike(evaluations[-1], evaluation):
            evaluations.pop()
        evaluations.append(evaluation)
        if one.measured:
            own = one.measured[0]
            explained.points.append(Point(at_us, own.value, own.threshold, own.sample))

    for incident in backtest(watched, history, since_us, until_us, hear, WARM_UP_US):
        instance = Instance(incident.project_id, incident.rule, incident.labels)
        if instance in found:
            found[instance].incidents.append(incident)
    for instance, evaluations in kept.items():
        found[instance].evaluations = list(reversed(evaluations))
    found |= _passed_over(watched, history, since_us, until_us, found)
    return sorted(found.values(), key=lambda one: (not one.incidents, one.project_id, one.labels))


def _alike(one: Evaluation, other: Evaluation) -> bool:
    return one.because == other.because and one.status == other.status and one.transition is None


def _passed_over(
    watched: Sequence[Watched], history: History, since_us: int, until_us: int, known: dict[Instance, Explained]
) -> dict[Instance, Explained]:
    """Issues that an event rule did not want, with the reason."""
    found: dict[Instance, Explained] = {}
    for at_us, changes in history.changes(since_us, until_us):
        for one in watched:
            if not isinstance(one.rule.when, EventCondition):
                continue
            for (project_id, issue_id), seen in changes.items():
                instance = Instance(project_id, one.rule.name, (("issue", issue_id),))
                reason = why_not(one.rule, one.rule.when, seen[-1])
                if instance in known or reason is None or not one.watches(project_id):
                    continue
                evaluation = Evaluation(at_us, "ok", None, reason)
                explained = found.setdefault(instance, Explained(project_id, instance.labels, "ok", [], [], []))
                explained.evaluations = [evaluation, *explained.evaluations][:_SAME]
    return found
