"""The rule "API downtime" on real traffic: an app of two worker processes, its request counts, a collector, a channel."""

import json
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DEFAULT_RULES = HERE.parent.parent / "src/ukemi/collector/alerts/default_rules.toml"
SILENCE_S = 8


@pytest.fixture
def rules_file(tmp_path) -> Path:
    """The rules that ship, with a silence short enough to wait for."""
    text = DEFAULT_RULES.read_text()
    assert "silence_s = 30" in text
    path = tmp_path / "rules.toml"
    path.write_text(text.replace("silence_s = 30", f"silence_s = {SILENCE_S}"))
    return path


@pytest.fixture
def collector(start_collector, receiver, rules_file):
    return start_collector(
        rules_file=rules_file,
        webhook_url=f"{receiver.url}/webhook",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        outgoing_allow='["127.0.0.0/8"]',
    )


@pytest.fixture
def shop(collector, start_shop, eventually):
    shop = start_shop(collector.dsn(), workers=2)
    eventually(lambda: len(instances(collector)) == 2, "both workers report")
    return shop


def instances(collector) -> list[dict]:
    names = ("pid", "last_report_us", "last_success_us", "failures_us", "failure_count", "ended_us")
    rows = collector.rows(f"SELECT {', '.join(names)} FROM instance")
    return [dict(zip(names, row, strict=True)) for row in rows]


def failures_known(collector) -> int:
    """Failures since the latest success of any process, as the collector knows them."""
    seen = instances(collector)
    latest_us = max((one["last_success_us"] or 0) for one in seen)
    return sum(at_us > latest_us for one in seen for at_us in json.loads(one["failures_us"]))


def downtimes(collector) -> list[tuple]:
    return collector.rows("SELECT id, closed_us, explanation FROM incident WHERE rule = 'API downtime'")


def told(receiver) -> list[str]:
    return [body["type"] for body in receiver.json("/webhook") if body["data"]["rule"] == "API downtime"]


def all_reported_after(collector, at_us: int) -> bool:
    return all(one["last_report_us"] > at_us for one in instances(collector))


def test_ten_failures_over_two_processes_fire_and_one_success_ends_it(collector, shop, receiver, eventually):
    assert [shop.get("/fail") for _ in range(10)] == [500] * 10

    eventually(lambda: told(receiver) == ["incident.opened"], "the channel is told")
    assert shop.get("/ok") == 200
    eventually(lambda: told(receiver) == ["incident.opened", "incident.closed"], "the channel is told of the end")
    assert len(downtimes(collector)) == 1
    failing = [one for one in instances(collector) if one["pid"] in shop.pids()]
    assert len(failing) == 2


def test_nine_failures_a_success_and_nine_more_do_not(collector, shop, receiver, eventually):
    """Health checks in between neither end a run nor belong to it."""
    for _ in range(9):
        assert shop.get("/fail") == 500
        assert shop.get("/health") == 200
    eventually(lambda: failures_known(collector) == 9, "nine failures are known")
    assert shop.get("/ok") == 200
    assert [shop.get("/fail") for _ in range(9)] == [500] * 9

    eventually(lambda: failures_known(collector) == 9, "nine failures after the success are known")
    newest_us = max(one["last_report_us"] for one in instances(collector))
    eventually(lambda: all_reported_after(collector, newest_us + 1_000_000), "every process has reported past them")
    assert downtimes(collector) == []
    assert told(receiver) == []

    assert shop.get("/fail") == 500
    eventually(lambda: told(receiver) == ["incident.opened"], "the tenth fires: the rule was awake all the time")


def test_an_app_that_is_killed_after_traffic_is_missed(collector, shop, receiver, eventually):
    assert shop.get("/ok") == 200
    eventually(lambda: len(instances(collector)) == 2, "it reports")

    shop.kill()

    eventually(lambda: told(receiver) == ["incident.opened"], "the silence is noticed")
    because = json.loads(downtimes(collector)[0][2])["because"]
    assert "No process has reported" in because


def test_an_app_that_is_stopped_properly_is_not_missed(collector, shop, receiver, eventually):
    assert shop.get("/ok") == 200

    shop.stop()

    eventually(lambda: all(one["ended_us"] for one in instances(collector)), "every process says good-bye")
    ended_us = max(one["ended_us"] for one in instances(collector))
    # A second collector tick after the silence would have fired: time has to pass here, for nothing is to happen.
    eventually(lambda: now_us() - ended_us > (SILENCE_S + 2) * 1_000_000, "longer than the silence has passed")
    assert downtimes(collector) == []


def now_us() -> int:
    return time.time_ns() // 1000
