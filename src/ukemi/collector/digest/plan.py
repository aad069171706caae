"""
The plan of a batch: what to write, decided in memory before the transaction writes anything. Pure.

Issues, tags, users and rollups of the whole batch are added up here, so each takes one statement.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.issue import Standing, why_change
from ukemi.collector.core.release import Release
from ukemi.collector.digest.understand import Understood

IssueKey = tuple[int, str]
"""project_id, issue_id"""
MAX_TAGS_IN_CHANGE = 50
_OPEN = Standing("open")


class PlannedIssue(msgspec.Struct):
    """One issue's part of the batch."""

    project_id: int
    id: str
    first: Understood
    """The first event of the batch: what a new issue is named after."""
    latest: Understood
    is_new: bool
    release: str = ""
    """Of the latest event that had one."""
    event_count: int = 0
    user_keys: set[str] = msgspec.field(default_factory=set)
    tags: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)


class PlannedChange(msgspec.Struct):
    project_id: int
    issue_id: str
    kind: ChangeKind
    detail: ChangeDetail


class Plan(msgspec.Struct):
    events: list[tuple[Understood, str]]
    """Each event with its issue id."""
    issues: list[PlannedIssue]
    reopened: set[IssueKey]
    """Resolved and muted issues that an event opened."""
    changes: list[PlannedChange]
    duplicates: list[Understood]
    moved: dict[tuple[int, bytes], str]
    """Fingerprints of a project's new version, by (project_id, hash), to be bound to the issue that the earlier one found."""


def plan(
    batch: Sequence[Understood],
    known_events: Collection[tuple[int, str]],
    known_issues: Mapping[tuple[int, bytes], str],
    standings: Mapping[IssueKey, Standing],
    releases: Mapping[tuple[int, str], Release],
    new_ids: Sequence[str],
) -> Plan:
    """
    Decide what a batch of events does.

    Args:
        known_events: (project_id, event id) of those that are stored already.
        known_issues: issue id by (project_id, fingerprint).
        standings: of the known issues.
        releases: those of the events and those that issues are resolved in, by (project_id, name).
        new_ids: as many fresh issue ids as there are events.
    """
    result = Plan(events=[], issues=[], reopened=set(), changes=[], duplicates=[], moved={})
    seen = set(known_events)
    issues = dict(known_issues)
    current = dict(standings)
    fresh = iter(new_ids)
    planned: dict[IssueKey, PlannedIssue] = {}
    ordinary: dict[tuple[object, ...], PlannedChange] = {}
    for one in batch:
        if (one.project_id, one.event_id) in seen:
            result.duplicates.append(one)
            continue
        seen.add((one.project_id, one.event_id))
        fingerprint = (one.project_id, one.fingerprint.hash)
        if fingerprint not in issues and one.earlier_hash and (one.project_id, one.earlier_hash) in issues:
            issues[fingerprint] = result.moved[fingerprint] = issues[one.project_id, one.earlier_hash]
        is_new = fingerprint not in issues
        if is_new:
            issues[fingerprint] = next(fresh)
        key = (one.project_id, issues[fingerprint])
        if key not in planned:
            planned[key] = PlannedIssue(*key, first=one, latest=one, is_new=is_new)
        _add(planned[key], one)
        result.events.append((one, key[1]))
        kind = _kind(one, planned[key], None if is_new else current.get(key, _OPEN), releases)
        if kind is None:
            continue
        if kind in (ChangeKind.REGRESSED, ChangeKind.UNMUTED):
            result.reopened.add(key)
            current[key] = _OPEN
        if kind is not ChangeKind.EVENT:
            result.changes.append(PlannedChange(*key, kind, _detail(one)))
            continue
        group = (
            key,
            one.environment,
            one.level,
            one.key_kind,
            one.tags.get("domain"),
            one.tags.get("expected"),
        )
        if group in ordinary:
            change = ordinary[group]
            change.detail = msgspec.structs.replace(change.detail, event_count=change.detail.event_count + 1)
        else:
            ordinary[group] = PlannedChange(*key, kind, _detail(one))
            result.changes.append(ordinary[group])
    result.issues = list(planned.values())
    return result


def _kind(
    one: Understood, issue: PlannedIssue, standing: Standing | None, releases: Mapping[tuple[int, str], Release]
) -> ChangeKind | None:
    if standing is None or standing.status == "open":
        return why_change(standing)
    with_this = msgspec.structs.replace(standing, event_count=standing.event_count + issue.event_count)
    return why_change(
        with_this,
        one.received_us,
        releases.get((one.project_id, one.release)),
        releases.get((one.project_id, standing.condition.release)),
    )


def _add(issue: PlannedIssue, one: Understood) -> None:
    issue.latest = one
    issue.event_count += 1
    issue.release = one.release or issue.release
    issue.tags.update(one.tags.items())
    if one.user_key:
        issue.user_keys.add(one.user_key)


def _detail(one: Understood) -> ChangeDetail:
    return ChangeDetail(
        title=one.title,
        culprit=one.culprit,
        level=one.level,
        environment=one.environment,
        release=one.release,
        key_kind=one.key_kind,
        tags=dict(list(one.told_tags.items())[:MAX_TAGS_IN_CHANGE]),
        event_id=one.event_id,
        received_us=one.received_us,
    )
