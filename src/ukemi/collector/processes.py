"""
What runs in each process: here, and only here, the stages are wired together.

The supervisor starts `python -m ukemi.collector.processes http|worker …`. The HTTP process accepts envelopes and shows
pages; the worker digests, judges and tells. Settings come through the environment. Each stage could run alone.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import re
import secrets
import signal
import socket as sockets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import assert_never

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ukemi.collector import health, logs, metrics
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
from ukemi.collector.core.clock import SECOND_US, Clock, SystemClock
from ukemi.collector.digest.assistant import Assistant, cores
from ukemi.collector.digest.worker import Digest
from ukemi.collector.ingest.admission import nothing_fits_at
from ukemi.collector.ingest.app import IngestApp
from ukemi.collector.ingest.keys import StoredKeys
from ukemi.collector.lock import hold
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
from ukemi.collector.spool.look import look
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import deletions, issues, retention
from ukemi.collector.store.database import Database
from ukemi.collector.supervisor import Role
from ukemi.collector.web.app import create_app

log = structlog.get_logger("ukemi.processes")

DRAIN_S = 1.0
"""How long a stopping HTTP process goes on answering on connections that it has already accepted."""
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
LOCK_TIMEOUT_S = 20.0
"""So long a process waits for another one that must not run at the same time; a little longer than one may drain."""
_ANYWHERE = [ip_network("0.0.0.0/0"), ip_network("::/0")]
"""The address that we listen on ourselves may be any."""
_INGEST_PATH = re.compile(r"^/+api/+(?:[1-9]\d*/+(?!ukemi/)|store/*$|embed/+error-page/*$|0/+\d+/+cron/)")


class ShiftedClock:
    """The system's clock, moved by the seconds that stand in a file: with it, tests let time jump in running processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_s = float("-inf")
        self._shift_us = 0

    def now_us(self) -> int:
        if time.monotonic() - self._read_s > 0.1:
            self._read_s = time.monotonic()
            with contextlib.suppress(OSError, ValueError):
                self._shift_us = round(float(self._path.read_text()) * SECOND_US)
        return time.time_ns() // 1000 + self._shift_us


def open_clock(environment: Mapping[str, str]) -> Clock:
    """The clock that this process goes by."""
    path = environment.get("UKEMI_CLOCK_SHIFT_FILE")
    return ShiftedClock(Path(path)) if path else SystemClock()


class DrainingServer(uvicorn.Server):
    """
    A server that loses no request when it stops.

    Plain uvicorn closes connections that have no request under way, among them those whose request is still in flight
    from the client. This one first stops accepting, asks clients to close after their answer, and waits.
    """

    is_draining = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again after draining and end the process before the spool is closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_exit)
        yield

    def _ask_to_exit(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[sockets.socket] | None = None) -> None:
        self.is_draining = True
        for server in self.servers:
            server.close()
        await asyncio.sleep(DRAIN_S)
        await super().shutdown(sockets)


class HttpApp:
    """Sends what SDKs post to ingest and everything else to the pages."""

    def __init__(self, ingest: ASGIApp | None, web: ASGIApp | None, health: ASGIApp) -> None:
        self._ingest, self._web, self._health = ingest, web, health
        self.server: DrainingServer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_envelope = _INGEST_PATH.match(path) is not None
        app = self._ingest if is_envelope else self._health if path in health.PATHS else self._web
        began_s = time.monotonic()

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                if is_envelope:
                    metrics.envelopes.labels(message["status"]).inc()
                    metrics.answer_seconds.observe(time.monotonic() - began_s)
                if self.server and self.server.is_draining:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        if app is None:
            await _not_here(scope, send)
        else:
            await app(scope, receive, send_closing)


async def run_http(
    settings: Settings, listener: sockets.socket, roles: set[Role], say_ready: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    clock = open_clock(os.environ)
    database = Database(settings.database)
    rules = rules_file.load(settings.rules_file)
    bell = Bell(_bell_path(settings) if Role.INGEST in roles else None)
    writer = (
        SpoolWriter(settings.spool_path, nothing_fits_at(settings.max_spool_bytes), bell.ring)
        if Role.INGEST in roles
        else None
    )
    ingest = (
        IngestApp(writer, StoredKeys(database), settings, clock, partial(look, settings.spool_path)) if writer else None
    )
    web = (
        create_app(database, settings, clock, rules.rules, list(rules.configured(os.environ)), rules.untold(os.environ))
        if Role.WEB in roles
        else None
    )
    app = HttpApp(ingest, web, health.Health(database, settings, clock))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False, backlog=2048)
    app.server = server = DrainingServer(config)
    if ingest:
        await ingest.start()
    _keep_what_is_here()
    say_ready()  # connections wait in the socket's backlog until the server below accepts them
    await server.serve(sockets=[listener])
    if ingest:
        await ingest.stop()
    if writer:
        writer.close()
    bell.close()
    database.close()


