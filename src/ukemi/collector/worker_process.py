"""The worker: digests, judges and tells, each stage a loop in a thread of its own."""

import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import assert_never

import structlog

from ukemi.collector import health, metrics
from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.incidents import Incidents
from ukemi.collector.alerts.own_health import OwnHealth
from ukemi.collector.alerts.rules_file import (
    AppriseChannel,
    EmailChannel,
    PagerDutyChannel,
    RuleSet,
    SlackChannel,
    WebhookChannel,
)
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.bell import Bell
from ukemi.collector.core.clock import Clock
from ukemi.collector.digest.assistant import Assistant, cores
from ukemi.collector.digest.worker import Digest
from ukemi.collector.notify.channels.apprise import Apprise
from ukemi.collector.notify.channels.base import Channel
from ukemi.collector.notify.channels.email import Email
from ukemi.collector.notify.channels.pagerduty import URL as PAGERDUTY_URL
from ukemi.collector.notify.channels.pagerduty import PagerDuty
from ukemi.collector.notify.channels.slack import Slack
from ukemi.collector.notify.channels.webhook import SignedWebhook
from ukemi.collector.notify.heartbeat import OutgoingHeartbeat
from ukemi.collector.notify.http import OutgoingClient
from ukemi.collector.notify.worker import Notifier
from ukemi.collector.settings import Settings
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.store import deletions, issues, retention
from ukemi.collector.store.database import Database
from ukemi.collector.supervisor import Role

log = structlog.get_logger("ukemi.processes")

IDLE_PAUSE_S = 0.25
"""Pause of a worker that found nothing to do and whom nobody rings: so late at most it meets what came over the database."""
GATHER_S = 0.05
"""Pause between two batches of digest that did not follow upon each other: what comes one by one is digested together."""
SWITCH_S = 0.001
"""So long a thread of the worker may keep another one waiting."""
FAILURE_PAUSE_S = 1.0
STAGE_SILENT_S = 60.0
"""A stage that has ended no step for so long is not well."""
HEARTBEAT_S = 1.0
RETENTION_PAUSE_S = 300.0
DELETION_PAUSE_S = 1.0
_ANYWHERE = [ip_network("0.0.0.0/0"), ip_network("::/0")]
"""The address that we listen on ourselves may be any."""


class Loop:
    """Runs a stage's `step` again and again in a thread of its own until told to stop."""

    def __init__(
        self,
        name: str,
        step: Callable[[Clock], int],
        idle_pause_s: float,
        stopping: threading.Event,
        clock: Clock,
        bell: Bell | None = None,
        *,
        gather_s: float = 0.0,
    ) -> None:
        """
        Args:
            step: does at most one batch of work and returns how much it did; 0 makes the loop pause.
            bell: ends a pause: there may be work.
            gather_s: shortest time from one pause to the next.
        """
        self.name, self._step, self._idle_pause_s = name, step, idle_pause_s
        self._stopping, self._clock = stopping, clock
        self._gather_s = gather_s
        self.bell = bell or Bell()
        self.thread = threading.Thread(target=self._run, name=name)
        self.well_s = time.monotonic()
        """When a step succeeded last, on the monotonic clock."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                worked = self._step(self._clock)
            except Exception:  # the border of a stage: its rows are still there, so the next try does the work
                log.exception("stage failed; trying again", stage=self.name, pause_s=FAILURE_PAUSE_S)
                metrics.stage_failures.labels(self.name).inc()
                self._stopping.wait(FAILURE_PAUSE_S)
                continue
            self.well_s = time.monotonic()
            if worked:
                metrics.stage_seconds.labels(self.name).observe(time.monotonic() - began_s)
                metrics.stage_work.labels(self.name).inc(worked)
            elif self.bell.wait(self._idle_pause_s):
                self._stopping.wait(began_s + self._gather_s - time.monotonic())

    def join(self) -> None:
        """Wait until it has ended; it is told to stop already."""
        self.bell.ring()
        self.thread.join()


class Heartbeat:
    """Writes the worker's metrics for the HTTP process, once a second: no news is bad news."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_s = float("-inf")

    def step(self, _clock: Clock) -> int:
        if time.monotonic() - self._written_s >= HEARTBEAT_S:
            self._written_s = time.monotonic()
            health.write_worker_file(self._path)
        return 0


