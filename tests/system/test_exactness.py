"""
Rates and runs are exact on real traffic: an app of four worker processes, its request counts, a collector, a channel.

The rules are those that ship, with windows of a minute where five were; thresholds and sample sizes are as shipped.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.system.between import Between

RULES = Path(__file__).parent.parent.parent / "src/ukemi/collector/alerts/default_rules.toml"
WORKERS = 4
REPORT_S = 1.0
"""A process that serves reports so often."""


@pytest.fixture
def collector(start_collector, receiver, tmp_path):
    text = RULES.read_text()
    assert text.count("window_s = 300\n") == 3
    assert text.count("window_s = 120\n") == 1
    path = tmp_path / "rules.toml"
    path.write_text(text.replace("window_s = 300\n", "window_s = 60\n").replace("window_s = 120\n", "window_s = 60\n"))
    return start_collector(
        rules_file=path,
        webhook_url=f"{receiver.url}/webhook",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        outgoing_allow='["127.0.0.0/8"]',
    )


def incidents(collector, rule: str) -> list[dict]:
    """Severity and the numbers of the explanation it opened with."""
    rows = collector.rows("SELECT severity, explanation FROM incident WHERE rule = ?", rule)
    return [{"severity": severity, **json.loads(explanation)["values"]} for severity, explanation in rows]


def told(receiver, rule: str) -> list[str]:
    return [body["type"] for body in receiver.json("/webhook") if body["data"]["rule"] == rule]


def instances(collector) -> list[dict]:
    rows = collector.rows("SELECT pid, last_report_us, last_success_us, failures_us FROM instance")
    return [dict(zip(("pid", "report_us", "success_us", "failures_us"), row, strict=True)) for row in rows]


def run_of(collector) -> Counter[int]:
    """Failures since the latest success of any process, by the process that met them, as the collector knows it."""
    seen = instances(collector)
    latest_us = max(one["success_us"] or 0 for one in seen)
    return +Counter({one["pid"]: sum(at > latest_us for at in json.loads(one["failures_us"])) for one in seen})


def counted(collector) -> Counter[tuple[int, int]]:
    """Requests that the collector knows of, by process and status."""
    query = "SELECT i.pid, b.body FROM request_bucket b JOIN instance i ON (i.project_id, i.id) = (b.project_id, b.instance_id)"
    found: Counter[tuple[int, int]] = Counter()
    for pid, body in collector.rows(query):
        for one in json.loads(body):
            found[pid, one["status"]] += one["counted"]["count"]
    return found


def now_us() -> int:
    return time.time_ns() // 1000


def test_ten_failures_in_a_row_over_four_processes_fire_and_nine_a_success_and_nine_do_not(
    collector, start_shop, receiver, eventually
):
    """Health checks in between neither end a run nor belong to it, and no process adds up or hides another's."""
    shop = start_shop(collector.dsn(), workers=WORKERS)
    eventually(lambda: len(instances(collector)) == WORKERS, "every process reports")

    with ThreadPoolExecutor(9) as several:  # at once, so that more than one process answers
        assert list(several.map(shop.get, ["/refuse", "/health"] * 9)) == [500, 200] * 9
    eventually(lambda: run_of(collector).total() == 9, "nine failures are known")
    failing = set(run_of(collector))
    assert shop.get("/ok") == 200
    with ThreadPoolExecutor(9) as several:
        assert list(several.map(shop.get, ["/health", "/refuse"] * 9)) == [200, 500] * 9
    eventually(lambda: run_of(collector).total() == 9, "nine failures after the success are known")
    failing |= set(run_of(collector))
    assert len(failing) > 1
    known_us = now_us()
    eventually(
        lambda: all(one["report_us"] > known_us + REPORT_S * 1e6 for one in instances(collector)),
        "every process has reported past them",
    )
    assert incidents(collector, "API downtime") == []

    assert shop.get("/health") == 200
    assert shop.get("/refuse") == 500
    eventually(lambda: told(receiver, "API downtime") == ["incident.opened"], "the tenth fires")
    assert incidents(collector, "API downtime")[0]["failures_in_a_row"] == 10
    assert shop.get("/ok") == 200
    eventually(lambda: told(receiver, "API downtime") == ["incident.opened", "incident.closed"], "a success ends it")


