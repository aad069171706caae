"""
Alerts: feeds the judge with what digest found; `ukemi.collector.alerts.incidents` does what follows.

Claim, verdict, incident and notifications are one transaction: a crash leaves either all of it or none. One worker judges
at a time: where several share a database, the others wait until it is gone.
"""

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from ukemi.collector.alerts.incidents import Incidents
from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.core.clock import SECOND_US, Clock
from ukemi.collector.core.evaluate import Seen
from ukemi.collector.core.failure_run import see_service
from ukemi.collector.core.judge import Judge, Judgement
from ukemi.collector.core.observation import TICK_US
from ukemi.collector.core.rule_text import Document, watch
from ukemi.collector.store import changes, judging, observations, rule_states, rules
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.judging import Judging, Pause

log = structlog.get_logger("ukemi.alerts")

CLAIM: Final = 500
LOOK_US: Final = SECOND_US // 2
"""How often services are looked at: a run of failures grows, and a silence begins, without any change of an issue."""
LOOK_AGAIN_US: Final = SECOND_US // 10
"""So soon they are looked at again when a process has told of more failures."""
START_PAUSE_US: Final = 2 * TICK_US
RUNNING_PAUSE_US: Final = 6 * TICK_US
"""Ticks missed for longer than this are not made up for: nobody listened, so what seemed silent may have spoken."""


class Alerts:
    def __init__(self, database: Database, file: RuleSet, environment: Mapping[str, str], public_url: str) -> None:
        """
        Args:
            environment: where the channels' secrets stand; decides which are configured.
            public_url: what links in notifications begin with.
        """
        self._database = database
        self._file_rules = file.rules
        self._incidents = Incidents(file, environment, public_url)
        self._name = secrets.token_hex(8)
        self._judge: Judge | None = None
        self._documents: Sequence[Document] = ()
        self._looked_us = 0
        self._failing: observations.Failing | None = None

    def step(self, clock: Clock) -> int:
        """Judge what happened since the last call. Returns how much it was: changes claimed, and verdicts that were news."""
        now_us = clock.now_us()
        since_us = now_us - self._looked_us
        is_tick = now_us // TICK_US != self._looked_us // TICK_US
        is_due = self._judge is None or is_tick or since_us >= LOOK_US
        if not is_due:
            with self._database.read() as tx:
                is_due = since_us >= LOOK_AGAIN_US and observations.failing(tx) != self._failing
                if not is_due and not observations.are_changes_waiting(tx):
                    return 0
        if not self._database.lead("judge"):
            self._judge = None
            return 0
        judge, self._judge = self._judge, None  # whatever fails below, the next step begins with what is stored
        with self._database.write() as tx:
            taken = judging.take(tx)
            if judge is None or taken.judge != self._name:
                judge = self._begin(tx, now_us)
            elif is_due:
                judge = self._renewed(tx, judge, now_us)
            worked = 0
            if is_due:
                worked += self._tick(tx, judge, taken, now_us)
                worked += self._look(tx, judge, now_us)
                self._looked_us = now_us
            worked += self._claim(tx, judge, now_us)
            if is_due:
                self._incidents.tick(tx, now_us)
        self._judge = judge
        return worked

    def _begin(self, tx: Tx, now_us: int) -> Judge:
        """Take over from whoever judged before: this worker in an earlier life, or another that is gone."""
        judge = self._new_judge(tx)
        judge.services = observations.services_at(tx)
        judge.listening_since_us = judging.listening_since(tx, now_us)
        self._retire(tx, judge, now_us)
        return judge

    def _renewed(self, tx: Tx, judge: Judge, now_us: int) -> Judge:
        """A judge that knows the rules as they are now."""
        judge.states = rule_states.awake(tx)  # a person may have closed an incident
        if rules.documents(tx) == self._documents:
            return judge
        renewed = self._new_judge(tx)
        renewed.services, renewed.listening_since_us = judge.services, judge.listening_since_us
        self._retire(tx, renewed, now_us)
        return renewed

    def _new_judge(self, tx: Tx) -> Judge:
        self._documents = rules.documents(tx)
        return Judge(watch(self._file_rules, self._documents), rule_states.awake(tx))

    def _retire(self, tx: Tx, judge: Judge, now_us: int) -> None:
        """Close what rules left open that are no longer there: nobody would ever judge it again."""
        self._incidents.retire(tx, judge.watches, now_us)
        gone = [instance for instance in judge.states if not judge.watches(instance.project_id, instance.rule)]
        rule_states.forget(tx, gone)
        for instance in gone:
            del judge.states[instance]

    def _tick(self, tx: Tx, judge: Judge, taken: Judging, now_us: int) -> int:
        """Judge the ticks that are over, each once, in their order. Returns how many verdicts were news."""
        news = 0
        newest_us = now_us - now_us % TICK_US
        longest_us = RUNNING_PAUSE_US if taken.judge == self._name else START_PAUSE_US
        begin_us = taken.tick_us + TICK_US
        if newest_us - taken.tick_us > longest_us:
            begin_us = judge.listening_since_us = newest_us
            judging.add_pause(tx, Pause(taken.tick_us, newest_us))
        for tick_us in range(begin_us, newest_us + 1, TICK_US):
            news += self._look(tx, judge, tick_us)
            news += self._follow(tx, judge.tick(tick_us, partial(observations.between, tx)), tick_us)
        if begin_us <= newest_us or taken.judge != self._name:
            judging.put(tx, Judging(self._name, max(taken.tick_us, newest_us)))
        return news

    def _look(self, tx: Tx, judge: Judge, now_us: int) -> int:
        """Judge the services that stand differently than they did when they were looked at last."""
        self._failing = observations.failing(tx)
        services = observations.services(tx)
        seen = {
            key: see_service(services.get(key, ()), now_us, judge.quiet_us) for key in services.keys() | judge.services
        }
        changed = {key: one for key, one in seen.items() if one.differs(judge.services.get(key))}
        if not changed:
            return 0
        observations.note_services(tx, now_us, changed)
        return self._follow(tx, judge.see(now_us, changed), now_us)

    def _claim(self, tx: Tx, judge: Judge, now_us: int) -> int:
        claimed = changes.claim(tx, CLAIM, now_us)
        by_issue: dict[tuple[int, str], list[Seen]] = {}
        evidence = []
        for change in claimed:
            seen = Seen(change.kind, change.at_us, change.detail)
            by_issue.setdefault((change.project_id, change.issue_id), []).append(seen)
            if judge.wants(change.project_id, seen):
                evidence.append(change.id)
        changes.keep(tx, evidence)
        self._follow(tx, judge.change(now_us, by_issue), now_us)
        return len(claimed)

    def _follow(self, tx: Tx, judgements: Sequence[Judgement], now_us: int) -> int:
        news = [one for one in judgements if one.is_news]
        self._incidents.follow(tx, news, now_us)
        return len(news)
