"""
The book of one step: what the step reads it reads once, and what it writes stands in the database when the book is closed.

A bad minute opens hundreds of incidents. Without a book each would read the same silences, outages and projects anew, and write
its own rows one by one. What the step itself opened and closed is known to what comes later in it.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import msgspec

from ukemi.collector.core.evaluate import Verdict
from ukemi.collector.core.incident import STORM, IncidentChangeKind
from ukemi.collector.core.notification import BlastRadius, Content, Sent
from ukemi.collector.core.silence import Silence
from ukemi.collector.core.suppression import INHIBITS, Outage
from ukemi.collector.store import blast_radius, incidents, notifications, observations, projects, rule_states, silences
from ukemi.collector.store.blast_radius import Cause
from ukemi.collector.store.database import Tx
from ukemi.collector.store.incidents import Incident, IncidentChange
from ukemi.collector.store.notifications import Queued
from ukemi.collector.store.observations import Subject
from ukemi.collector.store.projects import Project
from ukemi.collector.store.rule_states import Judged

Key = tuple[int, str, str]
"""project_id, rule, labels: of one instance, at most one incident is open."""


class Book:
    """Used as a context: closed without an exception, it is written."""

    def __init__(self, tx: Tx, now_us: int) -> None:
        self.tx, self.now_us = tx, now_us
        self._new: dict[str, Incident] = {}
        self._changed: dict[str, tuple[Incident, Incident]] = {}
        """As they were, and as they are now."""
        self._notes: list[IncidentChange] = []
        self._queued: list[Queued] = []
        self._judged: list[Judged] = []
        self._open: dict[Key, Incident | None] = {}
        self._projects: dict[int, Project] = {}
        self._subjects: dict[tuple[int, str], Subject | None] = {}
        self._outages: dict[int, dict[str, Outage]] = {}
        self._storms: dict[tuple[int, str], Incident | None] = {}
        self._bursts: Counter[tuple[int, str, str]] = Counter()
        self._ends: dict[tuple[int, str, int], Mapping[str, int]] = {}
        self._causes: dict[tuple[int, str, str, int], Cause | None] = {}
        self._reaches: dict[object, BlastRadius] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write()

    # --- what is read ---

    def look_up(self, keys: Collection[Key]) -> None:
        """Read the open incidents of many instances at once; `open_of` then knows them."""
        self._open |= dict.fromkeys(keys)
        self._open |= {(one.project_id, one.rule, one.labels): one for one in incidents.find_open(self.tx, keys)}

    def open_of(self, project_id: int, rule: str, labels: str) -> Incident | None:
        """The open incident of a rule for these labels."""
        key = (project_id, rule, labels)
        if key not in self._open:
            self.look_up([key])
        return self._open[key]

    def look_up_subjects(self, project_id: int, issue_ids: Collection[str]) -> None:
        """Read how many issues are called at once; `subject` then knows them."""
        found = observations.subjects(self.tx, project_id, issue_ids)
        self._subjects |= {(project_id, issue_id): found.get(issue_id) for issue_id in issue_ids}

    def subject(self, project_id: int, issue_id: str | None) -> Subject | None:
        """How an issue is called; None when it is gone, or none is meant."""
        if issue_id is None:
            return None
        if (project_id, issue_id) not in self._subjects:
            self.look_up_subjects(project_id, [issue_id])
        return self._subjects[project_id, issue_id]

    def project(self, project_id: int) -> Project:
        if project_id not in self._projects:
            self._projects[project_id] = projects.get(self.tx, project_id)
        return self._projects[project_id]

    @cached_property
    def silences(self) -> list[Silence]:
        return silences.current(self.tx, self.now_us)

    def outages(self, project_id: int) -> list[Outage]:
        """Incidents of a project that others may follow from."""
        return list(self._outages_of(project_id).values())

    def storm(self, project_id: int, rule: str) -> Incident | None:
        """The digest that collects incidents of this rule at present."""
        key = (project_id, rule)
        if key not in self._storms:
            self._storms[key] = incidents.open_storm(self.tx, project_id, rule)
        return self._storms[key]

    def burst(self, incident: Incident) -> int:
        """How many incidents of its rule and project opened shortly before it, itself included."""
        if incident.id not in self._new:
            return incidents.burst(self.tx, incident)
        return self._bursts[_kind(incident)]

    def last_end_us(self, incident: Incident) -> int | None:
        """When the incident before it, of the same rule and labels, closed; None when that is longer ago than its cooldown."""
        key = (incident.project_id, incident.rule, incident.cooldown_us)
        if key not in self._ends:
            self._ends[key] = incidents.last_ends(
                self.tx, incident.project_id, incident.rule, self.now_us - incident.cooldown_us
            )
        return self._ends[key].get(incident.labels)

    def sent(self, incident: Incident) -> dict[str, Sent]:
        """What each channel was told of it last."""
        if incident.id in self._new:
            return {}
        return notifications.last_sent(self.tx, incident.project_id, incident.id)

    def cause(self, incident: Incident) -> Cause | None:
        """The issue that likely caused it."""
        route = rule_states.read_labels(incident.labels).get("route", "")
        key = (incident.project_id, incident.environment, route, incident.opened_us)
        if key not in self._causes:
            self._causes[key] = blast_radius.likely_cause(self.tx, incident, route, self.now_us)
        return self._causes[key]

    def blast_radius(self, incident: Incident, base_url: str) -> BlastRadius:
        """Whom and what it hits; the same for all that opened at once in one place."""
        key = (incident.project_id, incident.issue_id, incident.environment, incident.opened_us, incident.closed_us)
        if key not in self._reaches:
            self._reaches[key] = blast_radius.of_incident(self.tx, incident, base_url, self.now_us)
        return self._reaches[key]

    # --- what is written ---

    def open(self, incident: Incident, because: str) -> None:
        """Begin an incident, with the first line of its time line."""
        if incident.condition != STORM and _kind(incident) not in self._bursts:
            self._bursts[_kind(incident)] = incidents.burst(self.tx, incident)
        self._bursts[_kind(incident)] += 1
        self._new[incident.id] = incident
        self._remember(incident)
        self._note(incident, IncidentChangeKind.OPENED, because)

    def change(
        self,
        incident: Incident,
        kind: IncidentChangeKind | None = None,
        because: str = "",
        *,
        reason: str = "",
        **fields: Any,
    ) -> Incident:
        """Give it other values, with a line of its time line when `kind` says which. Returns it as it is now."""
        after = msgspec.structs.replace(incident, **fields)
        if incident.id in self._new:
            self._new[incident.id] = after
        else:
            self._changed[incident.id] = (self._changed.get(incident.id, (incident,))[0], after)
        self._remember(after)
        if kind is not None:
            self._note(incident, kind, because, reason)
        return after

    def queue(self, incident: Incident, channel: str, content: Content) -> None:
        """Put a notification into the outbox."""
        self._queued.append(Queued(incident.project_id, secrets.token_hex(16), channel, content))

    def note_verdict(self, key: Key, verdict: Verdict, incident_id: str | None) -> None:
        """Keep how an instance stands, and why."""
        self._judged.append(Judged(*key, verdict, incident_id))

    def _note(self, incident: Incident, kind: IncidentChangeKind, because: str, reason: str = "") -> None:
        self._notes.append(
            IncidentChange(incident.project_id, incident.id, kind, self.now_us, because=because, reason=reason)
        )

    def _remember(self, incident: Incident) -> None:
        """Let what comes later in this step know how it stands."""
        is_open = incident.closed_us is None
        self._open[incident.project_id, incident.rule, incident.labels] = incident if is_open else None
        if incident.condition == STORM:
            self._storms[incident.project_id, incident.rule] = incident if is_open else None
        if incident.condition in INHIBITS:
            self._outages_of(incident.project_id)[incident.id] = Outage(
                incident.id, incident.condition, incident.environment, incident.title, incident.closed_us
            )

    def _outages_of(self, project_id: int) -> dict[str, Outage]:
        if project_id not in self._outages:
            found = incidents.outages(self.tx, project_id, self.now_us)
            self._outages[project_id] = {one.incident_id: one for one in found}
        return self._outages[project_id]

    def _write(self) -> None:
        incidents.insert(self.tx, list(self._new.values()))
        incidents.update(self.tx, list(self._changed.values()))
        incidents.add_changes(self.tx, self._notes)
        notifications.queue(self.tx, self._queued, self.now_us)
        rule_states.put(self.tx, self._judged, self.now_us)


def _kind(incident: Incident) -> tuple[int, str, str]:
    return incident.project_id, incident.rule, incident.condition
