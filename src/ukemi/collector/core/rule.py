"""
Rules: what to watch for, as data. Read from a file or made for one project; judged by `ukemi.collector.core.judge`.

A rule is a condition, the labels it is split by, and what must hold before it fires and before it ends. Its steps are
the same condition with harder numbers: an incident that reaches one is upgraded, and no second one opens.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ukemi.collector.core.change import ChangeKind
from ukemi.protocol.vocabulary import KeyKind, Level

Severity = Literal["warning", "high", "critical"]
Label = Literal["environment", "release", "route", "domain", "issue"]
Seconds = Annotated[float, Meta(gt=0)]
Pause = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Confidence = Annotated[float, Meta(ge=0, lt=1)]
AtLeast = Annotated[int, Meta(ge=1)]

TICK_S: Final = 10
"""Conditions over a window are judged so often, on windows of whole ticks."""
LONGEST_WINDOW_S: Final = 7 * 86_400
LONGEST_AFTERMATH_S: Final = 600.0
"""What outlives an outage by so long is told, whatever its windows still hold: an error budget that is used up is news."""


class RuleError(ValueError):
    """A rule cannot be meant as it is written; the message says what is wrong, and what would do."""


class EventCondition(msgspec.Struct, frozen=True, tag="event", tag_field="kind", forbid_unknown_fields=True):
    """Something befell an issue. One incident for each issue; it closes with the issue, or after quiet."""

    changes: list[ChangeKind]
    """Any of these."""
    domains: list[str] = []
    """The event's tag `domain` is one of these; empty: any."""
    levels: list[Level] = []
    """Empty: any."""
    key_kinds: list[KeyKind] = []
    """Empty: any. Browser keys are public, so what pages should ask for `server`."""
    quiet_s: Seconds = 1800
    """The incident closes when nothing of the kind came for so long."""


class CountCondition(msgspec.Struct, frozen=True, tag="count", tag_field="kind", forbid_unknown_fields=True):
    """Many events, or events of many users, in a window; if wanted, far more than is usual."""

    at_least: AtLeast
    of: Literal["events", "users"] = "events"
    window_s: Seconds = 300
    times_usual: Annotated[float, Meta(ge=0)] = 0
    """Also more than so many times what came in an average window of `usual_over_s` before; 0: not compared."""
    usual_over_s: Seconds = 86_400
    domains: list[str] = []
    levels: list[Level] = []
    key_kinds: list[KeyKind] = []
    expected: bool | None = None
    """true: only failures that a user can cause alone; false: only others."""


class FailureRunCondition(msgspec.Struct, frozen=True, tag="failure_run", tag_field="kind", forbid_unknown_fields=True):
    """A service answers nothing but failures, or has fallen silent. One incident for each project and environment."""

    length: Annotated[int, Meta(ge=1, le=50)] = 10
    """Requests in a row, over all processes of the service, that ended with a status of 500 or above."""
    silence_s: Seconds = 30
    """No process has reported for so long, though requests came before and none said good-bye. At least three reports."""


class RatioCondition(msgspec.Struct, frozen=True, tag="ratio", tag_field="kind", forbid_unknown_fields=True):
    """A share of requests that is surely too high."""

    above: Share
    of: Literal["failures", "crashes"] = "failures"
    """Requests answered with 500 or above; or sessions that crashed, the rest of which is the crash-free rate."""
    window_s: Seconds = 300
    confidence: Confidence = 0.95
    """How sure: one-sided, of Wilson's lower bound. 0 takes the share as it is."""
    min_requests: AtLeast = 50
    min_failures: AtLeast = 5
    routes: list[str] = []
    """`POST /api/payments`, or without the method; `*` stands for anything, and `!` before it for all but these. Empty: all."""


class PercentileCondition(msgspec.Struct, frozen=True, tag="percentile", tag_field="kind", forbid_unknown_fields=True):
    """A latency that more requests exceed than may: the quantile is above the limit, surely."""

    above_ms: Seconds
    quantile: Share = 0.95
    window_s: Seconds = 300
    confidence: Confidence = 0.95
    min_requests: AtLeast = 50
    min_slow: AtLeast = 5
    """So many requests must have been slower than the limit."""
    routes: list[str] = []


