"""Rules: what to watch for. Read from a file (`ukemi.collector.alerts.rules_file`), judged by `evaluate`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ukemi.collector.core.change import ChangeKind
from ukemi.protocol.vocabulary import KeyKind, Level

Severity = Literal["warning", "high", "critical"]
Seconds = Annotated[float, Meta(gt=0)]


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


class FailureRunCondition(msgspec.Struct, frozen=True, tag="failure_run", tag_field="kind", forbid_unknown_fields=True):
    """A service answers nothing but failures, or has fallen silent. One incident for each project and environment."""

    length: Annotated[int, Meta(ge=1, le=50)] = 10
    """Requests in a row, over all processes of the service, that ended with a status of 500 or above."""
    silence_s: Seconds = 30
    """No process has reported for so long, though requests came before and none said good-bye. At least three reports."""


Condition = EventCondition | FailureRunCondition


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    severity: Severity
    when: Condition
    environments: list[str] = []
    """Only these; empty: all."""
    enabled: bool = True


def scaled(rule: Rule, divisor: float) -> Rule:
    """
    The rule with its statistical windows divided, for a demonstration that cannot wait.

    The length of silence stays: it is tied to how often apps report, not to how long one wants to watch.
    """
    if isinstance(rule.when, EventCondition):
        when = msgspec.structs.replace(rule.when, quiet_s=rule.when.quiet_s / divisor)
        return msgspec.structs.replace(rule, when=when)
    return rule
