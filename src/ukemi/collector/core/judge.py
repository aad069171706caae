"""
The judge: all rules over the stream of what a collector saw. Pure: rows and instants are handed in, verdicts come out.

Live evaluation and back-test are this same stream, fed from what just happened or from what was kept of it. Three kinds of
things are fed, in the order of their instants: how services stand (whenever that changed), ticks (every ten seconds),
and changes of issues (as they are claimed). At one instant they come in this order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ukemi.collector.core.change import ChangeDetail
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.evaluate import (
    Seen,
    State,
    Verdict,
    evaluate_event,
    evaluate_failure_run,
    evaluate_window,
    matches,
)
from ukemi.collector.core.failure_run import QUIET_US, ServiceSeen
from ukemi.collector.core.gather import Labels, gather, lengths_us
from ukemi.collector.core.measure import Gathered, Measured, measure
from ukemi.collector.core.rule import (
    EventCondition,
    FailureRunCondition,
    Rule,
    SilenceCondition,
    Tier,
    WindowCondition,
    tiers,
)
from ukemi.collector.core.windows import Read, Windows


class Watched(msgspec.Struct, frozen=True):
    """A rule and the projects that it is for."""

    rule: Rule
    project_id: int | None = None
    """None: every project …"""
    other_than: frozenset[int] = frozenset()
    """… but these, which have one of their own by this name."""

    def watches(self, project_id: int) -> bool:
        if self.project_id is not None:
            return project_id == self.project_id
        return project_id not in self.other_than


class Instance(msgspec.Struct, frozen=True):
    """A rule for one set of labels."""

    project_id: int
    rule: str
    labels: Labels
    """Sorted by name."""


States = dict[Instance, State]
"""Of the instances that are not at rest."""


class Judgement(msgspec.Struct, frozen=True):
    """One evaluation: what was judged, and how it came out."""

    rule: Rule
    instance: Instance
    before: State
    verdict: Verdict
    measured: Sequence[Measured] = ()
    """Of a window rule's tiers."""
    environment: str = ""
    detail: ChangeDetail | None = None
    """Of the event that made it true, when one did."""

    @property
    def is_news(self) -> bool:
        """Whether anything must be written down."""
        after = self.verdict.state
        if self.verdict.transition or not (self.before.is_at_rest and after.is_at_rest):
            return self.verdict.transition is not None or after != self.before
        return False


def longest_us(watched: Iterable[Watched]) -> int:
    """How far back the longest window of the rules looks."""
    return max(
        (
            length
            for one in watched
            if isinstance(one.rule.when, WindowCondition)
            for tier in tiers(one.rule)
            for length in lengths_us(tier.when)
        ),
        default=0,
    )


