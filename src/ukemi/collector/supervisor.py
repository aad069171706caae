"""
The supervisor: owns the listening socket, starts the processes behind it, and starts them again when they die.

SDKs never retry an answer of 5xx or a refused connection, so a restart must not be visible from outside. The socket
is made here, once, and inherited: while a process is away, connections wait in its backlog instead of being refused.

Signals: TERM and INT stop everything after draining; HUP restarts the processes one after the other, HTTP without a gap.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

log = structlog.get_logger("ukemi.supervisor")

BACKLOG = 2048
"""Connections that wait while no process accepts. The kernel cuts it at net.core.somaxconn (4096 on today's Linux)."""
STOP_TIMEOUT_S = 15.0
READY_TIMEOUT_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, STABLE_AFTER_S = 0.1, 5.0, 30.0
_POLL_S = 0.1


class Role(StrEnum):
    """A stage of the collector that can run alone (`ukemi serve --only …`)."""

    INGEST = "ingest"
    DIGEST = "digest"
    ALERTS = "alerts"
    NOTIFY = "notify"
    WEB = "web"


HTTP_ROLES = (Role.INGEST, Role.WEB)
WORKER_ROLES = (Role.DIGEST, Role.ALERTS, Role.NOTIFY)


def listen(host: str, port: int) -> socket.socket:
    """
    A listening TCP socket that child processes can inherit.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


@dataclass
class _Child:
    """One supervised process and what is needed to start it again."""

    name: str
    roles: Sequence[Role]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    retry_at_s: float = 0.0


class Supervisor:
    """Keeps the processes for `roles` running until told to stop. `run` blocks and handles signals: main thread only."""

    def __init__(self, roles: Sequence[Role], listener: socket.socket | None, environment: Mapping[str, str]) -> None:
        """
        Args:
            roles: the stages to run; those that share a process are started together.
            listener: from `listen`; needed for the roles ingest and web.
            environment: of the children; their settings travel in it.
        """
        self._listener = listener
        self._environment = dict(environment)
        self._children = [
            _Child(name, chosen)
            for name, group in (("http", HTTP_ROLES), ("worker", WORKER_ROLES))
            if (chosen := [role for role in group if role in roles])
        ]
        # Children watch the read end: it closes when we die, by whatever death, and they stop instead of lingering.
        self._lifeline_read, self._lifeline_write = os.pipe()
        os.set_inheritable(self._lifeline_read, True)
        # Plain flags: an Event's lock, taken in a signal handler, could be the one that the main thread already holds.
        self._is_stopping = False
        self._is_restart_wanted = False

    def run(self) -> None:
        """Start everything and return after a stop signal, when all children are gone."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGINT, lambda *_: self.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.restart())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop below through the pipe
        try:
            for child in self._children:
                self._start(child)
            while not self._is_stopping:
                if select.select([wake_read], [], [], _POLL_S)[0]:
                    os.read(wake_read, 1024)
                if self._is_restart_wanted:
                    self._is_restart_wanted = False
                    self._restart_all()
                for child in self._children:
                    self._revive(child)
        finally:
            self._stop_all()
            signal.set_wakeup_fd(-1)

    def stop(self) -> None:
        """Ask `run` to drain and return. For signal handlers."""
        self._is_stopping = True

    def restart(self) -> None:
        """Ask `run` to replace every process, HTTP without a gap. For signal handlers."""
        self._is_restart_wanted = True

    def _start(self, child: _Child) -> bool:
        """Start `child`; returns once it said that it is ready (True), or died or took too long (False)."""
        ready_read, ready_write = os.pipe()
        os.set_inheritable(ready_write, True)
        inherited = [self._lifeline_read, ready_write]
        arguments = [f"--lifeline={self._lifeline_read}", f"--ready={ready_write}"]
        if child.name == "http" and self._listener is not None:
            inherited.append(self._listener.fileno())
            arguments.append(f"--socket={self._listener.fileno()}")
        child.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "ukemi.collector.processes", child.name, *arguments, *child.roles],
            pass_fds=inherited,
            env=self._environment,
        )
        child.started_s = time.monotonic()
        os.close(ready_write)
        with os.fdopen(ready_read, "rb") as ready:
            is_ready = _read_with_timeout(ready.fileno(), READY_TIMEOUT_S)
        log.info(
            "process is ready" if is_ready else "process did not get ready", process=child.name, pid=child.process.pid
        )
        return is_ready

    def _revive(self, child: _Child) -> None:
        now_s = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            child.process = None
            was_stable = now_s - child.started_s > STABLE_AFTER_S
            child.pause_s = FIRST_PAUSE_S if was_stable else min(child.pause_s * 2, LONGEST_PAUSE_S)
            child.retry_at_s = now_s + child.pause_s
            log.warning("process ended; starting it again", process=child.name, exit_code=code, pause_s=child.pause_s)
        if now_s >= child.retry_at_s and not self._is_stopping:
            self._start(child)

    def _restart_all(self) -> None:
        for child in self._children:
            old = child.process
            if child.name != "http":
                _terminate(old)  # two digesters must never run at once, so here the old one goes first
                self._start(child)
            elif self._start(child):
                _terminate(old)  # until it has drained, both accept on the one socket
            else:
                log.error("the new process does not start; the old one stays", process=child.name)
                _terminate(child.process)
                child.process = old

    def _stop_all(self) -> None:
        processes = [child.process for child in self._children if child.process is not None]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            _terminate(process)


def _terminate(process: subprocess.Popen[bytes] | None) -> None:
    """Ask `process` to stop, and make it after STOP_TIMEOUT_S."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        log.warning("process did not stop in time; killing it", pid=process.pid, timeout_s=STOP_TIMEOUT_S)
        process.kill()
        process.wait()


def _read_with_timeout(descriptor: int, timeout_s: float) -> bool:
    """Whether a byte came before the other end closed or time ran out."""
    readable, _, _ = select.select([descriptor], [], [], timeout_s)
    return bool(readable) and os.read(descriptor, 1) != b""
