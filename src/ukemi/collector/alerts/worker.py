"""
Alerts: claims what digest found, judges the rules, opens and closes incidents, and queues who must be told.

Claim, verdict, incident and notifications are one transaction: a crash leaves either all of it or none.
"""

import secrets
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.core.clock import SECOND_US, Clock
from ukemi.collector.core.evaluate import Seen, Verdict, evaluate_event, evaluate_failure_run, matches
from ukemi.collector.core.notification import Content, Reason, why_notify
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule
from ukemi.collector.store import changes, incidents, notifications, observations, rule_states
from ukemi.collector.store.database import Database, Tx

log = structlog.get_logger("ukemi.alerts")

CLAIM: Final = 500
TICK_US: Final = SECOND_US // 2
"""How often conditions are judged that come true, or end, without anything happening."""


class Alerts:
    def __init__(self, database: Database, rules: RuleSet, environment: Mapping[str, str], public_url: str) -> None:
        """
        Args:
            environment: where the channels' secrets stand; decides which are configured.
            public_url: what links in notifications begin with.
        """
        self._database = database
        self._rules = [rule for rule in rules.rules if rule.enabled]
        configured = rules.configured(environment)
        self._channels = {s: [name for name in names if name in configured] for s, names in rules.severities.items()}
        self._public_url = public_url
        self._observing_since_us: int | None = None
        self._ticked_us = 0

    def step(self, clock: Clock) -> int:
        """Judge what happened since the last call. Returns the number of changes claimed."""
        now_us = clock.now_us()
        if self._observing_since_us is None:
            self._observing_since_us = now_us
            self._retire_rules(now_us)
        is_tick = now_us - self._ticked_us >= TICK_US
        with self._database.read() as tx:
            if not is_tick and not observations.are_changes_waiting(tx):
                return 0
        with self._database.write() as tx:
            claimed = changes.claim(tx, CLAIM, now_us)
            for rule in self._rules:
                if isinstance(rule.when, EventCondition):
                    self._judge_changes(tx, rule, rule.when, claimed, now_us)
            if is_tick:
                self._tick(tx, now_us)
                self._ticked_us = now_us
        return len(claimed)

    def _retire_rules(self, now_us: int) -> None:
        """Close what rules left open that are no longer there: nobody would ever judge it again."""
        names = [rule.name for rule in self._rules]
        because = "Its rule was removed, renamed or switched off."
        with self._database.write() as tx:
            for incident in incidents.open_of_other_rules(tx, names):
                incidents.close(tx, incident.project_id, incident.id, because, now_us)
                closed = msgspec.structs.replace(incident, closed_us=now_us, closed_reason=because)
                self._notify(tx, closed, because, now_us)
            rule_states.forget_others(tx, names)

    def _judge_changes(
        self, tx: Tx, rule: Rule, condition: EventCondition, claimed: list[changes.Change], now_us: int
    ) -> None:
        by_issue: dict[tuple[int, str], list[Seen]] = {}
        for change in claimed:
            by_issue.setdefault((change.project_id, change.issue_id), []).append(
                Seen(change.kind, change.at_us, change.detail)
            )
        for (project_id, issue_id), seen in by_issue.items():
            is_wanted = any(matches(rule, condition, one) for one in seen)
            labels = {"issue": issue_id}
            state = rule_states.get(tx, project_id, rule.name, labels)
            if not is_wanted and state.status == "ok":
                continue
            verdict = evaluate_event(rule, condition, state, seen, now_us)
            detail = next((one.detail for one in seen if matches(rule, condition, one)), seen[0].detail)
            self._apply(tx, rule, project_id, labels, verdict, now_us, environment=detail.environment)

    def _tick(self, tx: Tx, now_us: int) -> None:
        services = observations.services(tx)
        for rule in self._rules:
            if isinstance(rule.when, FailureRunCondition):
                known = {(project, labels["environment"]) for project, labels, _ in rule_states.firing(tx, rule.name)}
                for project_id, environment in sorted(services.keys() | known):
                    if rule.environments and environment not in rule.environments:
                        continue
                    labels = {"environment": environment}
                    state = rule_states.get(tx, project_id, rule.name, labels)
                    instances = services.get((project_id, environment), [])
                    verdict = evaluate_failure_run(
                        rule.when, state, instances, self._observing_since_us or now_us, now_us
                    )
                    if verdict.transition or verdict.state != state:
                        self._apply(tx, rule, project_id, labels, verdict, now_us, environment=environment)
            else:
                for project_id, labels, state in rule_states.firing(tx, rule.name):
                    verdict = evaluate_event(rule, rule.when, state, [], now_us)
                    if verdict.transition:
                        self._apply(tx, rule, project_id, labels, verdict, now_us)

    def _apply(
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
            incidents.close(tx, project_id, incident.id, verdict.why.because, now_us)
            closed = msgspec.structs.replace(incident, closed_us=now_us, closed_reason=verdict.why.because)
            self._notify(tx, closed, verdict.why.because, now_us)
            log.info("incident closed", rule=rule.name, project=project_id, incident=incident.id)
        is_open = verdict.state.status == "firing" and incident is not None
        rule_states.put(
            tx, project_id, rule.name, labels, verdict, incident.id if incident and is_open else None, now_us
        )

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
