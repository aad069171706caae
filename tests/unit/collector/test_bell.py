"""The bell: whoever waits is woken, also from another process, and who rings never waits."""

import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ukemi.collector.bell import Bell
from ukemi.collector.core.clock import Clock, SystemClock
from ukemi.collector.worker_process import Loop

FOR_EVER_S = 600.0
"""Longer than any test may take: who waits for so long was not woken."""


@pytest.fixture(params=["alone", "shared"])
def bell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bell]:
    with closing(Bell(tmp_path / "spool" / "bell" if request.param == "shared" else None)) as made:
        yield made


def test_who_waits_is_woken(bell: Bell) -> None:
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(bell.wait(FOR_EVER_S)))
    waiting.start()
    bell.ring()
    waiting.join()
    assert heard == [True]


def test_a_ring_before_the_wait_is_heard_once(bell: Bell) -> None:
    bell.ring()
    bell.ring()
    assert bell.wait(FOR_EVER_S)
    assert not bell.wait(0)


def test_ringing_never_waits_however_many_rings_nobody_hears(bell: Bell) -> None:
    for _ in range(100_000):
        bell.ring()
    assert bell.wait(FOR_EVER_S)


def test_another_process_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "spool" / "bell"
    with closing(Bell(path)) as bell:
        ring = f"from pathlib import Path; from ukemi.collector.bell import Bell; Bell(Path({str(path)!r})).ring()"
        subprocess.run([sys.executable, "-c", ring], check=True)
        assert bell.wait(FOR_EVER_S)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_no_pipe_is_left_alone_and_the_process_hears_itself(tmp_path: Path) -> None:
    """A file system without pipes, or somebody's file of that name."""
    path = tmp_path / "bell"
    path.write_text("a file")
    with closing(Bell(path)) as bell:
        bell.ring()
        assert bell.wait(FOR_EVER_S)
    assert path.read_text() == "a file"


def test_a_loop_that_found_nothing_goes_on_when_it_is_rung() -> None:
    """It sleeps until then: at rest, a worker costs next to nothing."""
    stopping, steps = threading.Event(), threading.Semaphore(0)

    def step(_clock: Clock) -> int:
        steps.release()
        return 0

    loop = Loop("test", step, FOR_EVER_S, stopping, SystemClock())
    loop.thread.start()
    for _ in range(3):
        steps.acquire()
        loop.bell.ring()
    steps.acquire()
    stopping.set()
    loop.join()
    loop.bell.close()
    assert not steps.acquire(blocking=False)
