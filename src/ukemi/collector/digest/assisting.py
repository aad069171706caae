"""
The assistant's own program, `python -m ukemi.collector.digest.assisting`: understands events for a digest with a backlog.

It holds nothing that anybody needs: no file, no database, no setting. What it is told and what it answers goes over one
socket, its standard input: frames of 4 bytes with the length (big endian) and MessagePack. When the worker ends, by
whatever death, the other end of that socket closes, and this process ends as well.
"""

import contextlib
import dataclasses
import gc
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import msgspec

import ukemi.privacy
from ukemi.collector.digest.understand import GroupedBy, Understood, understand
from ukemi.collector.spool.item import SpoolItem
from ukemi.privacy import DEFAULT_RULES, Rules

LENGTH_BYTES: Final = 4
_Message = TypeVar("_Message")
OOM_SCORE: Final = 500
"""When memory gets short, this process goes first: nothing is lost with it."""
_ROOMS: Final = ("privacy", "protocol", "collector/core", "collector/digest", "collector/spool")
"""Where the code lies that understands."""


class Task(msgspec.Struct, frozen=True, array_like=True):
    """One event to be understood."""

    item: SpoolItem
    version: int
    """Of fingerprints."""
    earlier: int | None


class Order(msgspec.Struct, frozen=True):
    """
    So many tasks follow, each in a frame of its own; the last comes first. It takes the place of the order before.

    One frame of them all would be megabytes, which both processes would hold twice.
    """

    hash_key: bytes
    tasks: int


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a task."""

    position: int
    version: int
    earlier: int | None
    understood: Understood | None
    """None: it could not be understood, and whoever asked shall see for himself why."""


class Hello(msgspec.Struct, frozen=True):
    """The first word: which code answers here."""

    code: str


def code() -> str:
    """
    Names the code that lies on disk, so that two processes can tell whether they run the same.

    A worker may still run what an upgrade has replaced. So each asks when it starts, not later.
    """
    root = Path(ukemi.privacy.__file__).parent.parent
    found = [path.stat() for room in _ROOMS for path in (root / room).glob("*.py")]
    return f"{len(found)} {sum(one.st_mtime_ns for one in found)} {sum(one.st_size for one in found)}"


def frame(message: msgspec.Struct) -> bytes:
    """The bytes that carry `message`."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def answer(task: Task, rules: Rules) -> bytes:
    """The frame that answers `task`; whatever a stranger's bytes provoke becomes an answer without content."""
    by = (task.item.position, task.version, task.earlier)
    try:
        return frame(Answer(*by, understand(task.item, rules, GroupedBy(task.version, task.earlier))))
    except Exception:  # told apart, counted and logged where the item is digested
        return frame(Answer(*by, None))


def serve(connection: socket.socket) -> NoReturn:
    """
    Understand what is ordered; a new order ends the one before.

    Raises:
        ConnectionError: the other end is closed.
    """
    tasks: list[Task] = []
    rules = DEFAULT_RULES
    unsent = bytearray()
    while True:
        poll = select.poll()
        poll.register(connection, select.POLLIN | (select.POLLOUT if unsent else 0))
        ((_, ready),) = poll.poll(0 if tasks else None) or [(0, 0)]
        if ready & ~select.POLLOUT:
            order = _read(connection, Order)
            gc.collect()  # an error may have been part of a cycle
            rules = dataclasses.replace(DEFAULT_RULES, hash_key=order.hash_key)
            tasks = []  # what is left of the last one goes before the next one comes
            tasks = [_read(connection, Task) for _ in range(order.tasks)]
        elif ready & select.POLLOUT:
            with contextlib.suppress(BlockingIOError):
                del unsent[: connection.send(unsent, socket.MSG_DONTWAIT)]
        if tasks:
            unsent += answer(tasks.pop(), rules)


def _read(connection: socket.socket, kind: type[_Message]) -> _Message:
    """
    The next frame.

    Raises:
        ConnectionError: there will be no more.
    """
    length = _exactly(connection, LENGTH_BYTES)
    return msgspec.msgpack.decode(_exactly(connection, int.from_bytes(length, "big")), type=kind)


def _exactly(connection: socket.socket, size: int) -> bytearray:
    read = bytearray()
    while len(read) < size:
        part = connection.recv(min(size - len(read), 1 << 16))
        if not part:
            raise ConnectionError("The other end is closed.")
        read += part
    return read


def main() -> None:
    """Work until the worker is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # told to a whole group, they are meant for the worker, which drains
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    gc.disable()  # JSON has no cycles, and to look for some takes a third of the time
    gc.freeze()
    connection = socket.socket(fileno=sys.stdin.fileno())
    with contextlib.suppress(ConnectionError):  # the worker has ended
        connection.sendall(frame(Hello(code())))
        serve(connection)


if __name__ == "__main__":
    main()
