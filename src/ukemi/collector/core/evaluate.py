"""
The evaluator: (rule, state, observations, now) → verdict. Pure; live evaluation, back-test and explanation share it.

A verdict says what the state is now, whether an incident opens, is upgraded or closes, and why, in words and numbers.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.failure_run import MAX_RUN, ServiceSeen
from ukemi.collector.core.measure import Measured
from ukemi.collector.core.observation import TICK_US
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule
from ukemi.collector.core.words import duration

Status = Literal["ok", "no_data", "pending", "firing", "recovering"]
Transition = Literal["opened", "upgraded", "closed"]
_ENDS: Final = {
    ChangeKind.RESOLVED: "The issue was resolved.",
    ChangeKind.MUTED: "The issue was muted.",
    ChangeKind.DELETED: "The issue was deleted.",
}
"""What a person does to an issue that ends its incidents."""


class State(msgspec.Struct, frozen=True):
    """What one instance of a rule remembers between two evaluations."""

    status: Status = "ok"
    since_us: int = 0
    last_true_us: int = 0
    """When the condition held last."""
    tier: int = 0
    """The highest that the incident reached: 0 is the rule itself, 1 its first step."""

    @property
    def is_open(self) -> bool:
        """Whether there is an incident."""
        return self.status in ("firing", "recovering")

    @property
    def is_at_rest(self) -> bool:
        """Whether there is nothing to remember."""
        return self.status in ("ok", "no_data")


class Explanation(msgspec.Struct, frozen=True):
    because: str
    values: dict[str, int | float | str | None] = {}


class Verdict(msgspec.Struct, frozen=True):
    state: State
    transition: Transition | None
    why: Explanation
    cause_us: int = 0
    """Receipt of what made it true: where the delay of the alert starts."""


class Seen(msgspec.Struct, frozen=True):
    """One change of an issue."""

    kind: ChangeKind
    at_us: int
    detail: ChangeDetail


def matches(rule: Rule, condition: EventCondition, seen: Seen) -> bool:
    """Whether an event rule wants this change."""
    return why_not(rule, condition, seen) is None


def why_not(rule: Rule, condition: EventCondition, seen: Seen) -> str | None:
    """Why an event rule passes this change over; None when it wants it."""
    detail = seen.detail
    for name, value, wanted in (
        ("kind of change", seen.kind, condition.changes),
        ("environment", detail.environment, rule.environments),
        ("domain", detail.tags.get("domain"), condition.domains),
        ("level", detail.level, condition.levels),
        ("kind of key", detail.key_kind, condition.key_kinds),
    ):
        if (wanted or name == "kind of change") and value not in wanted:
            return f"The {name} is {value or 'not given'}, not {' or '.join(wanted)}."
    return None


def evaluate_event(rule: Rule, condition: EventCondition, state: State, seen: Sequence[Seen], now_us: int) -> Verdict:
    """
    Judge an event rule for one issue.

    Args:
        seen: the issue's changes since the last evaluation, oldest first; those that do not match are passed over,
            and so are those before the issue was resolved, muted or deleted: somebody knows of them.
    """
    ends = [index for index, one in enumerate(seen) if one.kind in _ENDS]
    wanted = [one for one in seen[ends[-1] if ends else 0 :] if matches(rule, condition, one)]
    if wanted:
        first = wanted[0]
        why = Explanation(
            _why_event(first, condition),
            {
                "change": first.kind.value,
                "level": first.detail.level,
                "environment": first.detail.environment,
                "domain": first.detail.tags.get("domain"),
                "events": sum(one.detail.event_count for one in wanted),
            },
        )
        if state.status == "firing":
            return Verdict(msgspec.structs.replace(state, last_true_us=now_us), None, why)
        return Verdict(State("firing", now_us, now_us), "opened", why, first.detail.received_us or first.at_us)
    if state.status == "ok":
        return Verdict(state, None, Explanation("Nothing that matches has happened."))
    if ends:
        why = Explanation(_ENDS[seen[ends[-1]].kind])
        return Verdict(State("ok", now_us, state.last_true_us), "closed", why)
    quiet_s = (now_us - state.last_true_us) / SECOND_US
    if quiet_s >= condition.quiet_s:
        why = Explanation(f"Nothing of the kind came for {duration(condition.quiet_s)}.", {"quiet_s": round(quiet_s)})
        return Verdict(State("ok", now_us, state.last_true_us), "closed", why)
    return Verdict(
        state, None, Explanation("The latest such event is too recent to close.", {"quiet_s": round(quiet_s)})
    )


def evaluate_failure_run(
    condition: FailureRunCondition, state: State, service: ServiceSeen, listening_since_us: int, now_us: int
) -> Verdict:
    """
    Judge a failure-run rule for one service.

    Args:
        listening_since_us: since when this collector has been listening. Silence before that is its own, and opens nothing.
    """
    silence_us = round(condition.silence_s * SECOND_US)
    silent_us = service.quiet_since_us
    heard_us = silent_us if state.is_open else max(silent_us or 0, listening_since_us)
    is_silent = silent_us is not None and heard_us is not None and now_us - heard_us >= silence_us
    values: dict[str, int | float | str | None] = {
        "failures_in_a_row": service.run,
        "threshold": condition.length,
        "live_processes": service.live,
        "silent_s": round((now_us - silent_us) / SECOND_US) if silent_us is not None and is_silent else None,
    }
    if service.run >= condition.length:
        more = " or more" if service.run >= MAX_RUN else ""
        why = Explanation(f"{service.run}{more} requests in a row failed, and none succeeded since.", values)
        return _true(state, why, service.run_last_us or now_us, now_us)
    if silent_us is not None and is_silent:
        text = f"No process has reported for {duration((now_us - silent_us) / SECOND_US)}, though requests came before."
        return _true(state, Explanation(text, values), silent_us + silence_us, now_us)
    if state.status != "firing":
        why = Explanation(f"{service.run} failures in a row; {condition.length} are needed.", values)
        return Verdict(state, None, why)
    why = Explanation(_why_ended(state, service, silence_us), values)
    return Verdict(State("ok", now_us, state.last_true_us), "closed", why)


def evaluate_window(rule: Rule, state: State, measured: Sequence[Measured], now_us: int) -> Verdict:
    """
    Judge a window rule for one set of labels.

    Args:
        measured: of the rule itself and each of its steps, from mild to severe.
        now_us: end of the window.
    """
    reached = max((tier for tier, one in enumerate(measured) if one.is_true), default=None)
    held = reached is not None or any(one.is_held for one in measured[: state.tier + 1])
    decisive = measured[reached if reached is not None else min(state.tier, len(measured) - 1)]
    why = Explanation(decisive.because, decisive.values)
    after_us = round(rule.ends_after_s * SECOND_US)
    if not state.is_open:
        if reached is None:
            status: Status = "ok" if measured[0].value is not None else "no_data"
            return Verdict(state if state.status == status else State(status, now_us, state.last_true_us), None, why)
        since_us = state.since_us if state.status == "pending" else now_us
        if now_us - since_us < round(rule.for_s * SECOND_US):
            return Verdict(State("pending", since_us, since_us, reached), None, why)
        return Verdict(State("firing", now_us, now_us, reached), "opened", why, now_us - TICK_US)
    if reached is not None and reached > state.tier:
        firing = State("firing", _since(state, "firing", now_us), now_us, reached)
        return Verdict(firing, "upgraded", why, now_us - TICK_US)
    if held:
        # When it held last is left as it is: a firing rule that goes on firing need not be written at each tick.
        return Verdict(State("firing", _since(state, "firing", now_us), state.last_true_us, state.tier), None, why)
    since_us = _since(state, "recovering", now_us)
    if now_us - since_us >= after_us:
        lasted = f" That has lasted for {duration(rule.ends_after_s)}." if after_us else ""
        closed = Explanation(f"{decisive.because}{lasted}", decisive.values)
        return Verdict(State("ok", now_us, state.last_true_us), "closed", closed)
    return Verdict(State("recovering", since_us, state.last_true_us, state.tier), None, why)


def _since(state: State, status: Status, now_us: int) -> int:
    return state.since_us if state.status == status else now_us


def _true(state: State, why: Explanation, cause_us: int, now_us: int) -> Verdict:
    if state.status == "firing":
        return Verdict(msgspec.structs.replace(state, last_true_us=now_us), None, why)
    return Verdict(State("firing", now_us, now_us), "opened", why, cause_us)


def _why_ended(state: State, service: ServiceSeen, silence_us: int) -> str:
    """Why a run of failures or a silence is over. A success that we know of may be older than either."""
    success_us = service.success_us
    if service.last_report_us is None or service.last_report_us < state.since_us:
        return "The service is no longer known: nothing was heard of it for a day."
    if success_us is not None and success_us >= state.since_us:
        why = "A request succeeded"
    elif not service.live and service.is_ended:
        why = "The service ended properly"
    elif success_us is not None and success_us > state.since_us - silence_us:
        # It fell between the report that opened the incident and the opening, or into the silence.
        why = "A request had succeeded before the incident opened, and was reported later"
    else:
        why = "The service reports again"
    return f"{why}; failures in a row now: {service.run}." if service.run else f"{why}."


def _why_event(first: Seen, condition: EventCondition) -> str:
    subject = {
        ChangeKind.NEW: "An error of a new kind happened",
        ChangeKind.REGRESSED: "A resolved issue came back",
    }.get(first.kind, "An error happened")
    domain = first.detail.tags.get("domain")
    where = f" in {domain}" if condition.domains and domain else ""
    return f"{subject}{where}, at level {first.detail.level}."
