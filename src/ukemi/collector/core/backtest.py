"""
Back-test: the judge over what was kept of the past, on its clock. Pure but for the history, which reads.

With the rules as they were it finds the incidents that live evaluation opened, to the microsecond: it is the same judge,
fed with the same things in the same order.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.core.evaluate import Seen
from ukemi.collector.core.failure_run import ServiceSeen
from ukemi.collector.core.gather import Labels
from ukemi.collector.core.judge import Instance, Judge, Judgement, Watched
from ukemi.collector.core.observation import TICK_US, Observation
from ukemi.collector.core.rule import Severity, name_of, severity_of

WARM_UP_US = DAY_US
"""Judging begins so long before the time that is asked for, so that it is known what was open then."""
ServiceKey = tuple[int, str]
IssueKey = tuple[int, str]


class Break(Protocol):
    """Ticks between the two were not judged."""

    @property
    def from_us(self) -> int: ...
    @property
    def until_us(self) -> int: ...


class History(Protocol):
    """What was kept of the past."""

    def begin_us(self) -> int:
        """The first tick that was judged; after the present when there was none."""

    def pauses(self, after_us: int) -> Sequence[Break]:
        """Those that ended after an instant, in order."""

    def listening_since_us(self, at_us: int) -> int: ...

    def services_at(self, at_us: int) -> dict[ServiceKey, ServiceSeen]: ...

    def services(self, after_us: int, until_us: int) -> Sequence[tuple[int, Mapping[ServiceKey, ServiceSeen]]]: ...

    def changes(self, after_us: int, until_us: int) -> Sequence[tuple[int, Mapping[IssueKey, Sequence[Seen]]]]: ...

    def observations(self, after_us: int, until_us: int) -> Sequence[Observation]: ...


class WouldBe(msgspec.Struct):
    """An incident that the rules open."""

    rule: str
    project_id: int
    labels: Labels
    severity: Severity
    name: str
    """Of the rule, or of the highest step that it reached."""
    opened_us: int
    because: str
    environment: str
    closed_us: int | None = None
    closed_because: str = ""


def backtest(
    watched: Sequence[Watched],
    history: History,
    since_us: int,
    until_us: int,
    listener: Callable[[int, Judgement], None] | None = None,
    warm_up_us: int = WARM_UP_US,
) -> list[WouldBe]:
    """
    The incidents that rules open in a time, with those that were open when it began; the oldest first.

    Args:
        listener: hears of every evaluation of that time.
        warm_up_us: judging begins so long before; what was open for longer seems to have opened then.
    """
    begin_us = max(since_us - warm_up_us, history.begin_us() - TICK_US)
    begin_us -= begin_us % TICK_US
    judge = Judge(watched, {})
    judge.services = history.services_at(begin_us)
    judge.listening_since_us = history.listening_since_us(begin_us)

    found: list[WouldBe] = []
    is_open: dict[Instance, WouldBe] = {}
    for at_us, judgements in _judge(judge, history, begin_us, until_us, since_us, listener):
        for one in judgements:
            _note(one, at_us, is_open, found)
    return [one for one in found if one.closed_us is None or one.closed_us >= since_us]


def _judge(
    judge: Judge,
    history: History,
    begin_us: int,
    until_us: int,
    since_us: int,
    listener: Callable[[int, Judgement], None] | None,
) -> Iterator[tuple[int, list[Judgement]]]:
    pauses = deque(history.pauses(begin_us))
    # At one instant services come first, then the tick, then changes.
    services: Iterator[tuple[int, int, Any]] = (
        (at_us, 0, seen) for at_us, seen in history.services(begin_us, until_us)
    )
    changes = ((at_us, 2, seen) for at_us, seen in history.changes(begin_us, until_us))
    ticks = ((at_us, 1, None) for at_us in range(begin_us + TICK_US, until_us + 1, TICK_US))
    for at_us, kind, fed in heapq.merge(services, ticks, changes, key=lambda one: one[:2]):
        judge.listener = listener if at_us > since_us else None
        while pauses and at_us >= pauses[0].until_us:
            judge.listening_since_us = pauses.popleft().until_us
        match kind:
            case 0:
                yield at_us, judge.see(at_us, fed)
            case 1 if not (pauses and pauses[0].from_us < at_us):
                yield at_us, judge.tick(at_us, history.observations)
            case 2:
                yield at_us, judge.change(at_us, fed)


def _note(one: Judgement, at_us: int, is_open: dict[Instance, WouldBe], found: list[WouldBe]) -> None:
    state = one.verdict.state
    match one.verdict.transition:
        case "opened":
            incident = WouldBe(
                rule=one.rule.name,
                project_id=one.instance.project_id,
                labels=one.instance.labels,
                severity=severity_of(one.rule, state.tier),
                name=name_of(one.rule, state.tier),
                opened_us=at_us,
                because=one.verdict.why.because,
                environment=one.environment,
            )
            is_open[one.instance] = incident
            found.append(incident)
        case "upgraded":
            is_open[one.instance].severity = severity_of(one.rule, state.tier)
            is_open[one.instance].name = name_of(one.rule, state.tier)
        case "closed":
            incident = is_open.pop(one.instance)
            incident.closed_us, incident.closed_because = at_us, one.verdict.why.because