class SilenceCondition(msgspec.Struct, frozen=True, tag="silence", tag_field="kind", forbid_unknown_fields=True):
    """Nothing comes where something came before."""

    of: Literal["requests", "events"] = "requests"
    window_s: Seconds = 600
    """Nothing in so long, …"""
    at_least: AtLeast = 50
    """… though so many came …"""
    before_s: Seconds = 3600
    """… in so long before that."""
    routes: list[str] = []
    domains: list[str] = []


TrafficCondition = RatioCondition | PercentileCondition
WindowCondition = CountCondition | RatioCondition | PercentileCondition | SilenceCondition
Condition = EventCondition | FailureRunCondition | WindowCondition


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A harder version of the rule's condition. What is not given is as in the rule."""

    name: str
    severity: Severity
    above: Share | None = None
    above_ms: Seconds | None = None
    quantile: Share | None = None
    at_least: AtLeast | None = None
    times_usual: Annotated[float, Meta(ge=0)] | None = None
    window_s: Seconds | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    severity: Severity
    when: Condition
    environments: list[str] = []
    """Only these; empty: all."""
    by: list[Label] = []
    """One incident for each value of these; empty: for each environment (`event`: for each issue)."""
    steps: list[Step] = []
    """From mild to severe. An incident takes the severity of the highest step that it reached."""
    for_s: Pause = 0
    """The condition must hold for so long before the rule fires."""
    ends_below: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """An incident ends when the value is below this share of the threshold …"""
    ends_after_s: Pause = 120
    """… for so long."""
    repeat_s: Pause = 0
    """Channels are told again of an incident that stays open for so long; 0: never."""
    enabled: bool = True
    cooldown_s: Annotated[float, Meta(ge=0)] = 300
    """So soon after its predecessor's end an incident is not told. Critical ones are always told at once."""

    @property
    def split_by(self) -> list[Label]:
        """The labels of its incidents."""
        if isinstance(self.when, EventCondition):
            return ["issue"]
        return self.by or ["environment"]


class Tier(msgspec.Struct, frozen=True):
    """The rule itself or one of its steps."""

    name: str
    severity: Severity
    when: WindowCondition


def tiers(rule: Rule) -> list[Tier]:
    """A window rule and its steps, from mild to severe."""
    assert isinstance(rule.when, WindowCondition)
    return [Tier(rule.name, rule.severity, rule.when), *_steps(rule, rule.when)]


def severity_of(rule: Rule, tier: int) -> Severity:
    """Of an incident that reached a tier: 0 is the rule itself, 1 its first step."""
    return rule.steps[tier - 1].severity if 0 < tier <= len(rule.steps) else rule.severity


def name_of(rule: Rule, tier: int) -> str:
    return rule.steps[tier - 1].name if 0 < tier <= len(rule.steps) else rule.name


def _steps(rule: Rule, when: WindowCondition) -> Iterator[Tier]:
    for step in rule.steps:
        harder = {name: value for name in _HARDER if (value := getattr(step, name)) is not None}
        yield Tier(step.name, step.severity, msgspec.structs.replace(when, **harder))


_HARDER: Final = ("above", "above_ms", "quantile", "at_least", "times_usual", "window_s")
_MAY_SPLIT: Final[dict[str, tuple[Label, ...]]] = {
    "event": (),
    "failure_run": (),
    "count": ("environment", "release", "domain", "issue"),
    "ratio": ("environment", "release", "route"),
    "percentile": ("environment", "release", "route"),
    "silence": ("environment", "release", "route"),
}
_SEVERITIES: Final[tuple[Severity, ...]] = ("warning", "high", "critical")


def kind_of(condition: Condition | type[Condition]) -> str:
    """The word that stands for it in rules."""
    return str(condition.__struct_config__.tag)