def run(
    settings: Settings, roles: set[Role], clock: Clock, say_ready: Callable[[], None], follow: Callable[[], None]
) -> None:
    """Digest, judge and tell until SIGTERM or SIGINT; what was begun is finished."""
    # Notify waits for the network and the disk again and again, and after each time for digest to let go of the interpreter:
    # of the ordinary 5 ms at a time, two dozen times for one delivery, an eighth of a second.
    sys.setswitchinterval(SWITCH_S)
    stopping = threading.Event()
    database = Database(settings.database)
    rules = rules_file.load(settings.rules_file)
    steps: list[Callable[[Clock], int]] = []
    loops: list[Loop] = []
    telling = Bell()
    spool = digest = None
    if Role.DIGEST in roles:
        spool = SpoolReader(settings.spool_path)
        digest = Digest(
            database,
            spool,
            pii_key(settings),
            max_attachments_per_event=settings.max_attachments_per_event,
            keep_contact=settings.keep_feedback_contact,
            assistant=Assistant() if cores() > 1 else None,
        )
        steps.append(digest.step)
        limit = settings.max_database_bytes
        loops.append(
            Loop(
                "retention", lambda clock: _retain(database, clock, limit, stopping), RETENTION_PAUSE_S, stopping, clock
            )
        )
        loops.append(
            Loop(
                "deletion",
                lambda clock: deletions.step(database, clock.now_us(), stopping.wait),
                DELETION_PAUSE_S,
                stopping,
                clock,
            )
        )
    if Role.ALERTS in roles:
        told = Incidents(rules, os.environ, settings.public_url)
        configured = list(rules.configured(os.environ))
        judges = [
            Alerts(database, rules, os.environ, settings.public_url).step,
            OwnHealth(database, told, settings.data_dir, settings.spool_path, configured).step,
        ]
        steps += [partial(_ringing, step, telling.ring) for step in judges]
    # With the stages, so that a worker which hangs in one of them falls silent.
    steps.append(Heartbeat(health.worker_file(settings)).step)
    # One after the other, so that due alerts run between two batches however much waits in the spool.
    waiting = Bell(settings.bell_path if Role.DIGEST in roles else None)
    loops.append(
        Loop(
            "digest",
            lambda clock: sum(step(clock) for step in steps),
            IDLE_PAUSE_S,
            stopping,
            clock,
            waiting,
            gather_s=GATHER_S,
        )
    )
    client = OutgoingClient(settings.outgoing_allow)
    notifier = Notifier(
        database,
        open_channels(rules, os.environ, client),
        fallbacks=rules.fallbacks(os.environ),
        per_hour={name: config.per_hour for name, config in rules.configured(os.environ).items() if config.per_hour},
        self_test_days=settings.self_test_days,
        ended=telling.ring,
    )
    if Role.NOTIFY in roles:
        loops.append(Loop("notify", notifier.step, IDLE_PAUSE_S, stopping, clock, telling))
    near = OutgoingClient(_ANYWHERE)
    if settings.heartbeat_url:
        stages = [loop for loop in loops if loop.name != "retention"]
        heartbeat = OutgoingHeartbeat(
            client,
            settings.heartbeat_url,
            near,
            _ready_url(settings),
            lambda: all(time.monotonic() - stage.well_s < STAGE_SILENT_S for stage in stages),
        )
        loops.append(Loop("heartbeat", heartbeat.step, 1.0, stopping, clock))
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)  # before any thread starts, so that only sigwait sees them
    follow()
    for loop in loops:
        loop.thread.start()
    say_ready()
    signal.sigwait(stop_signals)
    stopping.set()
    for loop in loops:
        loop.join()
    notifier.close()
    for bell in {telling, *(loop.bell for loop in loops)}:
        bell.close()
    client.close()
    near.close()
    if digest:
        digest.close()
    if spool:
        spool.close()
    database.close()


def _ringing(step: Callable[[Clock], int], ring: Callable[[], None], clock: Clock) -> int:
    """A step, and a ring when it did anything."""
    worked = step(clock)
    if worked:
        ring()
    return worked


def _ready_url(settings: Settings) -> str:
    """Where this machine's own HTTP process says whether all is well."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.port}/health/ready"


def open_channels(rules: RuleSet, environment: Mapping[str, str], client: OutgoingClient) -> dict[str, Channel]:
    """
    The channels of the rules file whose variables are set, ready to send.

    Raises:
        BadChannel: what a variable holds is no address or key.
    """
    channels: dict[str, Channel] = {}
    for name, config in rules.configured(environment).items():
        match config:
            case SlackChannel():
                channels[name] = Slack(client, environment[config.url_env])
            case PagerDutyChannel():
                url = environment.get(config.url_env) or PAGERDUTY_URL
                channels[name] = PagerDuty(client, environment[config.routing_key_env], url)
            case EmailChannel():
                channels[name] = Email(
                    environment[config.server_env], environment[config.to_env], environment[config.from_env]
                )
            case WebhookChannel():
                channels[name] = SignedWebhook(client, environment[config.url_env], environment[config.secret_env])
            case AppriseChannel():
                channels[name] = Apprise(environment[config.urls_env])
            case _:
                assert_never(config)
    return channels


def pii_key(settings: Settings) -> bytes:
    """The key of this collector's hashes of e-mail and IP addresses; made on first use, 32 random bytes, mode 0600."""
    path = settings.data_dir / "pii.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _retain(database: Database, clock: Clock, max_bytes: int | None, stopping: threading.Event) -> int:
    if deleted := retention.apply(database, clock.now_us(), max_bytes, stopping.wait):
        log.info("retention applied", deleted=deleted)
        for table, rows in deleted.items():
            metrics.retention_rows.labels(table).inc(rows)
    with database.write() as tx:
        if resolved := issues.resolve_idle(tx, clock.now_us()):
            log.info("idle issues resolved", issues=resolved)
    return 0
