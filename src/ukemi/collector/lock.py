"""
Locks between processes of one machine, held on files: the kernel lets go of them however their holder dies.

`ukemi.lock` in the data folder is shared by every process of a running collector, so that a restore, which wants it alone,
knows when nothing runs. `digest.lock` beside the spool is held by the one process that digests it.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TRY_EVERY_S = 0.1


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def hold(path: Path, *, shared: bool = False, timeout_s: float = 0.0) -> Iterator[None]:
    """
    Hold the lock at `path`, whose file is made if it is missing.

    Args:
        shared: together with others who hold it shared, instead of alone.
        timeout_s: how long to wait for others to let go.

    Raises:
        Busy: they did not.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline_s:
                    raise Busy(f"{path} is held by another process.") from None
                time.sleep(_TRY_EVERY_S)
        yield
    finally:
        os.close(descriptor)
