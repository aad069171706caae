"""For minutes: a stream of errors, and processes killed at random. Nothing acknowledged is lost or counted twice."""

import json
import random
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent
SENDER = ROOT / "system" / "sender.py"
ROUNDS, EVENTS = 10, 3000


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_random_kills_lose_and_double_nothing(tmp_path):
    data_dir = tmp_path / "data"
    command = [sys.executable, "-m", "ukemi.cli.main", "serve", "--data-dir", str(data_dir), "--port", "0"]
    with (tmp_path / "ukemi.log").open("wb") as log:
        collector = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    greeting = ""
    for line in collector.stdout:
        greeting += line
        if "listening on" in line:
            break
    dsn = re.search(r"server key: (\S+)", greeting)[1]
    choose = random.Random(20)
    acknowledged: set[str] = set()
    kills = 0
    for number in range(ROUNDS):
        files = [str(tmp_path / f"acknowledged-{number}"), str(tmp_path / f"refused-{number}")]
        sender = subprocess.Popen([sys.executable, str(SENDER), dsn, str(EVENTS), *files], stdout=subprocess.DEVNULL)
        while sender.poll() is None:
            time.sleep(choose.uniform(0.5, 3))
            children = psutil.Process(collector.pid).children()
            if children:
                choose.choice(children).kill()
                kills += 1
        acknowledged |= set(lines(Path(files[0])))
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        connection = sqlite3.connect(f"file:{data_dir / 'ukemi.db'}?mode=ro", uri=True, timeout=30)
        ids = [row[0] for row in connection.execute("SELECT lower(hex(id)) FROM event")]
        counted = connection.execute("SELECT sum(event_count) FROM issue").fetchone()[0]
        connection.close()
        if acknowledged <= set(ids):
            break
        time.sleep(0.5)
    collector.terminate()
    collector.wait(30)
    collector.stdout.close()

    print(json.dumps({"acknowledged": len(acknowledged), "stored": len(ids), "kills": kills}))
    assert kills > ROUNDS
    assert acknowledged <= set(ids)
    assert len(ids) == len(set(ids)) == counted
