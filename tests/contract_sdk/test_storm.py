"""What is only counted arrives, whatever happens to its tellings on the way."""

import time

import httpx


def test_repeats_that_the_server_refused_are_told_again(tracker, start_shop):
    """Five events arrive, the tellings of the next ten do not; what is told in the end is everything."""
    shop = start_shop(tracker.dsn)
    for _ in range(8):
        httpx.get(shop.url + "/async")
    wait_for(lambda: len(tracker.items("event")) == 5)
    tracker.behaviour = 500
    for _ in range(10):
        httpx.get(shop.url + "/async")
    refused = len(tracker.items("ukemi_repeats"))
    wait_for(lambda: len(tracker.items("ukemi_repeats")) > refused)
    tracker.behaviour = 200
    httpx.get(shop.url + "/async")
    shop.stop()

    [entry] = tracker.items("ukemi_repeats")[-1]["repeats"]
    assert entry["event_id"] == tracker.items("event")[-1]["event_id"]
    assert entry["count"] == 8 + 10 + 1 - 5


def wait_for(holds) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
