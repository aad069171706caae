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

from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.core.change import ChangeDetail
from ukemi.collector.core.clock import MINUTE_US, SECOND_US
from ukemi.collector.core.evaluate import Explanation, Verdict
from ukemi.collector.core.incident import CAUSED, OWN, STORM, facts
from ukemi.collector.core.notification import NEWS, Content, Line, Reason, Standing, why_notify
from ukemi.collector.core.rule import Rule, Severity
from ukemi.collector.core.silence import Silence
from ukemi.collector.core.suppression import BURST, INHIBITS, Held, Situation, Suppression, why_suppressed
from ukemi.collector.store import (
    blast_radius,
    incidents,
    notifications,
    observations,
    projects,
    rule_states,
    silences,
)
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

    def follow(
        self,
        tx: Tx,
        rule: Rule,
        project_id: int,
        labels: Mapping[str, str],
        verdict: Verdict,
        now_us: int,
        *,
        environment: str = "",
        severity: Severity | None = None,
        detail: ChangeDetail | None = None,
    ) -> None:
        """
        Write a verdict down, with the incident and the notifications that follow from it.

        Args:
            severity: that it reached; None: the rule's.
            detail: of the event that made it true, when one did.
        """
        severity = severity or rule.severity
        incident = incidents.find_open(tx, project_id, rule.name, rule_states.write_labels(labels))
        if verdict.transition == "opened" and incident is None:
            incident = self._open(tx, rule, project_id, labels, verdict, now_us, environment, severity, detail)
        elif verdict.transition in ("opened", "upgraded") and incident is not None:
            because = verdict.why.because
            incident = incidents.upgrade(tx, incident, severity, _write(verdict.why), because, now_us)
            self._tell(tx, incident, because, now_us)
        elif verdict.transition == "closed" and incident is not None:
            self.close(tx, incident, verdict.why.because, now_us)
        is_open = verdict.state.is_open and incident is not None
        rule_states.put(
            tx, project_id, rule.name, labels, verdict, incident.id if incident and is_open else None, now_us
        )

    def retire(self, tx: Tx, is_watched: Callable[[int, str], bool], now_us: int) -> None:
        """
        Close what nobody would ever judge again.

        Args:
            is_watched: whether a project has a rule of this name.
        """
        because = "Its rule was removed, renamed or switched off."
        for incident in incidents.all_open(tx):
            if incident.condition != OWN and not is_watched(incident.project_id, incident.rule):
                self.close(tx, incident, because, now_us)

    def open_own(
        self, tx: Tx, rule: str, labels: Mapping[str, str], severity: Severity, title: str, because: str, now_us: int
    ) -> None:
        """Open an incident about ukemi itself, if it is not open."""
        text = rule_states.write_labels(labels)
        project_id = projects.ensure_own(tx, now_us)
        if incidents.find_open(tx, project_id, rule, text) is not None:
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
        incidents.open_(tx, incident, because)
        self._tell(tx, incident, because, now_us)
        log.warning("alert about ukemi itself", rule=rule, why=because)

    def close_own(self, tx: Tx, rule: str, labels: Mapping[str, str], because: str, now_us: int) -> None:
        """Close an incident about ukemi itself, if it is open."""
        incident = incidents.find_open(tx, projects.OWN, rule, rule_states.write_labels(labels))
        if incident is not None:
            self.close(tx, incident, because, now_us)

    def tick(self, tx: Tx, now_us: int) -> None:
        """Do what is due without any verdict: tell what people did, what is no longer suppressed, repeats and digests."""
        for incident in incidents.claim(tx, now_us):
            self._tell(tx, incident, _because(incident), now_us)
        for storm in incidents.open_of_condition(tx, STORM):
            self._tend_storm(tx, storm, now_us)
        if now_us - self._looked_us < LOOK_AGAIN_US:
            return
        self._looked_us = now_us
        for incident in incidents.waiting(tx, now_us):
            self._tell(tx, incident, _because(incident), now_us)
        for condition in CAUSED:
            for one in incidents.open_of_condition(tx, condition):
                if one.cause_issue_id is None and now_us - one.opened_us < FIND_CAUSE_US:
                    self._attach_cause(tx, one, now_us)

    def close(self, tx: Tx, incident: Incident, because: str, now_us: int) -> None:
        """Close an incident and tell those who heard of it."""
        closed = incidents.close(tx, incident, because, now_us)
        self._tell(tx, closed, because, now_us)
        log.info("incident closed", rule=incident.rule, project=incident.project_id, incident=incident.id)

    def _open(
        self,
        tx: Tx,
        rule: Rule,
        project_id: int,
        labels: Mapping[str, str],
        verdict: Verdict,
        now_us: int,
        environment: str,
        severity: Severity,
        detail: ChangeDetail | None,
    ) -> Incident:
        issue_id = labels.get("issue")
        subject = observations.subject(tx, project_id, issue_id) if issue_id else None
        where = "".join(f" · {value}" for label, value in sorted(labels.items()) if label != "environment")
        incident = Incident(
            project_id=project_id,
            id=secrets.token_hex(8),
            rule=rule.name,
            condition=str(type(rule.when).__struct_config__.tag),
            labels=rule_states.write_labels(labels),
            severity=severity,
            title=f"{subject.name}: {subject.title}" if subject else f"{rule.name} in {environment}{where}",
            issue_id=issue_id,
            environment=environment,
            domain=labels.get("domain") or (detail.tags.get("domain", "") if detail else ""),
            release=labels.get("release") or (detail.release if detail else ""),
            culprit=subject.culprit if subject else "",
            opened_us=now_us,
            cause_us=verdict.cause_us,
            explanation=_write(verdict.why),
            repeat_us=round(rule.repeat_s * SECOND_US),
            cooldown_us=round(rule.cooldown_s * SECOND_US),
        )
        incidents.open_(tx, incident, verdict.why.because)
        if incident.condition in CAUSED:
            incident = self._attach_cause(tx, incident, now_us)
        self._tell(tx, incident, verdict.why.because, now_us)
        log.info("incident opened", rule=rule.name, severity=severity, project=project_id, incident=incident.id)
        return incident

    def _attach_cause(self, tx: Tx, incident: Incident, now_us: int) -> Incident:
        cause = blast_radius.likely_cause(tx, incident, now_us)
        # An outage is told within a second, so the events of what is new may still be on their way: they are waited for.
        if cause is None or (incident.condition in INHIBITS and not cause.is_new):
            return incident
        why = "came up at the same time" if cause.is_new else "has most errors of the time"
        return incidents.attach_cause(tx, incident, cause.issue_id, f"{cause.text.rstrip('.')} {why}.", now_us)

    def _tell(
        self,
        tx: Tx,
        incident: Incident,
        because: str,
        now_us: int,
        *,
        lines: Sequence[Line] = (),
    ) -> bool:
        """Queue what each channel should hear of an incident as it stands now. Returns whether anybody was told news."""
        sent = notifications.last_sent(tx, incident.project_id, incident.id)
        standing = Standing(
            is_open=incident.closed_us is None,
            severity=incident.severity,
            is_acknowledged=incident.acknowledged_us is not None,
            repeat_us=incident.repeat_us,
        )
        # Also those who heard of the opening by another way, such as a fallback, hear of what comes after.
        channels = list(dict.fromkeys([*self._channels.get(incident.severity, []), *sorted(sent)]))
        reasons = {name: why_notify(standing, sent.get(name), now_us) for name in channels}
        wanted = {name: reason for name, reason in reasons.items() if reason is not None}
        is_news = standing.is_open and (not channels or any(reason in NEWS for reason in wanted.values()))
        if is_news or (incident.held and standing.is_open):
            held = why_suppressed(self._situation(tx, incident, was_told=bool(sent), now_us=now_us), now_us)
            if held is not None and held.why is Suppression.DIGEST:
                held = self._collect(tx, incident, held, now_us)
            incident = incidents.hold(tx, incident, held, now_us)
            if held is not None:
                wanted = {name: reason for name, reason in wanted.items() if reason not in NEWS}
                if held.why is Suppression.NO_CHANNEL:
                    log.warning(
                        "nobody is told: no channel is configured for this severity", severity=incident.severity
                    )
        if not wanted:
            return False
        told_news = any(reason in NEWS for reason in wanted.values())
        content = self._content(tx, incident, because, now_us, lines=lines, in_full=told_news)
        for channel, reason in wanted.items():
            one = msgspec.structs.replace(content, reason=reason)
            notifications.queue(tx, incident.project_id, secrets.token_hex(16), channel, one, now_us)
        if told_news and incident.condition != STORM:
            incidents.told(tx, incident, now_us)
        return told_news

    def _content(
        self, tx: Tx, incident: Incident, because: str, now_us: int, *, lines: Sequence[Line], in_full: bool
    ) -> Content:
        here = f"{self._public_url}/projects/{incident.project_id}"
        is_plain = not in_full or incident.condition in (OWN, STORM)
        cause = None
        if incident.cause_issue_id and (
            subject := observations.subject(tx, incident.project_id, incident.cause_issue_id)
        ):
            cause = Line(f"{subject.name}: {subject.title}", f"{here}/issues/{incident.cause_issue_id}")
        return Content(
            incident_id=incident.id,
            reason=Reason.OPENED,
            severity=incident.severity,
            rule=incident.rule,
            title=incident.title,
            because=because,
            project=observations.project_name(tx, incident.project_id),
            environment=incident.environment,
            culprit=incident.culprit,
            link=f"{here}/issues/{incident.issue_id}" if incident.issue_id else f"{here}/incidents/{incident.id}",
            incident_link=f"{here}/incidents/{incident.id}",
            opened_us=incident.opened_us,
            closed_us=incident.closed_us,
            actor=incident.closed_by if incident.closed_us else incident.acknowledged_by,
            is_acknowledged=incident.acknowledged_us is not None,
            blast_radius=None if is_plain else blast_radius.of_incident(tx, incident, self._public_url, now_us),
            cause=cause,
            lines=list(lines),
        )

    def _situation(self, tx: Tx, incident: Incident, *, was_told: bool, now_us: int) -> Situation:
        labels = rule_states.read_labels(incident.labels)
        project = projects.get(tx, incident.project_id)
        subject = observations.subject(tx, incident.project_id, incident.issue_id) if incident.issue_id else None
        can_wait_for_digest = incident.condition == "event" and not was_told
        storm = incidents.open_storm(tx, incident.project_id, incident.rule) if can_wait_for_digest else None
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
            silences=self._silences(tx, now_us),
            outages=incidents.outages(tx, incident.project_id, now_us),
            was_told=was_told,
            cooldown_us=incident.cooldown_us,
            last_end_us=incidents.last_end_us(tx, incident) if incident.cooldown_us and not was_told else None,
            burst=incidents.burst(tx, incident) if can_wait_for_digest else 0,
            digest_id=storm.id if storm else "",
        )

    def _silences(self, tx: Tx, now_us: int) -> list[Silence]:
        return silences.current(tx, now_us)

    def _collect(self, tx: Tx, incident: Incident, held: Held, now_us: int) -> Held:
        """Let a digest tell of the incident, together with others; one begins when none collects."""
        if incident.digest_id:
            return msgspec.structs.replace(held, by=incident.digest_id)
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
                opened_us=now_us,
                cause_us=incident.cause_us,
                explanation=_write(
                    Explanation(f"The first {BURST} were told one by one, the others stand in this digest.")
                ),
                told_us=now_us + DIGEST_AFTER_US,
            )
            incidents.open_(tx, storm, "")
            digest_id = storm.id
            log.warning("many incidents at once: a digest begins", rule=incident.rule, project=incident.project_id)
        incidents.join_digest(tx, incident, digest_id)
        return msgspec.structs.replace(held, by=digest_id)

    def _tend_storm(self, tx: Tx, storm: Incident, now_us: int) -> None:
        """Tell a digest when it is due, again while more comes, and close it when nothing more does."""
        due_us = storm.told_us or 0
        if now_us < due_us:
            return
        is_first = not notifications.last_sent(tx, storm.project_id, storm.id)
        since_us = 0 if is_first else due_us - DIGEST_AGAIN_US
        new = incidents.members(tx, storm, since_us)
        if not new and not is_first:
            self.close(tx, storm, "Nothing more of the kind came for 10 minutes.", now_us)
            return
        releases = Counter(one.release for one in new if one.release)
        release = releases.most_common(1)[0][0] if releases else ""
        count = len(new)
        title = f"{count} {'new ' if count else ''}issues{f' in release {release}' if release else ''}: {storm.rule}"
        events = observations.event_counts(tx, storm.project_id, [one.issue_id for one in new if one.issue_id])
        top = sorted(new, key=lambda one: (-events.get(one.issue_id or "", 0), one.opened_us))[:DIGEST_LINES]
        lines = [
            Line(
                f"{one.title} ({events.get(one.issue_id or '', 0)} events)",
                f"{self._public_url}/projects/{one.project_id}/issues/{one.issue_id}",
            )
            for one in top
        ]
        storm = incidents.retitle(tx, storm, title, release)
        because = (
            f"{count} came within {max(1, (new[-1].opened_us - new[0].opened_us) // SECOND_US)} seconds" if new else ""
        )
        # A repeat is due by the digest's own clock.
        self._tell(
            tx,
            msgspec.structs.replace(storm, repeat_us=1),
            f"{because}; the first {BURST} were told one by one.",
            now_us,
            lines=lines,
        )
        incidents.told(tx, storm, now_us + DIGEST_AGAIN_US)


def _because(incident: Incident) -> str:
    if incident.closed_us is not None:
        return incident.closed_reason
    return msgspec.json.decode(incident.explanation, type=Explanation).because


def _write(why: Explanation) -> str:
    return msgspec.json.encode(why).decode()
