"""
Request counts: every request, unsampled, as absolute numbers of this process, sent again and again so that a lost
report heals. What rules about failures and rates stand on. The wire item: docs/reference/request-counts.md.
"""

import atexit
import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from ukemi.protocol.vocabulary import (
    REQUEST_BUCKET_S,
    REQUEST_BUCKETS_RESENT,
    REQUEST_COUNTS_VERSION,
    latency_bin,
)
from ukemi.sdk.locks import ForkSafeLock
from ukemi.sdk.runtime import report_internal

MAX_ROUTES: Final = 500
"""Different (method, route, status) in one bucket; what comes on top is counted as one route `<other>`."""
MAX_FAILURES: Final = 50
BUSY_S: Final = 1.0
"""Pause between two reports while requests come."""
IDLE_S: Final = 2.0
"""Pause while none come. A silent process holds up the judgement of the others' failures, so it is not long."""
LAST_S: Final = 1.0
"""So long the end of the process may wait for the last tellings."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Route = tuple[str, str, int]
Report = dict[str, Any]


class RequestCounter:
    """Counts the requests of one process. Thread-safe; times are of a monotonic clock that is handed in."""

    def __init__(self, environment: str, release: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._environment, self._release, self._clock = environment, release, clock
        self._lock = ForkSafeLock()
        self._reset()

    def _reset(self) -> None:
        self.pid = os.getpid()
        self._id = uuid.uuid4().hex
        self._started_s = self._clock()
        self._buckets: dict[int, dict[Route, list[Any]]] = {}
        self._request_s: float | None = None
        self._success_s: float | None = None
        self._failures_s: deque[float] = deque(maxlen=MAX_FAILURES)
        self._failure_count = 0
        self.changes = 0

    def count(self, method: str, route: str | None, status: int, duration_ms: float) -> None:
        """
        Count one answered request.

        Args:
            route: the template, such as `/members/{id}`; None when nothing matched: a flood of wrong paths is one line.
        """
        # Apps may answer with any number; a report with one that HTTP does not know would be refused as a whole.
        status = min(max(status, 100), 599)
        key = (method if method in _METHODS else "OTHER", (route or "<unmatched>")[:200], status)
        with self._lock:
            if self.pid != os.getpid():  # forked after preloading: another process, another instance
                self._reset()
            now_s = self._clock()
            bucket = self._buckets.setdefault(self._sequence(now_s), {})
            if key not in bucket and len(bucket) >= MAX_ROUTES:
                key = (key[0], "<other>", status)
            counted = bucket.setdefault(key, [0, {}])
            counted[0] += 1
            number = str(latency_bin(duration_ms))
            counted[1][number] = counted[1].get(number, 0) + 1
            self._request_s = now_s
            if status >= 500:
                self._failures_s.append(now_s)
                self._failure_count += 1
            else:
                self._success_s = now_s
                self._failures_s.clear()
                self._failure_count = 0
            self.changes += 1

    def report(self, *, ended: bool = False) -> Report:
        """The item's payload: absolute numbers of the latest buckets, ages instead of instants."""
        with self._lock:
            now_s = self._clock()
            newest = self._sequence(now_s)
            for old in [number for number in self._buckets if number <= newest - REQUEST_BUCKETS_RESENT]:
                del self._buckets[old]
            return {
                "version": REQUEST_COUNTS_VERSION,
                "instance": {
                    "id": self._id,
                    "pid": self.pid,
                    "server_name": socket.gethostname(),
                    "age_ms": _ms(now_s - self._started_s),
                },
                "environment": self._environment,
                "release": self._release,
                "ended": ended,
                "since_request_ms": _age_ms(self._request_s, now_s),
                "since_success_ms": _age_ms(self._success_s, now_s),
                "failures_ms": [_ms(now_s - at_s) for at_s in self._failures_s],
                "failure_count": self._failure_count,
                "buckets": [
                    {
                        "sequence": number,
                        "age_ms": _ms(now_s - self._started_s - number * REQUEST_BUCKET_S),
                        "routes": [
                            {"method": m, "route": r, "status": s, "count": counted[0], "latency": dict(counted[1])}
                            for (m, r, s), counted in bucket.items()
                        ],
                    }
                    for number, bucket in sorted(self._buckets.items())
                ],
            }

    def _sequence(self, now_s: float) -> int:
        return int((now_s - self._started_s) // REQUEST_BUCKET_S)


class Reporter:
    """Sends a counter's reports from a thread of its own, begun with the first request of each process."""

    def __init__(
        self,
        counter: RequestCounter,
        send: Callable[..., None],
        beside: Callable[..., None] = lambda **_: None,
    ) -> None:
        """
        Args:
            send: takes the function that writes the report, and calls it when the report really leaves: `Turn.send`.
            beside: sends what else is counted; called once a second and at the end. Takes `at_once` and `last_s`, as
                `send` does.
        """
        self._counter, self._send, self._beside = counter, send, beside
        self._stop = threading.Event()
        self._lock = ForkSafeLock()
        self._thread_pid: int | None = None
        self._is_ended = False
        atexit.register(self.end)

    def count(self, method: str, route: str | None, status: int, duration_ms: float) -> None:
        """Count, and make sure that somebody reports it."""
        self._counter.count(method, route, status, duration_ms)
        if self._thread_pid != os.getpid():
            self._start()

    def end(self, within_s: float = LAST_S) -> None:
        """
        Report for the last time, and say that silence means nothing from now on. Only if anything was ever reported.

        Args:
            within_s: about so long it may take, behind a server that answers late.
        """
        self.tell_beside(last_s=within_s / 2)
        with self._lock:
            if self._is_ended or self._thread_pid != os.getpid():
                return
            self._is_ended = True
        self._stop.set()
        self._report(last_s=within_s / 2)

    def _start(self) -> None:
        with self._lock:
            if self._thread_pid == os.getpid():
                return
            self._thread_pid = os.getpid()
            self._stop, self._is_ended = threading.Event(), False
            threading.Thread(target=self._run, name="ukemi-request-counts", daemon=True).start()

    def _run(self) -> None:
        stop, seen, reported_s = self._stop, 0, time.monotonic() - IDLE_S
        while not stop.wait(BUSY_S / 4):
            now_s = time.monotonic()
            due_s = BUSY_S if self._counter.changes != seen else IDLE_S
            if now_s - reported_s >= due_s:
                seen, reported_s = self._counter.changes, now_s
                self._report()
                self.tell_beside()

    def tell_beside(self, *, at_once: bool = False, last_s: float | None = None) -> None:
        """Send what else is counted, now."""
        try:
            self._beside(at_once=at_once, last_s=last_s)
        except Exception:  # the thread must live
            report_internal("repeats_not_sent")

    def _report(self, *, last_s: float | None = None) -> None:
        try:
            # One that waits is overtaken by the last, and must not take its good-bye back.
            self._send(lambda: self._counter.report(ended=self._is_ended), last_s=last_s)
        except Exception:  # the thread must live: the next report holds all that this one did
            report_internal("request_counts_not_sent")


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _age_ms(at_s: float | None, now_s: float) -> int | None:
    return None if at_s is None else _ms(now_s - at_s)
