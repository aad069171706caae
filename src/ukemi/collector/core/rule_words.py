"""A rule as a sentence: for pages, the command line and the text of explanations. Pure."""

from typing import assert_never

from ukemi.collector.core.rule import (
    Condition,
    CountCondition,
    EventCondition,
    FailureRunCondition,
    PercentileCondition,
    RatioCondition,
    Rule,
    SilenceCondition,
    WindowCondition,
    tiers,
)
from ukemi.collector.core.words import duration, percent


def sentence(rule: Rule) -> str:
    """What makes the rule come true, and what ends it."""
    text = _condition(rule.when)
    if isinstance(rule.when, WindowCondition):
        if rule.for_s:
            text += f", and goes on for {duration(rule.for_s)}"
        if rule.split_by != ["environment"]:
            text += f"; for each {' and '.join(rule.split_by)}"
        text += f"; ends below {percent(rule.ends_below)} of that"
        if rule.ends_after_s:
            text += f" for {duration(rule.ends_after_s)}"
    if rule.environments:
        text += f"; only in {', '.join(rule.environments)}"
    return f"{text}."


def steps_in_words(rule: Rule) -> list[tuple[str, str, str]]:
    """Name, severity and condition of each step."""
    if not isinstance(rule.when, WindowCondition):
        return []
    return [(tier.name, tier.severity, f"{_condition(tier.when)}.") for tier in tiers(rule)[1:]]


def _condition(condition: Condition) -> str:
    match condition:
        case EventCondition():
            kinds = " or ".join("seen" if kind == "event" else kind.value for kind in condition.changes)
            return (
                f"an issue is {kinds}{_of(condition)}; closes when the issue is resolved, "
                f"or after {duration(condition.quiet_s)} of quiet"
            )
        case FailureRunCondition():
            return (
                f"{condition.length} requests in a row fail with a status of 500 or above, over all processes of a service; "
                f"or nothing was heard of it for {duration(condition.silence_s)} after traffic"
            )
        case RatioCondition():
            what = "requests fail" if condition.of == "failures" else "sessions crash"
            surely = "surely " if condition.confidence else ""
            return (
                f"{surely}more than {percent(condition.above)} of {condition.min_requests} or more {what} "
                f"in {duration(condition.window_s)}{_to(condition.routes)}"
            )
        case PercentileCondition():
            surely = "surely " if condition.confidence else ""
            return (
                f"P{condition.quantile * 100:g} of {condition.min_requests} or more requests is {surely}above "
                f"{condition.above_ms / 1000:g} s in {duration(condition.window_s)}{_to(condition.routes)}"
            )
        case CountCondition():
            expected = {None: "", True: " that users can cause alone", False: " that users cannot cause alone"}
            of = "events" if condition.of == "events" else "users meet events"
            text = f"{condition.at_least} or more {of}{expected[condition.expected]}{_of(condition)} in {duration(condition.window_s)}"
            if condition.times_usual:
                text += f", and more than {condition.times_usual:g} times as many as usual in {duration(condition.usual_over_s)}"
            return text
        case SilenceCondition():
            domains = f" in {' or '.join(condition.domains)}" if condition.domains else ""
            return (
                f"no {condition.of}{domains}{_to(condition.routes)} come in {duration(condition.window_s)}, "
                f"though {condition.at_least} or more came in {duration(condition.before_s)} before"
            )
        case _:
            assert_never(condition)


def _of(condition: EventCondition | CountCondition) -> str:
    text = f" in {' or '.join(condition.domains)}" if condition.domains else ""
    if condition.levels:
        text += f", at level {' or '.join(condition.levels)}"
    if condition.key_kinds:
        text += f", sent with a {' or '.join(condition.key_kinds)} key"
    return text


def _to(routes: list[str]) -> str:
    wanted = [route for route in routes if not route.startswith("!")]
    unwanted = [route[1:] for route in routes if route.startswith("!")]
    text = f" to {' or '.join(wanted)}" if wanted else ""
    return f"{text}, but not to {' or '.join(unwanted)}," if unwanted else text
