"""The door: what waits for a slow server is bounded, what does not arrive is known, and every kind of transport stands behind it."""

import json
import sys
import threading

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.transport import HttpTransport, Transport

import ukemi.sdk
from ukemi.sdk import runtime, transport
from ukemi.sdk.transport import LateItem, Turn


class Hanging(HttpTransport):
    """Sends nothing until it is let."""

    def __init__(self, options):
        super().__init__(options)
        self.sent, self.may_send = [], threading.Event()

    def _send_envelope(self, envelope):
        self.may_send.wait(20)
        self.sent.append(envelope)


def waiting_bytes() -> int:
    return sum(len(one.get_bytes()) for one in sentry_sdk.get_client().transport._waiting)


@pytest.fixture
def hanging(init):
    """A server that does not answer; the queue is long, so that only bytes bound it."""
    init(transport=Hanging, transport_queue_size=10_000, storm_guard=0)
    yield sentry_sdk.get_client().transport
    sentry_sdk.get_client().transport.may_send.set()


def test_what_waits_is_bounded_in_bytes_and_what_is_too_much_is_counted(hanging, monkeypatch):
    monkeypatch.setattr(transport, "MAX_WAITING_BYTES", 50_000)
    for number in range(100):
        ukemi.sdk.capture_message(f"{number} " + "text of no secret " * 100)
    assert 40_000 < waiting_bytes() <= 50_000
    lost = hanging._discarded_events["error", "queue_overflow"]
    assert 0 < lost < 100

    hanging.may_send.set()
    sentry_sdk.get_client().flush(10)
    assert sum(item.type == "event" for one in hanging.sent for item in one.items) == 100 - lost


def test_room_is_given_back_when_something_was_sent(hanging):
    ukemi.sdk.capture_message("one")
    hanging.may_send.set()
    sentry_sdk.get_client().flush(10)
    hanging.sent.clear()
    assert waiting_bytes() == 0


class Forgetting(HttpTransport):
    def _send_envelope(self, envelope):
        pass


def test_threads_that_send_at_once_are_none_the_wiser(init):
    """What waits is counted while the worker takes from it; an exception of that would be the app's."""
    init(transport=Forgetting, transport_queue_size=10_000)
    door, failed, before_s = sentry_sdk.get_client().transport, [], sys.getswitchinterval()

    def work():
        for _ in range(300):
            try:
                door.capture_envelope(Envelope(items=[Item(PayloadRef(json={"message": "x"}), type="event")]))
            except RuntimeError as error:
                failed.append(error)

    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before_s)
    assert failed == []


def test_what_waits_is_json_and_no_tree_of_objects(hanging):
    """A tree takes ten times the memory."""
    ukemi.sdk.capture_message("one")
    [waiting] = hanging._waiting
    assert waiting.payload.json is None
    assert json.loads(waiting.get_bytes())["message"] == "one"


def test_a_loss_report_counts_the_spans_of_a_transaction(init, sent):
    """As sentry-sdk does where the transaction waits as a tree."""
    init(traces_sample_rate=1.0, transport=Hanging, transport_queue_size=1)
    door = sentry_sdk.get_client().transport
    ukemi.sdk.capture_message("in the worker's hands")
    while not door._worker._queue.empty():
        pass
    ukemi.sdk.capture_message("in the queue")
    with ukemi.sdk.start_transaction("/work", "task"), ukemi.sdk.start_span("db", "SELECT 1"):
        pass
    assert door._discarded_events["span", "queue_overflow"] == 2
    door.may_send.set()


def test_an_event_that_reaches_the_transport_past_the_filter_is_scrubbed_too(init, sent):
    init()
    sentry_sdk.get_client().transport.capture_envelope(
        Envelope(items=[Item(PayloadRef(json={"extra": {"password": "hunter2"}}), type="event")])
    )
    assert sent.event()["extra"] == {"password": "[Filtered]"}


def test_an_item_that_no_json_can_hold_is_counted_as_lost(init, sent):
    init()
    envelope = Envelope(items=[Item(PayloadRef(json={"value": float("nan")}), type="event")])
    sentry_sdk.get_client().transport.capture_envelope(envelope)
    assert sent.envelopes == []
    assert sent.lost_errors() == ["internal_sdk_error"]


class Kept(Transport):
    """A transport that the app made itself."""

    def __init__(self):
        super().__init__()
        self.envelopes = []

    def capture_envelope(self, envelope):
        self.envelopes.append(envelope)


def test_a_transport_that_is_made_already_stands_behind_the_door(init):
    kept = Kept()
    init(transport=kept)
    ukemi.sdk.capture_message("password=hunter2")
    [envelope] = kept.envelopes
    assert envelope.get_event()["message"] == "password=[Filtered]"


def test_a_function_stands_behind_the_door(init):
    events = []
    assert init(transport=events.append).is_on
    ukemi.sdk.capture_message("password=hunter2")
    assert [event["message"] for event in events] == ["password=[Filtered]"]


class Refusing(HttpTransport):
    """Answered with 429, as sentry-sdk tells it."""

    def _send_envelope(self, envelope):
        self.on_dropped_event("status_429")


def test_an_event_that_was_answered_with_429_did_not_arrive(init):
    """sentry-sdk reports no loss of it, for the server did; yet nothing can be told of it."""
    init(transport=Refusing, storm_guard=1)
    for number in range(3):
        try:
            int(f"x{number}")
        except ValueError as error:
            ukemi.sdk.capture_exception(error)
        sentry_sdk.get_client().transport._worker.flush(5)
    assert runtime.current().storm.untold() == []


class TestTurn:
    def test_while_an_item_waits_to_be_sent_no_other_joins_it(self, init, sent):
        """Behind a server that hangs, one each second would fill the queue and push out errors."""
        init()
        turn = Turn("ukemi_request_counts")
        for _ in range(3):
            turn.send(lambda: {"a": 1})
        assert len(sent.envelopes) == 1
        assert sent.items("ukemi_request_counts") == [{"a": 1}]
        turn.send(lambda: {"a": 2})
        assert len(sent.envelopes) == 2

    def test_one_that_is_lost_makes_room_at_once(self, init, sent):
        init()
        lost = []
        turn = Turn("ukemi_request_counts")
        turn.send(dict, lambda: lost.append(1))
        [item] = sent.envelopes[0].items
        assert isinstance(item, LateItem)
        sentry_sdk.get_client().transport.record_lost_event("queue_overflow", item=item)
        assert lost == [1]
        assert sent.lost == [], "it will be told again"
        turn.send(dict)
        assert len(sent.envelopes) == 2
