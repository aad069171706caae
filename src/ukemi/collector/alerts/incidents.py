"""
What follows from a verdict: an incident opens, is upgraded or closes, and those who must be told are queued for it.

Everything here happens inside the transaction that judged, so a crash leaves either all of it or none. Whether somebody is
told is decided by `core.suppression`, what they are told by `core.notification`; this module fetches, asks and writes down.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from ukemi.collector.alerts.book import Book, Key
from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.core.clock import MINUTE_US, SECOND_US
from ukemi.collector.core.evaluate import Explanation
from ukemi.collector.core.incident import CAUSED, OWN, STORM, IncidentChangeKind, facts
from ukemi.collector.core.judge import Instance, Judgement
from ukemi.collector.core.notification import NEWS, Content, Line, Reason, Standing, why_notify
from ukemi.collector.core.rule import Severity, aftermath_s, kind_of, severity_of
from ukemi.collector.core.suppression import BURST, INHIBITS, Held, Situation, Suppression, why_suppressed
from ukemi.collector.store import blast_radius, incidents, observations, projects, rule_states
from ukemi.collector.store.database import Tx
from ukemi.collector.store.incidents import Incident

log = structlog.get_logger("ukemi.alerts")

LOOK_AGAIN_US: Final = 2 * SECOND_US
"""How often it is looked whether a silence ended or something is to be repeated."""
DIGEST_AFTER_US: Final = MINUTE_US
"""A digest is told so long after it began to collect …"""
DIGEST_AGAIN_US: Final = 10 * MINUTE_US
"""… and then as long as more comes, so often. When nothing more came for so long, it closes."""
DIGEST_LINES: Final = 5
FIND_CAUSE_US: Final = 5 * MINUTE_US
"""So long after an incident opened its cause is looked for, since the event may come after the counts."""


class Incidents:
    def __init__(self, rules: RuleSet, environment: Mapping[str, str], public_url: str) -> None:
        """
        Args:
            environment: where the channels' secrets stand; decides which are configured.
            public_url: what links in notifications begin with.
        """
        configured = rules.configured(environment)
        self._named = rules.severities
        self._channels = {s: [name for name in names if name in configured] for s, names in rules.severities.items()}
        self._public_url = public_url
        self._looked_us = 0

    def follow(self, tx: Tx, judgements: Sequence[Judgement], now_us: int) -> None:
        """Write judgements down, with the incidents and the notifications that follow from them."""
        if not judgements:
            return
        with Book(tx, now_us) as book:
            keyed = [(one, _key(one.instance)) for one in judgements]
            book.look_up([key for _, key in keyed])
            issues_of: dict[int, set[str]] = {}
            for one in judgements:
                if one.verdict.transition == "opened" and (issue_id := dict(one.instance.labels).get("issue")):
                    issues_of.setdefault(one.instance.project_id, set()).add(issue_id)
            for project_id, issue_ids in issues_of.items():
                book.look_up_subjects(project_id, issue_ids)
            for one, key in keyed:
                incident = self._follow(book, one, book.open_of(*key))
                book.note_verdict(key, one.verdict, incident.id if incident and one.verdict.state.is_open else None)

    def _follow(self, book: Book, judgement: Judgement, incident: Incident | None) -> Incident | None:
        """Returns the incident that the judgement is about, as it is now."""
        verdict = judgement.verdict
        because = verdict.why.because
        match verdict.transition:
            case "opened" if incident is None:
                return self._open(book, judgement)
            case "opened" | "upgraded" if incident is not None:
                severity = severity_of(judgement.rule, verdict.state.tier)
                incident = book.change(
                    incident,
                    IncidentChangeKind.UPGRADED,
                    because,
                    severity=severity,
                    explanation=_write(verdict.why),
                )
                self._tell(book, incident, because)
            case "closed" if incident is not None:
                self._close(book, incident, because)
        return incident

    def retire(self, tx: Tx, is_watched: Callable[[int, str], bool], now_us: int) -> None:
        """
        Close what nobody would ever judge again.

        Args:
            is_watched: whether a project has a rule of this name.
        """
        because = "Its rule was removed, renamed or switched off."
        with Book(tx, now_us) as book:
            for incident in incidents.all_open(tx):
                if incident.condition != OWN and not is_watched(incident.project_id, incident.rule):
                    self._close(book, incident, because)

    def open_own(
        self, tx: Tx, rule: str, labels: Mapping[str, str], severity: Severity, title: str, because: str, now_us: int
    ) -> None:
        """Open an incident about ukemi itself, if it is not open."""
        text = rule_states.write_labels(labels)
        project_id = projects.ensure_own(tx, now_us)
        if incidents.find_open(tx, [(project_id, rule, text)]):
            return
        incident = Incident(
            project_id=project_id,
            id=secrets.token_hex(8),
            rule=rule,
            condition=OWN,
            labels=text,
            severity=severity,
            title=title,
            issue_id=None,
            environment="",
            culprit="",
            opened_us=now_us,
            cause_us=now_us,
            explanation=_write(Explanation(because)),
            cooldown_us=10 * MINUTE_US,
            repeat_us=24 * 60 * MINUTE_US,
        )
        with Book(tx, now_us) as book:
            book.open(incident, because)
            self._tell(book, incident, because)
        log.warning("alert about ukemi itself", rule=rule, why=because)

    def close_own(self, tx: Tx, rule: str, labels: Mapping[str, str], because: str, now_us: int) -> None:
        """Close an incident about ukemi itself, if it is open."""
        with Book(tx, now_us) as book:
            incident = book.open_of(projects.OWN, rule, rule_states.write_labels(labels))
            if incident is not None:
                self._close(book, incident, because)

    def tick(self, tx: Tx, now_us: int) -> None:
        """Do what is due without any verdict: tell what people did, what is no longer suppressed, repeats and digests."""
        with Book(tx, now_us) as book:
            for incident in incidents.claim(tx, now_us):
                self._tell(book, incident, _because(incident))
        with Book(tx, now_us) as book:
            for storm in incidents.open_of_condition(tx, STORM):
                self._tend_storm(book, storm)
        if now_us - self._looked_us < LOOK_AGAIN_US:
            return
        self._looked_us = now_us
        with Book(tx, now_us) as book:
            for incident in incidents.waiting(tx, now_us):
                self._tell(book, incident, _because(incident))
        with Book(tx, now_us) as book:
            self._look_for_causes(book)

    def _look_for_causes(self, book: Book) -> None:
        """The event may have come after the counts that opened the incident."""
        since_us = book.now_us - FIND_CAUSE_US
        unexplained = incidents.without_cause(book.tx, CAUSED, since_us)
        if not unexplained:
            return
        projects_of = {one.project_id for one in unexplained}
        places = blast_radius.places_hit(book.tx, projects_of, since_us - blast_radius.BEFORE_US)
        for one in unexplained:
            if (one.project_id, one.environment) in places:
                self._attach_cause(book, one)

    def _close(self, book: Book, incident: Incident, because: str) -> None:
        """Close an incident and tell those who heard of it."""
        closed = book.change(
            incident,
            IncidentChangeKind.CLOSED,
            because,
            closed_us=book.now_us,
            closed_reason=because,
            closed_by="",
            held="",
            held_by="",
        )
        self._tell(book, closed, because)
        log.info("incident closed", rule=incident.rule, project=incident.project_id, incident=incident.id)

    def _open(self, book: Book, judgement: Judgement) -> Incident:
        rule, verdict, detail = judgement.rule, judgement.verdict, judgement.detail
        project_id, rule_name, text = _key(judgement.instance)
        labels, environment = dict(judgement.instance.labels), judgement.environment
        issue_id = labels.get("issue")
        subject = book.subject(project_id, issue_id)
        where = "".join(f" · {value}" for label, value in sorted(labels.items()) if label != "environment")
        severity = severity_of(rule, verdict.state.tier)
        incident = Incident(
            project_id=project_id,
            id=secrets.token_hex(8),
            rule=rule_name,
            condition=kind_of(rule.when),
            labels=text,
            severity=severity,
            title=f"{subject.name}: {subject.title}" if subject else f"{rule_name} in {environment}{where}",
            issue_id=issue_id,
            environment=environment,
            domain=labels.get("domain") or (detail.tags.get("domain", "") if detail else ""),
            release=labels.get("release") or (detail.release if detail else ""),
            culprit=subject.culprit if subject else "",
            opened_us=book.now_us,
            cause_us=verdict.cause_us,
            explanation=_write(verdict.why),
            repeat_us=round(rule.repeat_s * SECOND_US),
            cooldown_us=round(rule.cooldown_s * SECOND_US),
            aftermath_us=round(aftermath_s(rule) * SECOND_US),
        )
        book.open(incident, verdict.why.because)
        if incident.condition in CAUSED:
            incident = self._attach_cause(book, incident)
        self._tell(book, incident, verdict.why.because)
        log.info("incident opened", rule=rule_name, severity=severity, project=project_id, incident=incident.id)
        return incident

    def _attach_cause(self, book: Book, incident: Incident) -> Incident:
        cause = book.cause(incident)
        # An outage is told within a second, so the events of what is new may still be on their way: they are waited for.
        if cause is None or (incident.condition in INHIBITS and not cause.is_new):
            return incident
        why = "came up at the same time" if cause.is_new else "has most errors of the time"
        because = f"{cause.text.rstrip('.')} {why}."
        return book.change(incident, IncidentChangeKind.ATTACHED, because, cause_issue_id=cause.issue_id)

    def _tell(self, book: Book, incident: Incident, because: str, *, lines: Sequence[Line] = ()) -> None:
        """Queue what each channel should hear of an incident as it stands now."""
        sent = book.sent(incident)
        standing = Standing(
            is_open=incident.closed_us is None,
            severity=incident.severity,
            is_acknowledged=incident.acknowledged_us is not None,
            repeat_us=incident.repeat_us,
        )
        # Also those who heard of the opening by another way, such as a fallback, hear of what comes after.
        channels = list(dict.fromkeys([*self._channels.get(incident.severity, []), *sorted(sent)]))
        reasons = {name: why_notify(standing, sent.get(name), book.now_us) for name in channels}
        wanted = {name: reason for name, reason in reasons.items() if reason is not None}
        is_news = standing.is_open and (not channels or any(reason in NEWS for reason in wanted.values()))
        if is_news or (incident.held and standing.is_open):
            held = why_suppressed(self._situation(book, incident, was_told=bool(sent)), book.now_us)
            if held is not None and held.why is Suppression.DIGEST:
                incident, held = self._collect(book, incident, held)
            incident = _hold(book, incident, held)
            if held is not None:
                wanted = {name: reason for name, reason in wanted.items() if reason not in NEWS}
                if held.why is Suppression.NO_CHANNEL:
                    log.warning(
                        "nobody is told: no channel is configured for this severity", severity=incident.severity
                    )
        if not wanted:
            return
        told_news = any(reason in NEWS for reason in wanted.values())
        content = self._content(book, incident, because, lines=lines, in_full=told_news)
        for channel, reason in wanted.items():
            book.queue(incident, channel, msgspec.structs.replace(content, reason=reason))
        if told_news and incident.condition != STORM:
            book.change(incident, told_us=book.now_us)

    def _content(
        self, book: Book, incident: Incident, because: str, *, lines: Sequence[Line], in_full: bool
    ) -> Content:
        here = f"{self._public_url}/projects/{incident.project_id}"
        is_plain = not in_full or incident.condition in (OWN, STORM)
        cause = None
        if subject := book.subject(incident.project_id, incident.cause_issue_id):
            cause = Line(f"{subject.name}: {subject.title}", f"{here}/issues/{incident.cause_issue_id}")
        return Content(
            incident_id=incident.id,
            reason=Reason.OPENED,
            severity=incident.severity,
            rule=incident.rule,
            title=incident.title,
            because=because,
            project=book.project(incident.project_id).name,
            environment=incident.environment,
            culprit=incident.culprit,
            link=f"{here}/issues/{incident.issue_id}" if incident.issue_id else f"{here}/incidents/{incident.id}",
            incident_link=f"{here}/incidents/{incident.id}",
            opened_us=incident.opened_us,
            closed_us=incident.closed_us,
            actor=incident.closed_by if incident.closed_us else incident.acknowledged_by,
            is_acknowledged=incident.acknowledged_us is not None,
            blast_radius=None if is_plain else book.blast_radius(incident, self._public_url),
            cause=cause,
            lines=list(lines),
        )

    def _situation(self, book: Book, incident: Incident, *, was_told: bool) -> Situation:
        labels = rule_states.read_labels(incident.labels)
        project = book.project(incident.project_id)
        subject = book.subject(incident.project_id, incident.issue_id)
        can_wait_for_digest = incident.condition == "event" and not was_told
        storm = book.storm(incident.project_id, incident.rule) if can_wait_for_digest else None
        return Situation(
            condition=incident.condition,
            severity=incident.severity,
            environment=incident.environment,
            opened_us=incident.opened_us,
            facts=facts(
                project=(project.id, project.name, project.slug),
                rule=incident.rule,
                environment=incident.environment,
                severity=incident.severity,
                issue=(incident.issue_id, subject.name) if incident.issue_id and subject else None,
                domain=incident.domain,
                labels=labels,
            ),
            channels_named=len(self._named.get(incident.severity, [])),
            channels_configured=len(self._channels.get(incident.severity, [])),
            silences=book.silences,
            outages=book.outages(incident.project_id),
            aftermath_us=incident.aftermath_us,
            was_told=was_told,
            cooldown_us=incident.cooldown_us,
            last_end_us=book.last_end_us(incident) if incident.cooldown_us and not was_told else None,
            burst=book.burst(incident) if can_wait_for_digest else 0,
            digest_id=storm.id if storm else "",
        )

    def _collect(self, book: Book, incident: Incident, held: Held) -> tuple[Incident, Held]:
        """Let a digest tell of the incident, together with others; one begins when none collects."""
        if incident.digest_id:
            return incident, msgspec.structs.replace(held, by=incident.digest_id)
        digest_id = held.by
        if not digest_id:
            storm = Incident(
                project_id=incident.project_id,
                id=secrets.token_hex(8),
                rule=incident.rule,
                condition=STORM,
                labels=rule_states.write_labels({"digest": secrets.token_hex(4)}),
                severity=incident.severity,
                title=f"More than {BURST} issues at once: {incident.rule}",
                issue_id=None,
                environment=incident.environment,
                culprit="",
                opened_us=book.now_us,
                cause_us=incident.cause_us,
                explanation=_write(
                    Explanation(f"The first {BURST} were told one by one, the others stand in this digest.")
                ),
                told_us=book.now_us + DIGEST_AFTER_US,
            )
            book.open(storm, "")
            digest_id = storm.id
            log.warning("many incidents at once: a digest begins", rule=incident.rule, project=incident.project_id)
        incident = book.change(incident, digest_id=digest_id)
        return incident, msgspec.structs.replace(held, by=digest_id)

    def _tend_storm(self, book: Book, storm: Incident) -> None:
        """Tell a digest when it is due, again while more comes, and close it when nothing more does."""
        due_us = storm.told_us or 0
        if book.now_us < due_us:
            return
        is_first = not book.sent(storm)
        since_us = 0 if is_first else due_us - DIGEST_AGAIN_US
        new = incidents.members(book.tx, storm, since_us)
        if not new and not is_first:
            self._close(book, storm, "Nothing more of the kind came for 10 minutes.")
            return
        releases = Counter(one.release for one in new if one.release)
        release = releases.most_common(1)[0][0] if releases else ""
        count = len(new)
        title = f"{count} {'new ' if count else ''}issues{f' in release {release}' if release else ''}: {storm.rule}"
        events = observations.event_counts(book.tx, storm.project_id, [one.issue_id for one in new if one.issue_id])
        top = sorted(new, key=lambda one: (-events.get(one.issue_id or "", 0), one.opened_us))[:DIGEST_LINES]
        lines = [
            Line(
                f"{one.title} ({events.get(one.issue_id or '', 0)} events)",
                f"{self._public_url}/projects/{one.project_id}/issues/{one.issue_id}",
            )
            for one in top
        ]
        storm = book.change(storm, title=title, release=release)
        because = (
            f"{count} came within {max(1, (new[-1].opened_us - new[0].opened_us) // SECOND_US)} seconds" if new else ""
        )
        # A repeat is due by the digest's own clock.
        self._tell(
            book,
            msgspec.structs.replace(storm, repeat_us=1),
            f"{because}; the first {BURST} were told one by one.",
            lines=lines,
        )
        book.change(storm, told_us=book.now_us + DIGEST_AGAIN_US)


def _key(instance: Instance) -> Key:
    return instance.project_id, instance.rule, rule_states.write_labels(dict(instance.labels))


def _hold(book: Book, incident: Incident, held: Held | None) -> Incident:
    """Write down why nobody is told, or that this is over; a line for each change. Returns it as it is now."""
    why, by = (held.why.value, held.by) if held else ("", "")
    if (incident.held, incident.held_by) == (why, by):
        return incident
    if held:
        return book.change(incident, IncidentChangeKind.SUPPRESSED, held.because, reason=why, held=why, held_by=by)
    return book.change(incident, IncidentChangeKind.RELEASED, reason=incident.held, held="", held_by="")


def _because(incident: Incident) -> str:
    if incident.closed_us is not None:
        return incident.closed_reason
    return msgspec.json.decode(incident.explanation, type=Explanation).because


def _write(why: Explanation) -> str:
    return msgspec.json.encode(why).decode()
