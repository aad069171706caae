"""The log of the supervisor is read together with that of its processes, and costs it hardly any memory."""

import json
import subprocess
import sys

BOTH = """
import structlog
from ukemi.collector import logs
from ukemi.collector.plain_log import PlainLog
logs.configure("info")
for log in (structlog.get_logger(), PlainLog()):
    log.info("process is ready", process="http", pid=17)
    log.warning("process ended; starting it again", process="http", exit_code=-9, pause_s=0.2)
    log.error("the old one stays", why='it said "no"')
"""
QUIET = """
from ukemi.collector.plain_log import PlainLog
log = PlainLog()
log.configure("WARNING")
log.info("not shown")
log.warning("shown")
"""


def lines(script: str) -> list[dict[str, object]]:
    """What a program wrote to standard error."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_the_lines_are_those_of_the_other_processes() -> None:
    written = lines(BOTH)
    assert len(written) == 6
    stamps = [str(line.pop("timestamp")) for line in written]
    assert written[:3] == written[3:]
    assert {(len(stamp), stamp[10], stamp[-1]) for stamp in stamps} == {(27, "T", "Z")}


def test_lines_below_the_level_are_not_written() -> None:
    assert [line["event"] for line in lines(QUIET)] == ["shown"]


def test_the_supervisor_loads_little() -> None:
    """It does next to nothing, but always runs."""
    script = (
        "import sys, json, ukemi.collector.supervisor; print(json.dumps(dict.fromkeys(sys.modules)), file=sys.stderr)"
    )
    (loaded,) = lines(script)
    assert not {"structlog", "asyncio", "rich", "ssl", "sqlite3", "pydantic"} & loaded.keys()
