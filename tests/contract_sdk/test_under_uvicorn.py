"""The SDK in a real app under a real server, sending over a real socket."""

import signal
import socket
import time

import httpx
import pytest

from ukemi.protocol.request_counts import read_request_counts

ENDED_BY_SIGTERM = (0, -signal.SIGTERM)


def messages(tracker) -> list[str]:
    return [event["exception"]["values"][-1]["value"] for event in tracker.items("event")]


def test_what_waits_is_sent_when_the_server_is_stopped(tracker, start_shop):
    """An error in the last moment is not lost, and the process says that its silence means nothing from now on."""
    shop = start_shop(tracker.dsn)
    answer = httpx.get(shop.url + "/async")
    assert shop.stop() in ENDED_BY_SIGTERM

    [event] = tracker.items("event")
    assert event["event_id"] == answer.json()["event_id"]
    reports = tracker.items("ukemi_request_counts")
    assert reports[-1]["ended"] is True


def test_each_error_is_one_event_although_the_server_logs_it_too(tracker, start_shop):
    shop = start_shop(tracker.dsn)
    for path in ("/async", "/sync", "/background"):
        httpx.get(shop.url + path)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(shop.url + "/stream")
    shop.stop()

    assert sorted(messages(tracker)) == ["async", "midway", "sync", "sync"]
    assert "Exception in ASGI application" in shop.log.read_text(), "the server's own log is as it was"


def test_the_last_report_holds_every_request(tracker, start_shop):
    shop = start_shop(tracker.dsn)
    for path in ["/ok"] * 20 + ["/async", "/nowhere"]:
        httpx.get(shop.url + path)
    shop.stop()

    envelope = next(one for one in reversed(tracker.envelopes) if one.items[0].type == "ukemi_request_counts")
    report = read_request_counts(envelope.items[0].get_bytes())
    counts: dict[tuple[str, int], int] = {}
    for one in (route for bucket in report.buckets for route in bucket.routes):
        counts[one.route, one.status] = counts.get((one.route, one.status), 0) + one.count
    assert counts == {("/ok", 200): 20, ("/async", 500): 1, ("<unmatched>", 404): 1}
    assert report.instance.pid == shop.process.pid


def test_an_app_that_cannot_start_is_one_event(tracker, start_shop):
    shop = start_shop(tracker.dsn, SHOP_FAILS="start")
    assert shop.process.wait(30) != 0
    assert [event.get("logentry", {}).get("formatted") for event in tracker.items("event")] == [None]
    assert messages(tracker) == ["no database"]
    assert "no database" in shop.log.read_text()


def test_an_app_that_cannot_stop_in_order_is_one_event(tracker, start_shop):
    shop = start_shop(tracker.dsn, SHOP_FAILS="stop")
    httpx.get(shop.url + "/ok")
    shop.stop()
    assert messages(tracker) == ["no database any more"]


@pytest.mark.parametrize("trouble", ["refused", "reset", "hang", 500, 429])
def test_a_server_in_trouble_does_nothing_to_the_apps_answers(tracker, start_shop, trouble):
    dsn = tracker.dsn
    if trouble == "refused":
        with socket.socket() as closed:  # a port that nobody listens at
            closed.bind(("127.0.0.1", 0))
            dsn = dsn.replace(str(tracker.server_port), str(closed.getsockname()[1]))
    else:
        tracker.behaviour = trouble
    shop = start_shop(dsn)

    for _ in range(3):
        assert httpx.get(shop.url + "/ok").json() == {"ok": True}
        failed = httpx.get(shop.url + "/async")
        assert failed.status_code == 500
        assert failed.json()["detail"] == "Internal Server Error"

    assert shop.stop() in ENDED_BY_SIGTERM


def test_an_app_without_dsn_answers_as_before_and_sends_nothing(tracker, start_shop):
    shop = start_shop("")
    assert httpx.get(shop.url + "/ok").json() == {"ok": True}
    assert httpx.get(shop.url + "/async").json() == {"detail": "Internal Server Error"}
    assert "Error tracking is off: no DSN is set" in shop.log.read_text()
    shop.stop()
    assert tracker.envelopes == []


@pytest.mark.parametrize("scheme", ["http", "proxy"])
def test_the_last_tellings_pass_all_that_waits_for_a_server_that_does_not_answer(tracker, start_shop, scheme):
    """The worker hangs at one event, others wait behind it, and at the end there are two seconds: the counts are exact."""
    environment = {"NO_PROXY": ""} | (
        {"http_proxy": f"http://127.0.0.1:{tracker.server_port}"} if scheme == "proxy" else {}
    )
    shop = start_shop(tracker.dsn, **environment)

    def ask(path: str) -> None:
        httpx.get(shop.url + path)

    for _ in range(7):
        ask("/async")
    wait_for(lambda: len(tracker.items("event")) == 5 and tracker.items("ukemi_repeats"))
    tracker.behaviour = "hang"
    for path in ["/sync", "/async", "/inner/fail", "/background"] * 3 + ["/async"] * 10 + ["/ok"]:
        ask(path)
    wait_for(lambda: "sync" in messages(tracker))
    began_s = time.monotonic()
    shop.stop()

    assert time.monotonic() - began_s < 15
    [entry] = tracker.items("ukemi_repeats")[-1]["repeats"]
    assert (
        entry["event_id"]
        == [one for one in tracker.items("event") if one["transaction"] == "GET /async"][-1]["event_id"]
    )
    assert entry["count"] == 7 + 13 - 5
    assert tracker.counted() == {
        ("/async", 500): 20,
        ("/sync", 500): 3,
        ("/inner/fail", 500): 3,
        ("/background", 200): 3,
        ("/ok", 200): 1,
    }
    assert [report.ended for report in tracker.last_reports()] == [True]


def wait_for(holds) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
