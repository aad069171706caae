"""
The evaluator: (rule's condition, state, observations, now) → verdict. Pure; live evaluation, replay and explanation share it.

A verdict says what the state is now, whether an incident opens or closes, and why, in words and numbers.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.failure_run import InstanceSeen, failure_run, silent_since
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule

Status = Literal["ok", "firing"]
Transition = Literal["opened", "closed"]


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
        seen: the issue's changes since the last evaluation, oldest first; those that do not match are passed over.
    """
    wanted = [one for one in seen if matches(rule, condition, one)]
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
    if any(one.kind is ChangeKind.RESOLVED for one in seen):
        return Verdict(State("ok", now_us, state.last_true_us), "closed", Explanation("The issue was resolved."))
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
    if not instances:
        why = Explanation("The service is no longer known: nothing was heard of it for a day.", values)
    elif run.length:
        why = Explanation(f"A request succeeded; {run.length} have failed since.", values)
    else:
        why = Explanation("A request succeeded." if run.live else "The service ended properly.", values)
    return Verdict(State("ok", now_us, state.last_true_us), "closed", why)


def _true(state: State, why: Explanation, cause_us: int, now_us: int) -> Verdict:
    if state.status == "firing":
        return Verdict(msgspec.structs.replace(state, last_true_us=now_us), None, why)
    return Verdict(State("firing", now_us, now_us), "opened", why, cause_us)


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
