"""
Bells: whoever has put work somewhere rings, so that who does it need not look again and again.

A pipe that carries nothing but the news that there is some; with a path a named one, which other processes ring as well. A
ring that nobody hears loses nothing: everybody also looks by themselves, only later.
"""

import contextlib
import os
import select
import stat
from pathlib import Path

_MOST_BYTES = 1 << 16
"""Of the rings that one wait hears; a pipe holds no more."""


class Bell:
    def __init__(self, path: Path | None = None) -> None:
        """
        Args:
            path: of the pipe that all processes share which name it; made if missing (mode 0600, its folder 0700). Where
                the file system knows no pipes, each process hears itself alone.
        """
        self._poll = select.poll()
        self._hears, self._rings = self._open(path)
        self._poll.register(self._hears, select.POLLIN)

    def ring(self) -> None:
        """Wake who waits now or next. Never waits itself."""
        with contextlib.suppress(BlockingIOError):  # so many rings wait unheard that one more says nothing
            os.write(self._rings, b".")

    def wait(self, timeout_s: float) -> bool:
        """Return once somebody rang, at once when that was since the last call. Says whether anybody did."""
        if not self._poll.poll(max(0.0, timeout_s) * 1000):
            return False
        with contextlib.suppress(BlockingIOError):  # another process that waits has heard it, too
            os.read(self._hears, _MOST_BYTES)
        return True

    def close(self) -> None:
        for descriptor in {self._hears, self._rings}:
            os.close(descriptor)

    @staticmethod
    def _open(path: Path | None) -> tuple[int, int]:
        if path is not None:
            with contextlib.suppress(OSError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.mkfifo(path, 0o600)
                if stat.S_ISFIFO(path.lstat().st_mode):
                    # For both ways: so it opens while nobody else has it, and writing to it never breaks.
                    both = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
                    return both, both
        hears, rings = os.pipe()
        for descriptor in (hears, rings):
            os.set_blocking(descriptor, False)
        return hears, rings
