"""The storm guard: a few complete events of one error, the rest counted exactly."""

import os

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

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


def totals(entries: list[dict]) -> dict[str, int]:
    return {one["event_id"]: one["count"] for one in entries}


def told(guard: StormGuard) -> dict[str, int]:
    """What the next telling says, by event id."""
    return totals(guard.tell(guard.untold()))


def test_the_first_of_a_minute_are_sent_whole_and_the_rest_counted_to_the_latest(clock):
    guard = StormGuard(3, clock)
    assert [met(guard, "x", f"{number:032x}") for number in range(6)] == [None] * 3 + [f"{2:032x}"] * 3
    assert told(guard) == {f"{2:032x}": 3}
    assert guard.untold() == []


def test_another_minute_sends_whole_events_again(clock):
    guard = StormGuard(1, clock)
    assert (met(guard, "x", A), met(guard, "x", A)) == (None, A)
    clock.now_s += 61
    assert (met(guard, "x", B), met(guard, "x", B)) == (None, B)
    assert told(guard) == {A: 1, B: 1}


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
    assert totals(sent.items("ukemi_repeats")[-1]["repeats"]) == {events[-1]["event_id"]: 35}
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


def test_after_a_fork_the_child_sends_an_event_of_its_own_and_tells_only_what_it_counted_itself(clock):
    """Totals of one event come from one process. Also when the fork happened while a thread of the parent held the lock."""
    guard = StormGuard(1, clock)
    met(guard, "x", A)
    met(guard, "x", A)
    guard._lock._lock.acquire()
    if os.fork() == 0:
        standing = [met(guard, "x", B) for _ in range(3)]
        os._exit(standing == [None, B, B] and told(guard) == {B: 2})
    guard._lock._lock.release()
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
    assert told(guard) == {A: 1}


class TestLosses:
    """Every one that is counted is told to the server, or told as lost: no more, no less."""

    def test_a_telling_that_did_not_arrive_is_told_again_in_total(self, clock):
        guard = StormGuard(1, clock)
        [met(guard, "x", A) for _ in range(3)]
        untold = guard.untold()
        assert totals(guard.tell(untold)) == {A: 2}
        met(guard, "x", A)
        guard.not_told(untold)
        assert told(guard) == {A: 3}
        assert guard.untold() == []

    def test_counts_of_an_event_that_did_not_arrive_go_over_to_the_next(self, clock):
        guard = StormGuard(1, clock)
        [met(guard, "x", A) for _ in range(3)]
        guard.lost(A)
        assert guard.untold() == []
        clock.now_s += 61
        [met(guard, "x", B) for _ in range(2)]
        assert told(guard) == {B: 3}

    def test_they_do_also_when_the_next_was_sent_before_the_loss_is_known(self, clock):
        guard = StormGuard(1, clock)
        [met(guard, "x", A) for _ in range(3)]
        clock.now_s += 61
        met(guard, "x", B)
        guard.lost(A)
        assert told(guard) == {B: 2}

    def test_an_event_that_is_refused_while_it_is_captured_stands_for_nothing(self, clock):
        """A full queue says so before the capture has returned."""
        guard = StormGuard(1, clock)
        guard.lost(A)
        [met(guard, "x", A) for _ in range(3)]
        assert guard.untold() == []
        clock.now_s += 61
        met(guard, "x", B)
        assert told(guard) == {B: 2}

    def test_a_telling_that_waits_leaves_out_events_that_are_lost_meanwhile(self, clock):
        guard = StormGuard(1, clock)
        [met(guard, key, event_id) for key, event_id in (("x", A), ("y", B)) for _ in range(2)]
        waiting = guard.untold()
        guard.lost(A)
        assert totals(guard.tell(waiting)) == {B: 1}

    def test_what_no_event_stands_for_any_more_is_given_up_and_counted(self, clock):
        guard = StormGuard(1, clock)
        [met(guard, "x", A) for _ in range(3)]
        guard.lost(A)
        for number in range(MAX_KEYS):
            met(guard, str(number), f"{number:032x}")
        assert (guard.given_up(), guard.given_up(), guard.untold()) == (2, 0, [])

    @given(st.lists(st.sampled_from(["met", "minute", "tell", "lose event", "lose telling", "tell"]), max_size=60))
    def test_whatever_is_lost_the_sum_is_right(self, steps):
        """What the server knows of arrived events, plus what is still to be told, is what was counted."""
        clock = Clock()
        guard, counted, number = StormGuard(1, clock), 0, 0
        latest, server, telling = "", {}, []
        for step in [*steps, "minute", "met", "tell"]:
            if step == "met":
                number += 1
                if met(guard, "x", f"{number:032x}") is None:
                    latest = f"{number:032x}"
                else:
                    counted += 1
            elif step == "minute":
                clock.now_s += 61
            elif step == "lose event" and latest and latest not in server:
                guard.lost(latest)
            else:
                telling = guard.untold()
                arrived = totals(guard.tell(telling))
                if step == "lose telling":
                    guard.not_told(telling)
                else:
                    server.update(arrived)
        assert sum(server.values()) == counted