def check(rule: Rule) -> None:
    """
    What types cannot say.

    Raises:
        RuleError: the rule's parts do not fit together.
    """
    kind, when = kind_of(rule.when), rule.when
    if not rule.name.strip() or len(rule.name) > 80:
        raise RuleError(f"A rule's name must have 1 to 80 characters; {rule.name!r} has not.")
    may_split = _MAY_SPLIT[kind]
    if isinstance(when, SilenceCondition) and when.of == "events":
        may_split = ("environment", "release", "domain")
    for label in rule.by:
        if label not in may_split:
            allowed = ", ".join(may_split) or "nothing: it has one incident for each issue or service"
            raise RuleError(f"Rule {rule.name!r} is split by {label!r}, but kind {kind!r} can be split by {allowed}.")
    if not isinstance(when, WindowCondition):
        ordinary = Rule(rule.name, rule.severity, when)
        for name in ("steps", "for_s", "ends_below", "ends_after_s"):
            if getattr(rule, name) != getattr(ordinary, name):
                raise RuleError(
                    f"Rule {rule.name!r} sets {name!r}, which is for conditions over a window; {kind!r} is none."
                )
    severity = rule.severity
    for step in rule.steps:
        given = [name for name in _HARDER if getattr(step, name) is not None]
        foreign = [name for name in given if not hasattr(when, name)]
        if foreign:
            raise RuleError(f"Step {step.name!r} of rule {rule.name!r} sets {foreign[0]!r}, which {kind!r} has not.")
        if not given:
            raise RuleError(
                f"Step {step.name!r} of rule {rule.name!r} is no harder: give it one of {', '.join(_HARDER)}."
            )
        if _SEVERITIES.index(step.severity) < _SEVERITIES.index(severity):
            raise RuleError(
                f"Step {step.name!r} of rule {rule.name!r} is milder than what stands before it; order them from mild to severe."
            )
        severity = step.severity
    _check_routes(rule.name, getattr(when, "routes", []))
    if isinstance(when, WindowCondition):
        for tier in tiers(rule):
            if span_s(tier.when) > LONGEST_WINDOW_S:
                raise RuleError(
                    f"{tier.name!r} looks back {span_s(tier.when):.0f} seconds; "
                    f"what rules look at is kept for longer, but more than {LONGEST_WINDOW_S} (7 days) is not supported."
                )


_ROUTE: Final = re.compile(r"!?([A-Z*?]+ )?[/*<].*")
"""With a method or without; `<unmatched>` is one, too."""


def _check_routes(name: str, routes: list[str]) -> None:
    for pattern in routes:
        if not _ROUTE.fullmatch(pattern):
            raise RuleError(
                f"Rule {name!r} names the route {pattern!r}; a route is a path, such as /api/payments or /webhooks/*, "
                "or a method and a path, such as POST /api/payments. Before it may stand !, for all but this one."
            )
        if not pattern.startswith("!") and f"!{pattern}" in routes:
            raise RuleError(f"Rule {name!r} names the route {pattern!r} and leaves it out again; keep one of the two.")


def aftermath_s(rule: Rule) -> float:
    """So long after the end of an outage an incident of the rule may still be its consequence: then it has left all windows."""
    if not isinstance(rule.when, WindowCondition):
        return 0.0
    longest_s = max(span_s(tier.when) for tier in tiers(rule))
    return min(longest_s + rule.ends_after_s + 3 * TICK_S, LONGEST_AFTERMATH_S)


def span_s(condition: WindowCondition) -> float:
    """How far back a condition looks."""
    if isinstance(condition, CountCondition) and condition.times_usual:
        return condition.window_s + condition.usual_over_s
    if isinstance(condition, SilenceCondition):
        return condition.window_s + condition.before_s
    return condition.window_s


def scaled(rule: Rule, divisor: float) -> Rule:
    """
    The rule with its windows and pauses divided, for a demonstration that cannot wait. No window gets shorter than a tick.

    The length of silence of a failure run stays: it is tied to how often apps report, not to how long one wants to watch.
    """

    def shorter(struct: msgspec.Struct, *names: str) -> dict[str, float]:
        return {
            name: max(TICK_S if name == "window_s" else 0, value / divisor)
            for name in names
            if (value := getattr(struct, name, None))
        }

    of_windows = ("for_s", "ends_after_s") if isinstance(rule.when, WindowCondition) else ()
    return msgspec.structs.replace(
        rule,
        when=msgspec.structs.replace(
            rule.when, **shorter(rule.when, "window_s", "usual_over_s", "before_s", "quiet_s")
        ),
        steps=[msgspec.structs.replace(step, **shorter(step, "window_s")) for step in rule.steps],
        **shorter(rule, "repeat_s", "cooldown_s", *of_windows),
    )
