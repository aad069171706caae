"""The answer is sent after the spool's commit is on disk: seen from outside, in the order of system calls."""

import re
import shutil
import signal
import subprocess
import uuid

import httpx
import pytest


@pytest.mark.skipif(
    shutil.which("strace") is None,
    reason="needs strace to see system calls; tests/contract/test_ingest.py sees the same from inside",
)
def test_the_spool_is_synced_before_every_200(collector, tmp_path, eventually):
    trace = tmp_path / "trace"
    http = collector.children()["http"]
    tracer = subprocess.Popen(
        [
            "strace",
            "-f",
            "-y",
            "-e",
            "trace=fsync,fdatasync,write,writev,sendto,sendmsg",
            "-s",
            "60",
            "-o",
            str(trace),
            "-p",
            str(http.pid),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "attached" in tracer.stderr.readline()
    key, _, project = collector.dsn().removeprefix("http://").replace("@", "/").split("/")
    for number in range(5):
        event_id = uuid.uuid4().hex
        body = f'{{"event_id":"{event_id}"}}\n{{"type":"event"}}\n{{"message":"number {number}"}}\n'
        answer = httpx.post(f"{collector.url}/api/{project}/envelope/", params={"sentry_key": key}, content=body)
        assert answer.json() == {"id": event_id}
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    tracer.stderr.close()

    steps = []
    for line in trace.read_text().splitlines():
        if re.search(r"f(data)?sync\(.*spool\.db", line) or (steps and "sync resumed" in line and " = 0" in line):
            steps.append("sync")
        elif "HTTP/1.1 200" in line:
            steps.append("answer")
    assert steps.count("answer") == 5
    since_answer = 0
    for step in steps:
        if step == "sync":
            since_answer += 1
        else:
            assert since_answer > 0, f"an answer without a sync before it: {steps}"
            since_answer = 0
