"""
The supervisor: owns the listening socket, starts the processes behind it, and starts them again when they die.

SDKs never retry an answer of 5xx or a refused connection, so a restart must not be visible from outside. The socket
is made here, once, and inherited: while a process is away, connections wait in its backlog instead of being refused.

Signals: TERM and INT stop everything after draining; HUP restarts the processes one after the other, HTTP without a gap.
USR2 upgrades: the supervisor replaces itself by the code that is installed now (execve, so its pid stays), keeps socket
and processes, and then restarts those. Before that the new code is tried out (`ukemi serve --check`), since a supervisor that
cannot start would take everything down.

`ukemi serve` prepares everything and then becomes this module alone (`become`): the command line, the migrations and all that
they load would otherwise lie in memory for as long as the collector runs.
"""

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, Protocol, Self

from ukemi.collector.plain_log import PlainLog

log = PlainLog()

BACKLOG = 2048
"""Connections that wait while no process accepts. The kernel cuts it at net.core.somaxconn (4096 on today's Linux)."""
STOP_TIMEOUT_S = 15.0
READY_TIMEOUT_S = 30.0
CHECK_TIMEOUT_S = 600.0
"""For trying the new version in an upgrade, which also migrates the database."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, STABLE_AFTER_S = 0.1, 5.0, 30.0
_POLL_S = 0.1
_ARGUMENTS = "_UKEMI_SUPERVISOR"
"""Carries what `become` was called with."""


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


class Process(Protocol):
    """A child: of this program (a Popen), or taken over from the program that this process was before."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Adopted:
    """A child that was started before this process replaced its program. Only a parent may wait for a process, and we are."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._code = -1
            else:
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline_s is not None and time.monotonic() > deadline_s:
                raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0.0)
            time.sleep(0.02)
        return code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:  # else its number may be somebody else's by now
            os.kill(self.pid, number)


@dataclass(frozen=True)
class Handover:
    """What a supervisor leaves to the one that it becomes."""

    listening: int | None
    """Descriptor of the listening socket."""
    lifeline: tuple[int, int]
    children: dict[str, int]
    """Pid by name."""

    VARIABLE: ClassVar[str] = "_UKEMI_HANDOVER"

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Self | None:
        """What was left to this process, if it was an upgrade that started it. Taken out of `environment`."""
        text = environment.pop(cls.VARIABLE, None)
        if text is None:
            return None
        return cls.read(json.loads(text))

    @classmethod
    def read(cls, left: Mapping[str, Any]) -> Self:
        return cls(left["listening"], tuple(left["lifeline"]), left["children"])

    def listener(self) -> socket.socket | None:
        return None if self.listening is None else socket.socket(fileno=self.listening)


@dataclass
class _Child:
    """One supervised process and what is needed to start it again."""

    name: str
    roles: Sequence[Role]
    process: Process | None = None
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    retry_at_s: float = 0.0


def become(
    roles: Sequence[Role],
    listener: socket.socket | None,
    environment: Mapping[str, str],
    command: Sequence[str],
    log_level: str,
    handover: Handover | None = None,
) -> NoReturn:
    """Replace this program by a supervisor with these arguments; see `Supervisor`. The pid stays."""
    left = {
        "roles": list(roles),
        "listening": listener.fileno() if listener else None,
        "command": list(command),
        "log_level": log_level,
        "handover": handover and dataclasses.asdict(handover),
    }
    _replace_program(
        [sys.executable, "-m", "ukemi.collector.supervisor"], {**environment, _ARGUMENTS: json.dumps(left)}
    )


def _replace_program(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    # What comes before the new program listens to signals must not end it. Ignoring is the one thing that it inherits.
    for number in (signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], list(command), dict(environment))  # noqa: S606 - our own command


class Supervisor:
    """Keeps the processes for `roles` running until told to stop. `run` blocks and handles signals: main thread only."""

    def __init__(
        self,
        roles: Sequence[Role],
        listener: socket.socket | None,
        environment: Mapping[str, str],
        command: Sequence[str],
        handover: Handover | None = None,
    ) -> None:
        """
        Args:
            roles: the stages to run; those that share a process are started together.
            listener: from `listen`, or handed over; needed for the roles ingest and web.
            environment: of the children; their settings travel in it.
            command: what starts this program anew; with `--check` behind it, what tries whether it would start.
            handover: what this process had when it ran the program's former version.
        """
        self._command = list(command)
        self._listener = listener
        self._environment = dict(environment)
        self._children = [
            _Child(name, chosen)
            for name, group in (("http", HTTP_ROLES), ("worker", WORKER_ROLES))
            if (chosen := [role for role in group if role in roles])
        ]
        # Children watch the read end: it closes when we die, by whatever death, and they stop instead of lingering.
        self._lifeline_read, self._lifeline_write = handover.lifeline if handover else os.pipe()
        os.set_inheritable(self._lifeline_read, True)
        for name, pid in (handover.children if handover else {}).items():
            child = next((child for child in self._children if child.name == name), None)
            if child is not None:
                child.process = Adopted(pid)
            else:
                _terminate(Adopted(pid))
        # Plain flags: an Event's lock, taken in a signal handler, could be the one that the main thread already holds.
        self._is_stopping = False
        # After an upgrade the processes that were handed over still run the former code.
        self._is_restart_wanted = handover is not None
        self._is_upgrade_wanted = False

    def run(self) -> None:
        """Start everything and return after a stop signal, when all children are gone."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGINT, lambda *_: self.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.restart())
        signal.signal(signal.SIGUSR2, lambda *_: self.upgrade())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop below through the pipe
        try:
            for child in self._children:
                if child.process is None:
                    self._start(child)
            while not self._is_stopping:
                if select.select([wake_read], [], [], _POLL_S)[0]:
                    os.read(wake_read, 1024)
                if self._is_restart_wanted:
                    self._is_restart_wanted = False
                    self._restart_all()
                if self._is_upgrade_wanted:
                    self._is_upgrade_wanted = False
                    self._become_new_version()
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

    def upgrade(self) -> None:
        """Ask `run` to replace this program by the version that is installed now. For signal handlers."""
        self._is_upgrade_wanted = True

    def _become_new_version(self) -> None:
        """Returns only if the new version would not start."""
        try:
            tried = subprocess.run(  # noqa: S603 - our own command
                [*self._command, "--check"],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=CHECK_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            why = f"it did not end within {CHECK_TIMEOUT_S:.0f} s"
            log.error("the new version cannot be tried; the old one stays", why=why)  # noqa: TRY400 - the words say all
            return
        if tried.returncode != 0:
            log.error("the new version would not start; the old one stays", why=tried.stderr.strip()[-500:])
            return
        log.info("upgrading: the supervisor replaces itself")
        children = {child.name: child.process.pid for child in self._children if child.process is not None}
        handed = {
            "listening": self._listener.fileno() if self._listener else None,
            "lifeline": [self._lifeline_read, self._lifeline_write],
            "children": children,
        }
        os.set_inheritable(self._lifeline_write, True)
        _replace_program(self._command, {**self._environment, Handover.VARIABLE: json.dumps(handed)})

    def _start(self, child: _Child) -> bool:
        """Start `child`; returns once it said that it is ready (True), or died or took too long (False)."""
        ready_read, ready_write = os.pipe()
        os.set_inheritable(ready_write, True)
        inherited = [self._lifeline_read, ready_write]
        arguments = [f"--lifeline={self._lifeline_read}", f"--ready={ready_write}"]
        if child.name == "http" and self._listener is not None:
            inherited.append(self._listener.fileno())
            arguments.append(f"--socket={self._listener.fileno()}")
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "ukemi.collector.processes", child.name, *arguments, *child.roles],
            pass_fds=inherited,
            env=self._environment,
        )
        child.process = process
        child.started_s = time.monotonic()
        os.close(ready_write)
        with os.fdopen(ready_read, "rb") as ready:
            is_ready = _read_with_timeout(ready.fileno(), READY_TIMEOUT_S)
        log.info("process is ready" if is_ready else "process did not get ready", process=child.name, pid=process.pid)
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


def _terminate(process: Process | None) -> None:
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


def main() -> None:
    """What `become` starts."""
    left = json.loads(os.environ.pop(_ARGUMENTS))
    log.configure(left["log_level"])
    Supervisor(
        roles=[Role(role) for role in left["roles"]],
        listener=None if left["listening"] is None else socket.socket(fileno=left["listening"]),
        environment=os.environ,
        command=left["command"],
        handover=left["handover"] and Handover.read(left["handover"]),
    ).run()


if __name__ == "__main__":
    main()
