"""
What follows from a verdict: an incident opens or closes, and those who must be told are queued for it.

Everything here happens inside the transaction that judged, so a crash leaves either all of it or none.
"""

import secrets
from collections.abc import Callable, Mapping

import msgspec
import structlog

from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.core.evaluate import Verdict
from ukemi.collector.core.notification import Content, Reason, why_notify
from ukemi.collector.core.rule import Rule
from ukemi.collector.store import incidents, notifications, observations, rule_states
from ukemi.collector.store.database import Tx

log = structlog.get_logger("ukemi.alerts")


class Incidents:
    def __init__(self, rules: RuleSet, environment: Mapping[str, str], public_url: str) -> None:
        """
        Args:
            environment: where the channels' secrets stand; decides which are configured.
            public_url: what links in notifications begin with.
        """
        configured = rules.configured(environment)
        self._channels = {s: [name for name in names if name in configured] for s, names in rules.severities.items()}
        self._public_url = public_url

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
    ) -> None:
        """Write a verdict down, with the incident and the notifications that follow from it."""
        incident = incidents.find_open(tx, project_id, rule.name, rule_states.write_labels(labels))
        if verdict.transition == "opened" and incident is None:
            incident = self._open(tx, rule, project_id, labels, verdict, now_us, environment)
        elif verdict.transition == "closed" and incident is not None:
            self._close(tx, incident, verdict.why.because, now_us)
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
            if not is_watched(incident.project_id, incident.rule):
                self._close(tx, incident, because, now_us)

    def _close(self, tx: Tx, incident: incidents.Incident, because: str, now_us: int) -> None:
        incidents.close(tx, incident.project_id, incident.id, because, now_us)
        closed = msgspec.structs.replace(incident, closed_us=now_us, closed_reason=because)
        self._notify(tx, closed, because, now_us)
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
    ) -> incidents.Incident:
        issue_id = labels.get("issue")
        subject = observations.subject(tx, project_id, issue_id) if issue_id else None
        incident = incidents.Incident(
            project_id=project_id,
            id=secrets.token_hex(8),
            rule=rule.name,
            labels=rule_states.write_labels(labels),
            severity=rule.severity,
            title=f"{subject.name}: {subject.title}" if subject else f"{rule.name} in {environment}",
            issue_id=issue_id,
            environment=environment,
            culprit=subject.culprit if subject else "",
            opened_us=now_us,
            closed_us=None,
            closed_reason="",
            cause_us=verdict.cause_us,
            explanation=msgspec.json.encode(verdict.why).decode(),
        )
        incidents.open_(tx, incident)
        self._notify(tx, incident, verdict.why.because, now_us)
        log.info("incident opened", rule=rule.name, severity=rule.severity, project=project_id, incident=incident.id)
        return incident

    def _notify(self, tx: Tx, incident: incidents.Incident, because: str, now_us: int) -> None:
        told = notifications.told(tx, incident.project_id, incident.id)
        channels = self._channels.get(incident.severity, [])
        if not channels and incident.closed_us is None:
            log.warning("nobody is told: no channel is configured for this severity", severity=incident.severity)
        # Also those who heard of the opening by another way, such as a fallback, hear of the end.
        for channel in dict.fromkeys([*channels, *(name for name, reason in sorted(told) if reason is Reason.OPENED)]):
            reason = why_notify(channel, told, is_open=incident.closed_us is None)
            if reason is None:
                continue
            content = Content(
                incident_id=incident.id,
                reason=reason,
                severity=incident.severity,
                rule=incident.rule,
                title=incident.title,
                because=because,
                project=observations.project_name(tx, incident.project_id),
                environment=incident.environment,
                culprit=incident.culprit,
                link=self._link(incident),
                opened_us=incident.opened_us,
                closed_us=incident.closed_us,
            )
            notifications.queue(tx, incident.project_id, secrets.token_hex(16), channel, content, now_us)

    def _link(self, incident: incidents.Incident) -> str:
        if incident.issue_id:
            return f"{self._public_url}/projects/{incident.project_id}/issues/{incident.issue_id}"
        return f"{self._public_url}/alerts#{incident.id}"
