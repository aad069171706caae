"""
Digest's assistant: a second process that understands events ahead, so that a backlog has two cores.

Understanding takes two thirds of digest's time and is pure, so it can be done elsewhere. While the worker writes a batch, the
assistant begins with the next one, at its end; the worker goes through it from the front, understands what has no answer
yet and takes the answers that are there. So the two meet somewhere, neither waits for what the other understands, and an assistant that
dies, hangs or answers nonsense costs nothing but its help: the worker would have understood everything itself.

It runs only while there is a backlog, for it takes some 45 MB.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from ukemi.collector import metrics
from ukemi.collector.digest.assisting import LENGTH_BYTES, Answer, Hello, Order, Task, code, frame
from ukemi.collector.digest.understand import GroupedBy, Understood
from ukemi.collector.spool.item import SpoolItem

log = structlog.get_logger("ukemi.digest")

BACKLOG_S: Final = 1.0
"""So long batches must have been followed by more before an assistant is started."""
IDLE_S: Final = 30.0
"""So long an assistant stays without an order."""
SILENT_S: Final = 20.0
"""One that owes answers and gives none for so long hangs."""
BUSY_SHARE: Final = 0.25
"""One that still owes more of the next batch than this is busy enough."""
FEWEST: Final = 25
"""So many events it is asked for at first, later for twice as many as it had answered: to hand over more takes time for nothing."""
NICE: Final = 10
"""Once it is up, accepting goes before, and leaves it a tenth of the time: what waits in the spool can wait."""
SEND_S: Final = 1.0
"""So long an order may take to be handed over: between two events, the assistant looks for one."""
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 600.0
STABLE_AFTER_S: Final = 60.0
MAX_FRAME_BYTES: Final = 256 << 20
"""No answer is longer: an event is cut long before."""
COMMAND: Final = (sys.executable, "-m", "ukemi.collector.digest.assisting")


class BadAnswer(ValueError):
    """What came is no answer of an assistant."""


class Assistant:
    """One assistant at most; starts, ends and replaces it. Not safe for use by several threads."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic, command: Sequence[str] = COMMAND) -> None:
        """
        Args:
            now_s: a clock that never goes back.
            command: what starts an assistant; its standard input becomes the socket.
        """
        self._now_s = now_s
        self._command = list(command)
        self._code = code()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._arriving = bytearray(1 << 18)
        self._inbox = bytearray()
        self._is_ready = False
        self._owed: dict[int, GroupedBy] = {}
        """What it was asked for and has not answered, by position."""
        self._answers: dict[int, Answer] = {}
        self._answered = 0
        """Since the last order."""
        self._behind_since_s: float | None = None
        self._started_s = self._heard_s = self._ordered_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._retry_at_s = float("-inf")

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process else None

    @property
    def is_ready(self) -> bool:
        """Whether it takes orders."""
        return self._is_ready

    def tend(self) -> None:
        """Look after it: what has nothing to do any more is ended, and so is what hangs. To be called now and then."""
        self._collect()
        if self._process is None:
            return
        now_s = self._now_s()
        if (self._owed or not self._is_ready) and now_s - self._heard_s > SILENT_S:
            self._give_up("hangs")
        elif now_s - self._ordered_s > IDLE_S:
            log.info("assistant ends: there is no backlog", pid=self.pid)
            self.close()
        elif now_s - self._started_s > STABLE_AFTER_S:
            self._pause_s = FIRST_PAUSE_S

    def note(self, *, is_behind: bool) -> None:
        """Hear of each batch whether more waits behind it; if that lasts, an assistant is started."""
        now_s = self._now_s()
        if not is_behind:
            self._behind_since_s = None
        elif self._behind_since_s is None:
            self._behind_since_s = now_s
        elif self._process is None and now_s - self._behind_since_s >= BACKLOG_S and now_s >= self._retry_at_s:
            self._start()

    @property
    def owes(self) -> int:
        """How many answers it was asked for that are neither here nor superfluous by now."""
        return len(self._owed)

    def order(self, items: Sequence[SpoolItem], projects: Mapping[int, GroupedBy], hash_key: bytes) -> None:
        """
        Ask for events to be understood, the last one first; of other events no answer is kept.

        While it is still busy with a good part of them, because the last batch was cut before their turn, nothing new is asked.

        Args:
            items: events of known projects.
            projects: how each groups.
        """
        self._collect()
        if self._socket is None or not self._is_ready:
            return
        wanted = {item.position: projects[item.project_id] for item in items}
        self._answers = {position: one for position, one in self._answers.items() if position in wanted}
        self._ordered_s = self._now_s()
        if len(self._owed.keys() & wanted.keys()) > len(wanted) * BUSY_SHARE:
            return
        if not self._owed:
            self._heard_s = self._now_s()
        missing = [position for position in wanted if position not in self._answers]
        self._owed = {position: wanted[position] for position in missing[-max(FEWEST, 2 * self._answered) :]}
        self._answered = 0
        tasks = [
            Task(item, wanted[item.position].version, wanted[item.position].earlier)
            for item in items
            if item.position in self._owed
        ]
        try:
            self._socket.settimeout(SEND_S)
            self._socket.sendall(frame(Order(hash_key, len(tasks))))
            for task in tasks:
                self._socket.sendall(frame(task))
            self._socket.setblocking(False)
        except OSError:
            self._give_up("takes no order")

    def answer(self, item: SpoolItem, grouped_by: GroupedBy) -> Understood | None:
        """What it understood of an event by now, once; None: understand it yourself."""
        self._collect()
        self._owed.pop(item.position, None)
        answer = self._answers.pop(item.position, None)
        if answer is None or (answer.version, answer.earlier) != (grouped_by.version, grouped_by.earlier):
            return None
        understood = answer.understood
        if understood is None:
            return None
        if (understood.project_id, understood.event_id) != (item.project_id, item.event_id):
            self._give_up("answers something else")
            return None
        metrics.assisted_events.inc()
        return understood

    def close(self) -> None:
        """End it, if it runs. It holds nothing that could be lost, so it need not be asked."""
        if self._socket:
            self._socket.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None
        self._is_ready = False
        self._inbox.clear()
        self._owed.clear()
        self._answers.clear()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # Ours is not inherited, so that it closes with this process, by whatever death. What a failing interpreter
                # writes could quote an event, so nobody reads it.
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    self._command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            except OSError:  # no memory, no process numbers
                ours.close()
                log.exception("assistant cannot be started")
                self._retry_later()
                return
        ours.setblocking(False)
        self._socket = ours
        self._started_s = self._heard_s = self._ordered_s = self._now_s()
        log.info("assistant starts: events wait", pid=self.pid)

    def _give_up(self, why: str) -> None:
        """End one that is of no use, and try another one later."""
        process = self._process
        self.close()
        log.warning("assistant is of no use", why=why, exit_code=process and process.returncode, pause_s=self._pause_s)
        self._retry_later()

    def _retry_later(self) -> None:
        metrics.stage_failures.labels("assistant").inc()
        self._retry_at_s = self._now_s() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _collect(self) -> None:
        """Take in what has arrived."""
        while self._socket:
            try:
                size = self._socket.recv_into(self._arriving)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if size == 0:
                self._give_up("ended")
                return
            self._heard_s = self._now_s()
            self._inbox += memoryview(self._arriving)[:size]
            try:
                self._read()
            except (BadAnswer, msgspec.DecodeError):
                self._give_up("answers nonsense")

    def _read(self) -> None:
        """Take the whole frames out of what arrived."""
        while len(self._inbox) >= LENGTH_BYTES:
            size = int.from_bytes(self._inbox[:LENGTH_BYTES], "big")
            if size > MAX_FRAME_BYTES:
                raise BadAnswer(f"A frame of {size} bytes is none of an assistant's.")
            end = LENGTH_BYTES + size
            if len(self._inbox) < end:
                return
            body = bytes(self._inbox[LENGTH_BYTES:end])
            del self._inbox[:end]
            if not self._is_ready:
                if msgspec.msgpack.decode(body, type=Hello).code != self._code:
                    raise BadAnswer("It runs other code than this worker, which an upgrade will replace.")
                self._is_ready = True
                if self._process:
                    with contextlib.suppress(OSError):  # it has died meanwhile
                        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)
                continue
            answer = msgspec.msgpack.decode(body, type=Answer)
            if self._owed.pop(answer.position, None):
                self._answers[answer.position] = answer
                self._answered += 1


def cores() -> int:
    """How many this process may use."""
    with contextlib.suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
