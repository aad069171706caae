"""
The evaluator: (rule's condition, state, observations, now) → verdict. Pure; live evaluation, replay and explanation share it.

A verdict says what the state is now, whether an incident opens or closes, and why, in words and numbers.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.failure_run import FailureRun, InstanceSeen, failure_run, silent_since
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule

Status = Literal["ok", "firing"]
Transition = Literal["opened", "closed"]
_ENDS: Final = {ChangeKind.RESOLVED: "The issue was resolved.", ChangeKind.MUTED: "The issue was muted."}
"""What a person does to an issue that ends its incidents."""


class State(msgspec.Struct, frozen=True):
    """What one instance of a rule remembers between two evaluations."""

    status: Status = "ok"
    since_us: int = 0
    last_true_us: int = 0
    """When the condition held last."""


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
    detail = seen.detail
    return (
        seen.kind in condition.changes
        and (not rule.environments or detail.environment in rule.environments)
        and (not condition.domains or detail.tags.get("domain") in condition.domains)
        and (not condition.levels or detail.level in condition.levels)
        and (not condition.key_kinds or detail.key_kind in condition.key_kinds)
    )


def evaluate_event(rule: Rule, condition: EventCondition, state: State, seen: Sequence[Seen], now_us: int) -> Verdict:
    """
    Judge an event rule for one issue.

    Args:
        seen: the issue's changes since the last evaluation, oldest first; those that do not match are passed over,
            and so are those before the issue was resolved or muted: somebody knows of them.
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
        why = Explanation(f"Nothing of the kind came for {_duration(condition.quiet_s)}.", {"quiet_s": round(quiet_s)})
        return Verdict(State("ok", now_us, state.last_true_us), "closed", why)
    return Verdict(
        state, None, Explanation("The latest such event is too recent to close.", {"quiet_s": round(quiet_s)})
    )


def evaluate_failure_run(
    condition: FailureRunCondition,
    state: State,
    instances: Sequence[InstanceSeen],
    observing_since_us: int,
    now_us: int,
) -> Verdict:
    """
    Judge a failure-run rule for one service.

    Args:
        instances: all processes of the service that are remembered.
        observing_since_us: since when this collector has been listening.
    """
    silence_us = round(condition.silence_s * SECOND_US)
    if state.status == "firing":  # a silence that was told of already goes on, also when the collector starts anew
        observing_since_us = min(observing_since_us, state.since_us - silence_us)
    run = failure_run(instances, silence_us, now_us)
    silent_us = silent_since(instances, silence_us, observing_since_us, now_us)
    values: dict[str, int | float | str | None] = {
        "failures_in_a_row": run.length,
        "threshold": condition.length,
        "live_processes": run.live,
        "silent_s": round((now_us - silent_us) / SECOND_US) if silent_us else None,
    }
    if run.length >= condition.length:
        why = Explanation(f"{run.length} requests in a row failed, and none succeeded since.", values)
        return _true(state, why, run.last_us or now_us, now_us)
    if silent_us is not None:
        text = (
            f"No process has reported for {_duration((now_us - silent_us) / SECOND_US)}, though requests came before."
        )
        return _true(state, Explanation(text, values), silent_us + silence_us, now_us)
    if state.status == "ok":
        return Verdict(
            state, None, Explanation(f"{run.length} failures in a row; {condition.length} are needed.", values)
        )
    why = Explanation(_why_ended(state, instances, run, silence_us), values)
    return Verdict(State("ok", now_us, state.last_true_us), "closed", why)


def _true(state: State, why: Explanation, cause_us: int, now_us: int) -> Verdict:
    if state.status == "firing":
        return Verdict(msgspec.structs.replace(state, last_true_us=now_us), None, why)
    return Verdict(State("firing", now_us, now_us), "opened", why, cause_us)


def _why_ended(state: State, instances: Sequence[InstanceSeen], run: FailureRun, silence_us: int) -> str:
    """Why a run of failures or a silence is over. A success that we know of may be older than either."""
    if not instances:
        return "The service is no longer known: nothing was heard of it for a day."
    last = max(instances, key=lambda instance: instance.last_report_us)
    success_us = run.last_success_us
    if success_us is not None and success_us >= state.since_us:
        why = "A request succeeded"
    elif not run.live and last.ended_us is not None:
        why = "The service ended properly"
    elif success_us is not None and success_us > state.since_us - silence_us:
        # It fell between the report that opened the incident and the opening, or into the silence.
        why = "A request had succeeded before the incident opened, and was reported later"
    else:
        why = "The service reports again"
    return f"{why}; failures in a row now: {run.length}." if run.length else f"{why}."


def _why_event(first: Seen, condition: EventCondition) -> str:
    subject = {
        ChangeKind.NEW: "An error of a new kind happened",
        ChangeKind.REGRESSED: "A resolved issue came back",
    }.get(first.kind, "An error happened")
    domain = first.detail.tags.get("domain")
    where = f" in {domain}" if condition.domains and domain else ""
    return f"{subject}{where}, at level {first.detail.level}."


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