class Judge:
    def __init__(self, watched: Sequence[Watched], states: States) -> None:
        """
        Args:
            watched: the rules that are enabled.
            states: as they were left; kept up to date.
        """
        self.states = states
        self.listening_since_us = 0
        """Silence before this is our own."""
        self.listener: Callable[[int, Judgement], None] | None = None
        """Hears of every evaluation and its instant, also of those that change nothing."""
        self._watched = watched
        self.services: dict[tuple[int, str], ServiceSeen] = {}
        self._windowed: list[tuple[Watched, list[Tier]]] = []
        self._runs: list[tuple[Watched, FailureRunCondition]] = []
        self._events: list[tuple[Watched, EventCondition]] = []
        for one in watched:
            match one.rule.when:
                case EventCondition() as when:
                    self._events.append((one, when))
                case FailureRunCondition() as when:
                    self._runs.append((one, when))
                case _:
                    self._windowed.append((one, tiers(one.rule)))
        conditions = [tier.when for _, parts in self._windowed for tier in parts]
        self.windows = Windows({length for condition in conditions for length in lengths_us(condition)})
        self.quiet_us = min([QUIET_US, *(round(when.silence_s * SECOND_US) for _, when in self._runs)])

    def see(self, at_us: int, services: Mapping[tuple[int, str], ServiceSeen]) -> list[Judgement]:
        """
        Judge services that stand differently from now on.

        Args:
            services: by (project_id, environment).
        """
        self.services |= services
        return self._settle(at_us, self._judge_runs(at_us, services.keys()))

    def tick(self, tick_us: int, read: Read) -> list[Judgement]:
        """Judge what a tick brought, and what came true or ended because nothing happened."""
        self.windows.advance(tick_us, read)
        known = self._open_instances()
        judgements = self._judge_runs(tick_us, self.services.keys())
        judgements += self._judge_quiet(tick_us, known)
        judgements += self._judge_windows(tick_us, known)
        return self._settle(tick_us, judgements)

    def change(self, at_us: int, changes: Mapping[tuple[int, str], Sequence[Seen]]) -> list[Judgement]:
        """
        Judge what befell issues.

        Args:
            changes: by (project_id, issue), oldest first.
        """
        judgements = []
        for watched, condition in self._events:
            for (project_id, issue_id), seen in changes.items():
                if not watched.watches(project_id):
                    continue
                instance = Instance(project_id, watched.rule.name, (("issue", issue_id),))
                state = self.states.get(instance, _REST)
                wanted = next((one for one in seen if matches(watched.rule, condition, one)), None)
                if wanted is None and state.is_at_rest:
                    continue
                verdict = evaluate_event(watched.rule, condition, state, seen, at_us)
                detail = (wanted or seen[0]).detail
                judgements.append(
                    Judgement(watched.rule, instance, state, verdict, environment=detail.environment, detail=detail)
                )
        return self._settle(at_us, judgements)

    def watches(self, project_id: int, rule: str) -> bool:
        """Whether a rule of this name is judged for the project."""
        return any(one.rule.name == rule and one.watches(project_id) for one in self._watched)

    def wants(self, project_id: int, seen: Seen) -> bool:
        """Whether an event rule could come true by this change."""
        return any(
            watched.watches(project_id) and matches(watched.rule, condition, seen)
            for watched, condition in self._events
        )

    def _settle(self, at_us: int, judgements: list[Judgement]) -> list[Judgement]:
        for judgement in judgements:
            if self.listener:
                self.listener(at_us, judgement)
            state = judgement.verdict.state
            if state.is_at_rest:
                self.states.pop(judgement.instance, None)
            else:
                self.states[judgement.instance] = state
        return judgements

    def _open_instances(self) -> dict[str, list[Instance]]:
        known: dict[str, list[Instance]] = {}
        for instance in self.states:
            known.setdefault(instance.rule, []).append(instance)
        return known

    def _judge_runs(self, now_us: int, services: Iterable[tuple[int, str]]) -> list[Judgement]:
        judgements = []
        for watched, condition in self._runs:
            rule = watched.rule
            for project_id, environment in services:
                if not watched.watches(project_id) or (rule.environments and environment not in rule.environments):
                    continue
                instance = Instance(project_id, rule.name, (("environment", environment),))
                state = self.states.get(instance, _REST)
                service = self.services[project_id, environment]
                verdict = evaluate_failure_run(condition, state, service, self.listening_since_us, now_us)
                judgements.append(Judgement(rule, instance, state, verdict, environment=environment))
        return judgements

    def _judge_quiet(self, now_us: int, known: Mapping[str, list[Instance]]) -> list[Judgement]:
        return [
            Judgement(watched.rule, instance, state, evaluate_event(watched.rule, condition, state, (), now_us))
            for watched, condition in self._events
            for instance in known.get(watched.rule.name, ())
            if watched.watches(instance.project_id)
            for state in [self.states[instance]]
        ]

    def _judge_windows(self, tick_us: int, known: Mapping[str, list[Instance]]) -> list[Judgement]:
        judgements = []
        cache: dict[object, Mapping[tuple[int, Labels], Gathered]] = {}
        for watched, parts in self._windowed:
            rule = watched.rule
            gathered = [gather(self.windows, rule, tier.when, cache) for tier in parts]
            subjects = {(i.project_id, i.labels) for i in known.get(rule.name, ())}
            subjects.update(*gathered)
            for project_id, labels in sorted(subjects) if len(subjects) > 1 else subjects:
                if not watched.watches(project_id):
                    continue
                instance = Instance(project_id, rule.name, labels)
                state = self.states.get(instance, _REST)
                if not state.is_open and self._is_deaf(parts[0].when, tick_us):
                    continue
                measured = [
                    measure(tier.when, found.get((project_id, labels), _NOTHING), rule.ends_below)
                    for tier, found in zip(parts, gathered, strict=True)
                ]
                verdict = evaluate_window(rule, state, measured, tick_us)
                environment = dict(labels).get("environment", "")
                judgements.append(Judgement(rule, instance, state, verdict, measured, environment))
        return judgements

    def _is_deaf(self, condition: WindowCondition, tick_us: int) -> bool:
        """Whether a silence may be our own."""
        return (
            isinstance(condition, SilenceCondition)
            and tick_us - condition.window_s * SECOND_US < self.listening_since_us
        )


_REST: Final = State()
_NOTHING: Final = Gathered()
