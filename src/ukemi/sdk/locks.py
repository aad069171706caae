"""A lock that a fork cannot leave locked."""

import os
import threading
import weakref
from types import TracebackType


class ForkSafeLock:
    """
    A lock for code that preloading servers fork.

    A thread that holds a plain lock when the process forks is not there in the child, where the lock stays locked for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        known = weakref.ref(self)

        def renew() -> None:
            if (alive := known()) is not None:
                alive._lock = threading.Lock()  # noqa: SLF001 - our own

        os.register_at_fork(after_in_child=renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
