"""A route that fails at full speed: few complete events, and every failure counted."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

FAILURES = 300


def test_every_failure_of_a_storm_is_counted_and_few_are_sent_whole(collector, free_port, tmp_path, eventually):
    port = free_port()
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
        shop = subprocess.Popen(command, env=os.environ | {"SENTRY_DSN": collector.dsn()}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/ok").status_code == 200
        except httpx.HTTPError:
            return False

    eventually(answers, "the app answers")
    for _ in range(FAILURES):
        assert httpx.get(f"{url}/fail", headers={"Connection": "close"}).status_code == 500
    shop.terminate()
    shop.wait(20)

    total = "SELECT sum(event_count) FROM issue"
    eventually(lambda: collector.rows(total) == [(FAILURES,)], "the issue counts every failure")
    assert collector.rows("SELECT count(*) FROM issue") == [(1,)]
    assert collector.rows("SELECT count(*) FROM event")[0][0] <= 10
    assert collector.rows("SELECT sum(event_count) FROM rollup WHERE width_s = 60") == [(FAILURES,)]
    served = "SELECT sum(request_count) FROM request_count WHERE width_s = 60 AND status = 500"
    assert collector.rows(served) == [(FAILURES,)]
