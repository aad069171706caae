"""The storm guard: a few complete events of one error, the rest counted exactly."""

import os

import pytest
from fastapi import FastAPI

from ukemi.protocol.repeats import read_repeats
from ukemi.sdk import capture_exception, flush
from ukemi.sdk.storm import MAX_KEYS, StormGuard

A, B = "a" * 32, "b" * 32


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def met(guard: StormGuard, key: str, event_id: str) -> str | None:
    """What `capture_exception` does with one error."""
    standing = guard.counts_only(key)
    if standing is None:
        guard.sent(key, event_id)
    return standing


def test_the_first_of_a_minute_are_sent_whole_and_the_rest_counted_to_the_latest(clock):
    guard = StormGuard(3, clock)
    assert [met(guard, "x", f"{number:032x}") for number in range(6)] == [None] * 3 + [f"{2:032x}"] * 3
    assert guard.drain() == {f"{2:032x}": 3}
    assert guard.drain() == {}


def test_another_minute_sends_whole_events_again(clock):
    guard = StormGuard(1, clock)
    assert (met(guard, "x", A), met(guard, "x", A)) == (None, A)
    clock.now_s += 61
    assert (met(guard, "x", B), met(guard, "x", B)) == (None, B)
    assert guard.drain() == {A: 1, B: 1}


def test_errors_of_different_kinds_do_not_use_up_each_others_events(clock):
    guard = StormGuard(1, clock)
    assert [met(guard, "x", A), met(guard, "y", B), met(guard, "x", A)] == [None, None, A]


def test_what_was_never_sent_is_never_only_counted(clock):
    """An event that the filter holds back stands for nothing."""
    guard = StormGuard(1, clock)
    assert [guard.counts_only("x") for _ in range(5)] == [None] * 5


def test_memory_is_bounded(clock):
    guard = StormGuard(1, clock)
    for number in range(MAX_KEYS + 50):
        met(guard, str(number), A)
    assert len(guard._storms) == MAX_KEYS


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/fail/{number}")
    async def fail(number: int):
        raise ValueError(f"broken {number}")

    @app.get("/other")
    async def other():
        raise KeyError("other")

    return app


def test_a_route_in_a_storm_sends_five_and_tells_how_many_more(init, sent, serve, app):
    init(app, traces_sample_rate=0.0)
    answers = [serve(app).get(f"/fail/{number}") for number in range(40)]
    serve(app).get("/other")
    flush()
    events = [event for event in sent.events() if event["transaction"] == "GET /fail/{number}"]
    assert len(events) == 5
    assert len(sent.events()) == 6
    told = [one for item in sent.items("ukemi_repeats") for one in item["repeats"]]
    assert sum(one["count"] for one in told) == 35
    assert {one["event_id"] for one in told} == {events[-1]["event_id"]}
    # Everybody gets an id to quote; those who were counted only, the one of the event that stands for theirs.
    ids = [answer.json()["event_id"] for answer in answers]
    assert ids[:5] == [event["event_id"] for event in events]
    assert set(ids[5:]) == {events[-1]["event_id"]}


def test_the_item_is_what_the_collector_reads(init, sent, serve, app):
    init(app, traces_sample_rate=0.0, storm_guard=1)
    for number in range(3):
        serve(app).get(f"/fail/{number}")
    flush()
    [item] = [item for envelope in sent.envelopes for item in envelope.items if item.type == "ukemi_repeats"]
    assert [one.count for one in read_repeats(item.get_bytes())] == [2]


def test_it_can_be_switched_off(init, sent, serve, app):
    init(app, traces_sample_rate=0.0, storm_guard=0)
    for number in range(9):
        serve(app).get(f"/fail/{number}")
    assert len(sent.events()) == 9


def raised(number: int) -> ValueError:
    """An error of one place, with its traceback."""
    with pytest.raises(ValueError) as caught:
        int(f"broken {number}")
    return caught.value


def test_a_server_that_does_not_know_repeats_gets_a_loss_report(init, sent):
    init(None, dsn="https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/42", traces_sample_rate=0.0)
    for number in range(8):
        capture_exception(raised(number))
    assert len(sent.events()) == 5
    assert sent.lost_errors() == ["sample_rate"] * 3
    assert sent.items("ukemi_repeats") == []


def test_after_a_fork_the_child_tells_only_what_it_counted_itself(clock):
    """Also when the fork happened while a thread of the parent held the lock."""
    guard = StormGuard(1, clock)
    met(guard, "x", A)
    met(guard, "x", A)
    guard._lock._lock.acquire()
    if os.fork() == 0:
        met(guard, "x", A)
        os._exit(guard.drain()[A])
    guard._lock._lock.release()
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
    assert guard.drain() == {A: 1}