def test_three_failures_of_four_never_page_and_health_checks_do_not_dilute(collector, start_shop, receiver, eventually):
    shop = start_shop(collector.dsn(), workers=WORKERS)
    before = counted_until_still(collector, eventually)

    assert [shop.get(path) for path in ("/refuse", "/refuse", "/refuse", "/ok")] == [500, 500, 500, 200]
    eventually(lambda: (counted(collector) - before).total() == 4, "the four are counted")
    judged_after(collector, now_us(), eventually)
    assert collector.rows("SELECT rule FROM incident") == []
    assert receiver.json("/webhook") == []

    paths = (["/ok"] * 3 + ["/refuse"] + ["/health"] * 20) * 24
    with ThreadPoolExecutor(4) as several:
        list(several.map(shop.get, paths))
    sent = before.total() + 4 + 24 * 4
    eventually(lambda: counted(collector).total() == sent, "they are counted")
    eventually(lambda: told(receiver, "high error rate")[:1] == ["incident.opened"], "the rate pages")
    eventually(lambda: served(collector) == (sent, 3 + 24), "all of it was judged, and no health check")
    assert incidents(collector, "high error rate")[0]["requests"] <= sent


def counted_until_still(collector, eventually) -> Counter[tuple[int, int]]:
    """What starting the app left behind, once every process has reported and nothing more comes."""
    eventually(lambda: len(instances(collector)) == WORKERS, "every process reports")
    begun_us = now_us()
    eventually(
        lambda: all(one["report_us"] > begun_us + REPORT_S * 1e6 for one in instances(collector)), "what came is known"
    )
    return counted(collector)


def judged_after(collector, at_us: int, eventually) -> None:
    eventually(lambda: collector.rows("SELECT tick_us FROM judging")[0][0] > at_us, "a tick has judged it")


def served(collector) -> tuple[int, int]:
    """Requests and failures of the service's rollups, which pages show."""
    query = "SELECT sum(request_count), sum(CASE WHEN status >= 500 THEN request_count ELSE 0 END) FROM request_count WHERE width_s = 60"
    return collector.rows(query)[0]


class LossyWay(Between):
    """Of the reports of requests it loses one, and sends another one twice."""

    def __init__(self, target: str) -> None:
        self.lost = self.doubled = 0
        self.is_faulty = False
        self._lock = threading.Lock()
        super().__init__(target)

    def times(self, headers: bytes, body: bytes) -> int:
        if not (self.is_faulty and b"ukemi_request_counts" in body):
            return 1
        with self._lock:
            if not self.lost:
                self.lost += 1
                return 0
            if not self.doubled:
                self.doubled += 1
                return 2
        return 1


@pytest.fixture
def way(collector):
    way = LossyWay(collector.url)
    yield way
    way.close()


def test_a_true_tenth_of_a_thousand_requests_pages_and_every_number_is_right(
    collector, start_shop, receiver, way, eventually
):
    """With one trace in a hundred, one report lost and one sent twice, and a worker killed halfway."""
    dsn = urlsplit(collector.dsn())
    shop = start_shop(
        dsn._replace(netloc=f"{dsn.username}@{way.address}").geturl(), workers=WORKERS, SHOP_TRACES="0.01"
    )
    killed = next(iter(shop.pids()))
    before = counted_until_still(collector, eventually)
    way.is_faulty = True

    answers: list[tuple[int, int, int]] = []  # when, by which process, with which status
    killed_us: list[int] = []

    def ask(number: int) -> None:
        if number == 500:
            os.kill(killed, signal.SIGKILL)
            killed_us.append(now_us())
        for _ in range(100):
            try:
                answer = shop.ask("/refuse" if number % 10 == 9 else "/ok")
            except httpx.TransportError:  # it was in the hands of the one that was killed
                continue
            answers.append((now_us(), answer.json()["pid"], answer.status_code))
            return

    with ThreadPoolExecutor(8) as several:
        list(several.map(ask, range(1000)))

    assert Counter(status for _, _, status in answers) == {200: 900, 500: 100}
    by_others = Counter((pid, status) for _, pid, status in answers if pid != killed)
    eventually(lambda: of_others(counted(collector) - before, killed) == by_others, "others' are counted, once each")
    assert (way.lost, way.doubled) == (1, 1)
    by_killed = [at_us for at_us, pid, _ in answers if pid == killed]
    told_of = (counted(collector) - before).total() - by_others.total()
    assert sum(at_us < killed_us[0] - 2 * REPORT_S * 1e6 for at_us in by_killed) <= told_of <= len(by_killed)
    eventually(lambda: told(receiver, "high error rate") == ["incident.opened"], "it pages")
    judged_after(collector, now_us(), eventually)
    (incident,) = incidents(collector, "high error rate")
    assert incident["severity"] == "high"
    assert 0.08 < incident["failed"] / (incident["requests"] - before.total()) < 0.12  # without what started the app
    assert told(receiver, "high error rate") == ["incident.opened"]
    assert incidents(collector, "API downtime") == []


def of_others(counts: Counter[tuple[int, int]], killed: int) -> Counter[tuple[int, int]]:
    return Counter({key: number for key, number in counts.items() if key[0] != killed})