class Loop:
    """Runs a stage's `step` again and again in a thread of its own until told to stop."""

    def __init__(
        self,
        name: str,
        step: Callable[[Clock], int],
        idle_pause_s: float,
        stopping: threading.Event,
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
        self.name, self._step, self._idle_pause_s, self._stopping = name, step, idle_pause_s, stopping
        self._gather_s = gather_s
        self.bell = bell or Bell()
        self.thread = threading.Thread(target=self._run, name=name)
        self.well_s = time.monotonic()
        """When a step succeeded last, on the monotonic clock."""

    def _run(self) -> None:
        clock = open_clock(os.environ)
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                worked = self._step(clock)
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


def run_worker(settings: Settings, roles: set[Role], say_ready: Callable[[], None], follow: Callable[[], None]) -> None:
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
            Loop("retention", lambda clock: _retain(database, clock, limit, stopping), RETENTION_PAUSE_S, stopping)
        )
        loops.append(
            Loop(
                "deletion",
                lambda clock: deletions.step(database, clock.now_us(), stopping.wait),
                DELETION_PAUSE_S,
                stopping,
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
    waiting = Bell(_bell_path(settings) if Role.DIGEST in roles else None)
    loops.append(
        Loop(
            "digest",
            lambda clock: sum(step(clock) for step in steps),
            IDLE_PAUSE_S,
            stopping,
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
        loops.append(Loop("notify", notifier.step, IDLE_PAUSE_S, stopping, telling))
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
        loops.append(Loop("heartbeat", heartbeat.step, 1.0, stopping))
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)  # before any thread starts, so that only sigwait sees them
    follow()
    for loop in loops:
        loop.thread.start()
    _keep_what_is_here()
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


def _keep_what_is_here() -> None:
    """
    Take the modules and what else lives as long as the process out of garbage collection.

    They are a hundred thousand objects; to look through them took 40 ms and more, in which no request was answered.
    """
    gc.collect()
    gc.freeze()


def _bell_path(settings: Settings) -> Path:
    """Of the bell that ingest rings and digest hears."""
    return settings.spool_path.with_name("bell")


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


async def _not_here(scope: Scope, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"This stage does not run here.\n"})


def _follow(lifeline: int) -> None:
    """Stop this process when its supervisor is gone, however it died: then the other end of the pipe closes."""

    def wait() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def main() -> None:
    """Run one process as its supervisor asks: `http --socket=FD ingest web` or `worker digest alerts notify`."""
    parser = argparse.ArgumentParser(prog="ukemi.collector.processes")
    parser.add_argument("process", choices=("http", "worker"))
    parser.add_argument("roles", nargs="+", type=Role)
    parser.add_argument("--socket", type=int)
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    arguments = parser.parse_args()
    settings = Settings()
    logs.configure(settings.log_level)
    roles = set(arguments.roles)
    running = contextlib.ExitStack()
    running.enter_context(hold(settings.data_dir / "ukemi.lock", shared=True, timeout_s=LOCK_TIMEOUT_S))

    def say_ready() -> None:
        with contextlib.suppress(
            BrokenPipeError
        ):  # the supervisor is gone already; the lifeline ends this process, too
            os.write(arguments.ready, b".")
        os.close(arguments.ready)

    if arguments.process == "http":
        _follow(arguments.lifeline)
        listener = sockets.socket(fileno=arguments.socket)
        uvicorn_loop = uvicorn.Config("", loop="auto").get_loop_factory()
        with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
            runner.run(run_http(settings, listener, roles, say_ready))
    else:
        if Role.DIGEST in roles:
            # The worker of a supervisor that was killed may still be finishing its batch.
            running.enter_context(hold(settings.spool_path.parent / "digest.lock", timeout_s=LOCK_TIMEOUT_S))
        run_worker(settings, roles, say_ready, lambda: _follow(arguments.lifeline))
    running.close()


if __name__ == "__main__":
    main()
