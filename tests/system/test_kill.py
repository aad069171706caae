"""An acknowledged envelope is never lost and never counted twice, whichever process is killed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
UKEMI = [sys.executable, "-m", "ukemi.cli.main"]
SENDER = Path(__file__).with_name("sender.py")


def stream_errors(collector, count: int, folder: Path, *options: str) -> subprocess.Popen:
    files = [str(folder / "acknowledged"), str(folder / "refused")]
    command = [sys.executable, str(SENDER), collector.dsn(), str(count), *files, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


def finish(sender: subprocess.Popen) -> None:
    sender.communicate(timeout=100)
    assert sender.returncode == 0


def test_killing_both_processes_in_a_stream_of_errors_loses_and_doubles_nothing(collector, tmp_path, eventually):
    sender = stream_errors(collector, 2000, tmp_path)
    eventually(lambda: len(lines(tmp_path / "acknowledged")) > 400, "the stream runs")
    collector.kill("worker")
    eventually(lambda: len(lines(tmp_path / "acknowledged")) > 1000, "the stream goes on without a worker")
    collector.kill("http")
    finish(sender)

    acknowledged = set(lines(tmp_path / "acknowledged"))
    assert len(acknowledged) > 1900, "the listening socket outlives its processes, so hardly any error is refused"

    def stored() -> list[str]:
        return [row[0] for row in collector.rows("SELECT lower(hex(id)) FROM event")]

    eventually(lambda: acknowledged <= set(stored()), "every acknowledged event is stored")
    ids = stored()
    assert len(ids) == len(set(ids))
    counted = collector.rows("SELECT sum(event_count) FROM issue")[0][0]
    rolled_up = collector.rows("SELECT sum(event_count) FROM rollup WHERE width_s = 60")[0][0]
    accepted = collector.rows("SELECT sum(quantity) FROM outcome WHERE category = 'error' AND outcome = 'accepted'")[0][
        0
    ]
    assert counted == rolled_up == accepted == len(ids)


def test_killing_everything_at_once_loses_nothing_over_a_fresh_start(collector, tmp_path, eventually):
    sender = stream_errors(collector, 300, tmp_path)
    eventually(lambda: len(lines(tmp_path / "acknowledged")) > 100, "the stream runs")
    children = collector.children()
    collector.process.kill()
    collector.process.wait()
    finish(sender)
    eventually(lambda: not any(child.is_running() for child in children.values()), "children follow their supervisor")

    collector.start()

    acknowledged = set(lines(tmp_path / "acknowledged"))
    eventually(
        lambda: acknowledged <= {row[0] for row in collector.rows("SELECT lower(hex(id)) FROM event")},
        "every acknowledged event is stored",
    )


def test_a_restart_under_load_refuses_no_connection(collector, tmp_path, eventually):
    """Every request opens a connection of its own here, so a gap of a millisecond would show."""
    sender = stream_errors(collector, 1500, tmp_path, "close")
    eventually(lambda: len(lines(tmp_path / "acknowledged")) > 200, "the stream runs")
    before = collector.children()["http"].pid
    collector.process.send_signal(1)
    eventually(
        lambda: "http" in collector.children() and collector.children()["http"].pid != before, "a new process serves"
    )
    finish(sender)

    assert lines(tmp_path / "refused") == []
    assert len(lines(tmp_path / "acknowledged")) == 1500


@pytest.mark.parametrize("process", ["http", "worker"])
def test_a_process_whose_supervisor_dies_while_it_starts_ends_as_well(tmp_path, process):
    """Else it would work on as an orphan that no signal reaches, and hold the lock of the next one."""
    roles = {"http": ["ingest", "web"], "worker": ["digest", "alerts", "notify"]}[process]
    (ready_read, ready_write), (lifeline_read, lifeline_write) = os.pipe(), os.pipe()
    for dead_end in (ready_read, lifeline_write):
        os.close(dead_end)
    environment = os.environ | {"UKEMI_DATA_DIR": str(tmp_path / "data")}
    subprocess.run([*UKEMI, "db", "upgrade"], env=environment, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inherited = [ready_write, lifeline_read, listener.fileno()]
        options = [f"--ready={ready_write}", f"--lifeline={lifeline_read}", f"--socket={listener.fileno()}"]
        command = [sys.executable, "-m", "ukemi.collector.processes", process, *options, *roles]
        orphan = subprocess.Popen(command, env=environment, pass_fds=inherited)
        try:
            orphan.wait(40)
        finally:
            orphan.kill()
    for end in (ready_write, lifeline_read):
        os.close(end)


@pytest.fixture
def installed(tmp_path):
    """A copy of ukemi that a test can install another version over."""
    folder = tmp_path / "installed"
    shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_an_upgrade_under_load_refuses_no_connection(start_collector, installed, tmp_path, eventually):
    """The supervisor, too, is replaced by the code that is installed now; its pid, socket and port stay."""
    collector = start_collector(PYTHONPATH=str(installed))
    sender = stream_errors(collector, 1500, tmp_path, "close")
    eventually(lambda: len(lines(tmp_path / "acknowledged")) > 100, "the stream runs")
    before = {name: child.pid for name, child in collector.children().items()}
    package = installed / "ukemi"
    replace(package / "cli" / "serve.py", '"collector starts"', '"collector starts anew"')
    replace(package / "collector" / "health.py", '{"status": "ok",', '{"status": "newer",')

    collector.process.send_signal(signal.SIGUSR2)

    eventually(lambda: "collector starts anew" in collector.log.read_text(), "the new supervisor runs")
    eventually(
        lambda: len(now := collector.children()) == 2 and all(now[name].pid != pid for name, pid in before.items()),
        "both processes are new",
    )
    eventually(lambda: httpx.get(f"{collector.url}/health/live").json()["status"] == "newer", "new code answers")
    finish(sender)
    assert lines(tmp_path / "refused") == []
    assert len(lines(tmp_path / "acknowledged")) == 1500
    acknowledged = set(lines(tmp_path / "acknowledged"))
    eventually(
        lambda: acknowledged == {row[0] for row in collector.rows("SELECT lower(hex(id)) FROM event")},
        "every acknowledged event is stored",
        90,
    )
    assert collector.process.poll() is None
    collector.process.send_signal(signal.SIGHUP)  # the new one is a supervisor like any other
    collector.kill("worker")
    eventually(lambda: len(collector.children()) == 2, "it starts again what dies")
    collector.process.terminate()
    assert collector.process.wait(30) == 0


@pytest.mark.parametrize("breakage", ["code", "settings"])
def test_a_version_that_would_not_start_leaves_the_old_one_at_work(
    start_collector, installed, eventually, tmp_path, monkeypatch, breakage
):
    monkeypatch.chdir(tmp_path)
    collector = start_collector(PYTHONPATH=str(installed))
    eventually(
        lambda: collector.log.read_text().count("process is ready") == 2, "both processes have loaded their code"
    )
    before = {name: child.pid for name, child in collector.children().items()}
    if breakage == "code":
        replace(installed / "ukemi" / "collector" / "ingest" / "app.py", "import asyncio", "import asynchrony")
    else:
        (tmp_path / "ukemi.toml").write_text("events_per_minute = -1\n")

    collector.process.send_signal(signal.SIGUSR2)

    eventually(lambda: "the old one stays" in collector.log.read_text(), "the log says why")
    assert ("asynchrony" if breakage == "code" else "UKEMI_EVENTS_PER_MINUTE") in collector.log.read_text()
    assert {name: child.pid for name, child in collector.children().items()} == before
    assert httpx.get(f"{collector.url}/health").status_code == 200


def test_a_second_ukemi_on_the_same_port_says_what_to_do(collector):
    port = re.search(r":(\d+)$", collector.url)[1]
    second = subprocess.run(
        [sys.executable, "-m", "ukemi.cli.main", "serve", "--data-dir", str(collector.data_dir), "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "--port" in second.stderr
    assert httpx.get(collector.url + "/health").json()["status"] == "ok"


def test_a_restore_waits_for_the_collector_to_be_stopped(collector, tmp_path):
    """It would take the database away below running processes."""
    collector.ukemi("db", "backup", str(tmp_path / "copy.db"), "--json")
    command = [*UKEMI, "db", "restore", str(tmp_path / "copy.db"), "--force", "--data-dir", str(collector.data_dir)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "Stop it first" in refused.stderr
    collector.stop()
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0
