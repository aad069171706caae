"""Routes that fail at full speed: few complete events of each error, and every failure counted, on its issue and in its minute."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.system.between import Between

FAILURES = {"/fail": 400, "/fail/otherwise": 150}
AT_ONCE = 8
PER_MINUTE = 5
"""Events of one error that are sent whole, as shipped. The storm may begin in one minute and end in the next."""


class Wire(Between):
    """Keeps the events that left the app."""

    def __init__(self, target: str) -> None:
        self.events: list[dict] = []
        super().__init__(target)

    def times(self, _headers: bytes, body: bytes) -> int:
        self.events += [json.loads(line) for line in body.split(b"\n") if line.startswith(b"{") and b'"frames"' in line]
        return 1


@pytest.fixture
def wire(collector):
    wire = Wire(collector.url)
    yield wire
    wire.close()


def test_every_failure_of_a_storm_is_counted_and_the_first_are_sent_whole(
    collector, wire, free_port, tmp_path, eventually
):
    port = free_port()
    dsn = collector.dsn().replace(collector.url.removeprefix("http://"), wire.address)
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "shop:app",
        "--app-dir",
        str(Path(__file__).parent),
        "--port",
        str(port),
    ]
    with (tmp_path / "shop.log").open("ab") as log:
        shop = subprocess.Popen(command, env=os.environ | {"SENTRY_DSN": dsn}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/ok").status_code == 200
        except httpx.HTTPError:
            return False

    eventually(answers, "the app answers")
    with httpx.Client(base_url=url, headers={"Connection": "close"}) as client, ThreadPoolExecutor(AT_ONCE) as threads:
        paths = [path for path, count in FAILURES.items() for _ in range(count)]
        assert {answer.status_code for answer in threads.map(client.get, paths)} == {500}
    shop.terminate()
    shop.wait(20)

    counts = "SELECT event_count FROM issue ORDER BY event_count"
    expected = sorted((count,) for count in FAILURES.values())
    eventually(lambda: collector.rows(counts) == expected, "each issue counts every failure")
    total = sum(FAILURES.values())
    assert collector.rows("SELECT sum(event_count) FROM rollup WHERE width_s = 60") == [(total,)]
    served = "SELECT sum(request_count) FROM request_count WHERE width_s = 60 AND status = 500"
    assert collector.rows(served) == [(total,)]
    assert len(FAILURES) * PER_MINUTE <= len(wire.events) <= len(FAILURES) * PER_MINUTE * 2
    assert collector.rows("SELECT count(*) FROM event") == [(len(wire.events),)]
    for frames in (event["exception"]["values"][-1]["stacktrace"]["frames"] for event in wire.events):
        assert all(frame["vars"] and frame["context_line"] for frame in frames)
        assert frames[-1]["vars"]["pid"] == str(shop.pid)
