"""Does what a page tells its reader to do: its files are written, its commands typed, in terminals that stay open."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STAYS = re.compile(r"^(ukemi serve|uvicorn )", re.MULTILINE)
_SAYS_IT_IS_READY = re.compile(r"ukemi is listening on|Uvicorn running on")


class Reader:
    """Somebody with a folder, who types what stands on the page, but their own URL and ports where the page has others."""

    def __init__(self, folder: Path, environment: dict[str, str], instead: dict[str, str]) -> None:
        self.folder = folder
        self.instead = instead
        self.said = ""
        """Everything that stood on the terminals."""
        self._environment = environment
        self._running: list[tuple[subprocess.Popen[str], Path]] = []

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def type(self, commands: str) -> str:
        """
        Type the commands into a new terminal. What stays running, stays; all else must succeed.

        Returns:
            What was answered.
        """
        for text, own in self.instead.items():
            commands = commands.replace(text, own)
        if _STAYS.search(commands):
            return self._start(commands)
        done = subprocess.run(
            ["bash", "-ec", commands],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=900,  # downloads take as long as they take
            check=False,
        )
        self.said += done.stdout + done.stderr
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, commands: str) -> str:
        log = self.folder / f".terminal-{len(self._running)}"
        with log.open("w") as written:
            process = subprocess.Popen(
                ["bash", "-ec", commands],
                cwd=self.folder,
                env=self._environment,
                stdout=written,
                stderr=written,
                text=True,
                start_new_session=True,
            )
        self._running.append((process, log))
        deadline_s = time.monotonic() + 60
        while not _SAYS_IT_IS_READY.search(log.read_text("utf-8")):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline_s, f"not ready: {commands}\n{log.read_text('utf-8')}"
            time.sleep(0.05)
        self.said += log.read_text("utf-8")
        return log.read_text("utf-8")

    def leave(self) -> None:
        """Press Ctrl-C in each terminal, the latest first."""
        for process, _ in reversed(self._running):
            with suppress(ProcessLookupError):  # has ended by itself
                os.killpg(process.pid, signal.SIGINT)
            process.wait(30)


@contextmanager
def reading(folder: Path, slack_url: str) -> Iterator[Reader]:
    """A reader whose Slack is a stand-in on this machine, whose ports are free ones, and whose home is empty."""
    collector_port, app_port = free_port(), free_port()
    (folder / "home").mkdir(parents=True)
    environment = {
        # Commands that are not installed into the reader's own environment are those of these tests.
        "PATH": f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}",
        "HOME": str(folder / "home"),
        "UKEMI_PORT": str(collector_port),
        "UVICORN_PORT": str(app_port),
        "UKEMI_OUTGOING_ALLOW": '["127.0.0.0/8"]',
    }
    work = folder / "work"
    work.mkdir()
    instead = {
        "https://hooks.slack.com/services/YOUR/OWN/URL": slack_url,
        "127.0.0.1:8000": f"127.0.0.1:{app_port}",
        "127.0.0.1:8790": f"127.0.0.1:{collector_port}",
    }
    reader = Reader(work, environment, instead)
    try:
        yield reader
    finally:
        reader.leave()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
