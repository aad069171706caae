"""Alerts about ukemi itself: looks at the collector every ten seconds, and opens and closes incidents as others do."""

import shutil
import socket
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Final

from ukemi.collector.alerts.incidents import Incidents
from ukemi.collector.core.clock import SECOND_US, Clock
from ukemi.collector.core.incident import OWN
from ukemi.collector.core.own_health import (
    REFUSED_FINE_S,
    REFUSED_WITHIN_S,
    FailingChannel,
    Reading,
    findings,
    why_over,
)
from ukemi.collector.spool.look import look
from ukemi.collector.store import channels, incidents, outcomes, projects, rule_states
from ukemi.collector.store.database import Database, Tx

LOOK_US: Final = 10 * SECOND_US


class OwnHealth:
    def __init__(
        self, database: Database, alerts: Incidents, data_dir: Path, spool_path: Path, configured: Collection[str]
    ) -> None:
        """
        Args:
            configured: names of the channels that are.
        """
        self._database, self._incidents, self._configured = database, alerts, configured
        self._data_dir, self._spool_path = data_dir, spool_path
        self._machine = socket.gethostname()
        self._looked_us = 0

    def step(self, clock: Clock) -> int:
        """Look, if it is time to. Returns 0: nothing waits for it."""
        now_us = clock.now_us()
        if now_us - self._looked_us < LOOK_US:
            return 0
        self._looked_us = now_us
        with self._database.read() as tx:
            reading = self._read(tx, now_us)
            is_open = {
                (one.rule, rule_states.read_labels(one.labels).get("subject", ""))
                for one in incidents.open_of_condition(tx, OWN)
            }
        found = findings(reading, now_us)
        over = {key: why for key in is_open if (why := why_over(key, reading))}
        if over or any(one.key not in is_open for one in found):
            with self._database.write_alone() as tx:
                for one in found:
                    rule, subject = one.key
                    if one.key not in is_open:
                        self._incidents.open_own(
                            tx, rule, {"subject": subject}, one.severity, one.title, one.because, now_us
                        )
                for (rule, subject), why in sorted(over.items()):
                    self._incidents.close_own(tx, rule, {"subject": subject}, why, now_us)
        return 0

    def _read(self, tx: Tx, now_us: int) -> Reading:
        disk = shutil.disk_usage(self._data_dir)
        refused, refused_before = {}, set()
        for project in projects.list_projects(tx):
            if count := outcomes.refused(tx, project.id, now_us - round(REFUSED_WITHIN_S * SECOND_US)):
                refused[project.name] = count
            if outcomes.refused(tx, project.id, now_us - round(REFUSED_FINE_S * SECOND_US)):
                refused_before.add(project.name)
        return Reading(
            machine=self._machine,
            spool_age_s=self._spool_age_s(now_us),
            disk_free=disk.free,
            disk_bytes=disk.total,
            refused=refused,
            refused_before=refused_before,
            failing={
                name: FailingChannel(one.failing_since_us, one.is_refusing, one.last_error)
                for name, one in channels.states(tx).items()
                if one.failing_since_us is not None and name in self._configured
            },
            channels=self._configured,
        )

    def _spool_age_s(self, now_us: int) -> float | None:
        try:
            oldest_us = look(self._spool_path).oldest_of_all_us
        except sqlite3.Error:
            return None
        return 0.0 if oldest_us is None else max(0.0, (now_us - oldest_us) / SECOND_US)
