"""Incidents: what can befall one, and how it may be found by a silence. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from ukemi.collector.core.rule import Severity
from ukemi.collector.core.silence import Facts

STORM: Final = "storm"
"""Condition of an incident that tells of many others in one digest."""
CAUSED: Final = ("failure_run", "ratio")
"""Conditions whose incidents come of an issue, as a rule: the likely one is attached."""
OWN: Final = "own"
"""Condition of an incident about ukemi itself."""


class IncidentChangeKind(StrEnum):
    """The lines of its time line, beside the notifications."""

    OPENED = "opened"
    UPGRADED = "upgraded"
    ACKNOWLEDGED = "acknowledged"
    SUPPRESSED = "suppressed"
    RELEASED = "released"
    """What suppressed it is over."""
    ATTACHED = "attached"
    """The new issue that likely caused it was found."""
    CLOSED = "closed"
    REOPENED = "reopened"


def facts(
    *,
    project: tuple[int, str, str],
    rule: str,
    environment: str,
    severity: Severity,
    issue: tuple[str, str] | None,
    domain: str,
    labels: Mapping[str, str],
) -> Facts:
    """
    What silences match an incident by.

    Args:
        project: number, name and short name.
        issue: id and short name, such as SHOP-12.
    """
    number, name, slug = project
    return {
        **{label: {value} for label, value in labels.items()},
        "project": {str(number), name, slug},
        "rule": {rule},
        "environment": {environment},
        "severity": {severity},
        "issue": set(issue) if issue else set(),
        "domain": {domain},
    }
