"""What monitoring sees of a running collector, and what it must not see."""

import os
import re
import signal
import time

import httpx

SECRET = "4111111111111111"
BROKEN = [
    b'{"message": "card 4111111111111111',
    b'{"timestamp": "4111111111111111", "level": {"4111111111111111": 1}, "message": "4111111111111111"}',
    b'["4111111111111111"]',
    b"\xff\xfe4111111111111111",
]


def post(collector, payload: bytes, item_type: str = "event") -> httpx.Response:
    key, _, project = collector.dsn().removeprefix("http://").replace("@", "/").split("/")
    body = b'{}\n{"type":"%s","length":%d}\n%s\n' % (item_type.encode(), len(payload), payload)
    return httpx.post(f"{collector.url}/api/{project}/envelope/", params={"sentry_key": key}, content=body)


def metric(text: str, name: str, **labels: str) -> float | None:
    for line in text.splitlines():
        found = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
        if found and found[1] == name and all(f'{key}="{value}"' in (found[2] or "") for key, value in labels.items()):
            return float(found[3])
    return None


def test_live_and_ready_tell_how_the_collector_is(collector, eventually):
    assert httpx.get(f"{collector.url}/health/live").json()["status"] == "ok"
    eventually(lambda: httpx.get(f"{collector.url}/health/ready").status_code == 200, "everything works")

    found = httpx.get(f"{collector.url}/health/ready").json()

    assert found["problems"] == []
    assert found["database"] == "up"
    assert found["spool"]["items"] == 0
    assert found["worker_silence_s"] < 10


def test_a_worker_that_hangs_makes_the_collector_live_but_not_ready(collector, eventually):
    eventually(lambda: httpx.get(f"{collector.url}/health/ready").status_code == 200, "everything works")
    collector.dsn()  # asked now: the worker may be stopped while it holds the database
    worker = collector.children()["worker"]
    worker.suspend()
    heartbeat = collector.data_dir / "worker.metrics"
    long_ago = time.time() - 3600
    os.utime(heartbeat, (long_ago, long_ago))

    answer = httpx.get(f"{collector.url}/health/ready")

    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the worker is silent"]
    assert httpx.get(f"{collector.url}/health/live").status_code == 200
    assert post(collector, b'{"message":"taken all the same"}').status_code == 200
    worker.resume()
    eventually(lambda: httpx.get(f"{collector.url}/health/ready").status_code == 200, "it is well again")


def test_metrics_count_what_was_sent_over_both_processes(collector, eventually):
    for number in range(3):
        assert post(collector, b'{"message":"number %d"}' % number).status_code == 200
    post(collector, b"[]")

    def text() -> str:
        return httpx.get(f"{collector.url}/metrics").text

    def are_counted() -> bool:
        accepted = metric(text(), "ukemi_outcomes_total", project="1", category="error", outcome="accepted")
        return accepted == 3 and metric(text(), "ukemi_outcomes_total", reason="not_an_object") == 1

    eventually(are_counted, "the worker's counts arrive")
    found = text()
    assert metric(found, "ukemi_envelopes_total", status="200") == 4
    assert metric(found, "ukemi_envelope_answer_seconds_count") == 4
    assert metric(found, "ukemi_database_up") == metric(found, "ukemi_ready") == 1
    assert metric(found, "ukemi_spool_items") == 0
    assert metric(found, "ukemi_database_bytes") > 0
    names = re.findall(r"^# TYPE (\S+)", found, re.MULTILINE)
    assert len(names) == len(set(names)), "no metric belongs to both processes"


def test_metrics_are_for_this_machine_or_for_who_knows_the_token(collector, start_collector):
    assert httpx.get(f"{collector.url}/metrics").status_code == 200
    through_a_proxy = httpx.get(f"{collector.url}/metrics", headers={"X-Forwarded-For": "203.0.113.5"})
    assert through_a_proxy.status_code == 403
    assert "ukemi_" not in through_a_proxy.text.replace("UKEMI_METRICS_TOKEN", "")

    guarded = start_collector(metrics_token="t0ken")
    assert httpx.get(f"{guarded.url}/metrics").status_code == 403
    assert httpx.get(f"{guarded.url}/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    answer = httpx.get(f"{guarded.url}/metrics", headers={"Authorization": "Bearer t0ken", "Via": "proxy"})
    assert answer.status_code == 200


def test_no_payload_stands_in_a_log_line_whatever_is_wrong_with_it(start_collector, eventually):
    collector = start_collector(log_level="debug")
    for payload in BROKEN:
        assert post(collector, payload).status_code == 200
        for item_type in ("client_report", "ukemi_request_counts", "ukemi_repeats", "transaction"):
            post(collector, payload, item_type)
    eventually(
        lambda: (collector.rows("SELECT sum(quantity) FROM outcome WHERE outcome = 'invalid'")[0][0] or 0) >= 6,
        "all is digested",
    )
    collector.process.send_signal(signal.SIGHUP)
    collector.stop()
    log = collector.log.read_text()
    assert "collector starts" in log
    assert "process is ready" in log
    assert SECRET not in log


def test_the_first_log_lines_say_what_runs(collector):
    (line,) = [line for line in collector.log.read_text().splitlines() if "collector starts" in line]
    for word in ("version", "pid", "roles", "url", "data_dir", "database"):
        assert f'"{word}"' in line
