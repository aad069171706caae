"""
What runs in each process. The stages are wired together in `http_process` and `worker_process`, and nowhere else.

The supervisor starts `python -m ukemi.collector.processes http|worker …`. The HTTP process accepts envelopes and shows
pages; the worker digests, judges and tells. Settings come through the environment. Each stage could run alone.
"""

import argparse
import contextlib
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from ukemi.collector import logs
from ukemi.collector.core.clock import SECOND_US, Clock, SystemClock
from ukemi.collector.lock import hold
from ukemi.collector.settings import Settings
from ukemi.collector.supervisor import Role

LOCK_TIMEOUT_S = 20.0
"""So long a process waits for another one that must not run at the same time; a little longer than one may drain."""


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


def _keep_what_is_here() -> None:
    """
    Take the modules and what else lives as long as the process out of garbage collection.

    They are a hundred thousand objects; to look through them took 40 ms and more, in which no request was answered.
    """
    gc.collect()
    gc.freeze()


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
        _keep_what_is_here()
        with contextlib.suppress(
            BrokenPipeError
        ):  # the supervisor is gone already; the lifeline ends this process, too
            os.write(arguments.ready, b".")
        os.close(arguments.ready)

    # Each imports what it needs and no more: what the other one needs is a third of its memory.
    clock = open_clock(os.environ)
    if arguments.process == "http":
        from ukemi.collector import http_process

        _follow(arguments.lifeline)
        http_process.serve(settings, socket.socket(fileno=arguments.socket), roles, clock, say_ready)
    else:
        from ukemi.collector import worker_process

        if Role.DIGEST in roles:
            # The worker of a supervisor that was killed may still be finishing its batch.
            running.enter_context(hold(settings.spool_path.parent / "digest.lock", timeout_s=LOCK_TIMEOUT_S))
        worker_process.run(settings, roles, clock, say_ready, lambda: _follow(arguments.lifeline))
    running.close()


if __name__ == "__main__":
    main()
