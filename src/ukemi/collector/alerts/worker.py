"""
Alerts: claims what digest found and judges the rules; `ukemi.collector.alerts.incidents` does what follows.

Claim, verdict, incident and notifications are one transaction: a crash leaves either all of it or none.
"""

from collections.abc import Mapping
from typing import Final

from ukemi.collector.alerts.incidents import Incidents
from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.core.clock import SECOND_US, Clock
from ukemi.collector.core.evaluate import Seen, evaluate_event, evaluate_failure_run, matches
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, Rule
from ukemi.collector.store import changes, observations, rule_states
from ukemi.collector.store.database import Database, Tx

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
        self._incidents = Incidents(rules, environment, public_url)
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
        with self._database.write() as tx:
            self._incidents.retire(tx, names, now_us)
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
            self._incidents.follow(tx, rule, project_id, labels, verdict, now_us, environment=detail.environment)

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
                        self._incidents.follow(tx, rule, project_id, labels, verdict, now_us, environment=environment)
            else:
                for project_id, labels, state in rule_states.firing(tx, rule.name):
                    verdict = evaluate_event(rule, rule.when, state, [], now_us)
                    if verdict.transition:
                        self._incidents.follow(tx, rule, project_id, labels, verdict, now_us)
