"""
The one door out: what is not scrubbed does not pass, and what waits for a slow server is bounded in bytes.

sentry-sdk keeps a hundred trees of Python objects waiting, however large; behind a server that hangs, the app pays for
them with its memory. Here they wait as the JSON that will be sent, a tenth of that.
"""

import json
import os
import time
import weakref
from collections.abc import Callable
from typing import Any, Final

import sentry_sdk
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.transport import HttpTransport, Transport
from urllib3 import PoolManager

from ukemi.sdk import runtime
from ukemi.sdk.line import Line
from ukemi.sdk.runtime import report_internal
from ukemi.sdk.scrubbing import scrubbed_headers, scrubbed_item, take_duplicate

MAX_WAITING_BYTES: Final = 8 << 20
"""Of JSON that waits to be sent; what comes on top is lost, and counted as such."""
FORGOTTEN_S: Final = 30.0
"""After so long an item of ours that waits to be sent is taken for dropped."""


def behind_door(asked: Any) -> type[Transport]:
    """
    A transport behind a door that only scrubbed items pass.

    Args:
        asked: what sentry-sdk takes for its option `transport`: a class, a transport, or a function of an event.
    """
    transport = asked if isinstance(asked, type) else _class_of(asked)

    class BehindDoor(transport):  # type: ignore[misc, valid-type]
        def __init__(self, options: dict[str, Any]) -> None:
            super().__init__(options)
            self._waiting: weakref.WeakSet[_Written] = weakref.WeakSet()
            self._sending: Envelope | None = None

        def capture_envelope(self, envelope: Envelope) -> None:
            passed = Envelope(headers=scrubbed_headers(envelope.headers, envelope.items))
            for item in envelope.items:
                if isinstance(item, LateItem) or item.type == "client_report":  # numbers and names of our own making
                    passed.add_item(item)
                elif (written := _written(item)) is None:
                    self.record_lost_event("internal_sdk_error", item=item)
                elif not self._has_room(written):
                    self.record_lost_event("queue_overflow", item=written)
                else:
                    passed.add_item(written)
            if passed.items:
                super().capture_envelope(passed)

        def record_lost_event(
            self, reason: str, data_category: Any = None, item: Item | None = None, **options: Any
        ) -> None:
            if reason == "before_send" and take_duplicate():
                return
            if item is not None:
                _note_lost(item)
            if not isinstance(item, LateItem):  # it is not lost: it will be told again
                super().record_lost_event(reason, data_category, item, **options)

        def on_dropped_event(self, reason: str) -> None:
            # What the server refuses with 429, it counts itself; sentry-sdk says no more of it than this.
            for item in self._sending.items if reason == "status_429" and self._sending else ():
                _note_lost(item)
            super().on_dropped_event(reason)

        def _send_envelope(self, envelope: Envelope) -> Any:
            self._sending = envelope
            try:
                return super()._send_envelope(envelope)
            finally:
                self._sending = None
                self._waiting.difference_update(envelope.items)

        def _has_room(self, written: "_Written") -> bool:
            """Whether what waits stays within bounds, and then it waits. Transports of the app's own have no such queue."""
            if issubclass(transport, HttpTransport):
                if written.size + sum(one.size for one in self._waiting) > MAX_WAITING_BYTES:
                    return False
                self._waiting.add(written)
            return True

    return BehindDoor


class LateItem(Item):
    """An item of our own that is written at the moment it is sent: ages that waited in a queue would be wrong."""

    def __init__(self, item_type: str, write: Callable[[], Any], lost: Callable[[], None]) -> None:
        """
        Args:
            lost: called when it did not arrive.
        """
        super().__init__(PayloadRef(json={}), type=item_type)
        self._write, self.lost = write, lost

    def get_bytes(self) -> bytes:
        return json.dumps(self._write()).encode()


class Turn:
    """Lets one item of a type wait to be sent at a time: behind a slow server they would push out errors."""

    def __init__(self, item_type: str) -> None:
        self._type = item_type
        self._waiting_since_s: float | None = None
        self._pid = os.getpid()

    def send(self, write: Callable[[], Any], lost: Callable[[], None] = lambda: None, *, at_once: bool = False) -> None:
        """
        Send an item, unless one waits already.

        Args:
            write: makes the payload at the moment it is sent.
            lost: called when the item did not arrive.
            at_once: also beside one that waits.
        """
        now_s = time.monotonic()
        if self._pid != os.getpid():  # what waits in the parent of a fork is not sent here
            self._pid, self._waiting_since_s = os.getpid(), None
        if self._waiting_since_s is not None and now_s - self._waiting_since_s < FORGOTTEN_S and not at_once:
            return
        transport: Transport | None = sentry_sdk.get_client().transport
        if transport is None:
            return
        self._waiting_since_s = now_s

        def write_now() -> Any:
            self._waiting_since_s = None
            return write()

        def take_back() -> None:
            self._waiting_since_s = None
            lost()

        transport.capture_envelope(Envelope(items=[LateItem(self._type, write_now, take_back)]))


def record_lost_errors(reason: str, count: int) -> None:
    """Have errors counted as lost that no event was made of; the next loss report tells."""
    transport: Any = sentry_sdk.get_client().transport
    for _ in range(count if transport is not None else 0):  # one by one, for versions before 2.10 take no number
        transport.record_lost_event(reason, data_category="error")


_write: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class _Written(Item):
    """An item as JSON. Loss reports, and transports of an app's own, may ask for the tree again."""

    size = 0
    """In bytes."""
    event_id: str | None = None
    """Of an error event."""

    def get_event(self) -> Any:
        return json.loads(self.get_bytes()) if self.type == "event" else None

    def get_transaction_event(self) -> Any:
        return json.loads(self.get_bytes()) if self.type == "transaction" else None


def _written(item: Item) -> _Written | None:
    """The item without secrets, as the JSON that will be sent; None for one that may not leave, or cannot be written."""
    clean = scrubbed_item(item)
    if clean is None:
        return None
    try:
        tree: Any = clean.payload.json
        text = _write(tree)
        event_id = tree.get("event_id") if clean.type == "event" else None
    except (TypeError, ValueError, AttributeError):
        report_internal("item_not_written")
        return None
    payload = text.encode()
    written = _Written(payload, clean.headers)
    written.size, written.event_id = len(payload), event_id
    return written


def _note_lost(item: Item) -> None:
    """Tell the storm guard, or whoever sent it, that an item did not arrive."""
    if isinstance(item, LateItem):
        item.lost()
    elif isinstance(item, _Written) and item.event_id and (storm := runtime.current().storm):
        storm.lost(item.event_id)


def _class_of(asked: Any) -> type[Transport]:
    """A class for a transport, or a function, that the app made itself."""

    class Handed(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            if isinstance(asked, Transport):
                asked.capture_envelope(envelope)
            elif (event := envelope.get_event()) is not None:
                asked(event)

        def record_lost_event(self, *arguments: Any, **options: Any) -> None:
            if isinstance(asked, Transport):
                asked.record_lost_event(*arguments, **options)

        def flush(self, *arguments: Any, **options: Any) -> None:
            if isinstance(asked, Transport):
                asked.flush(*arguments, **options)

        def kill(self) -> None:
            if isinstance(asked, Transport):
                asked.kill()

        def is_healthy(self) -> bool:
            return asked.is_healthy() if isinstance(asked, Transport) else True

    return Handed


class UkemiTransport(behind_door(HttpTransport)):  # type: ignore[misc]
    """The transport unless the app brings its own."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._line = Line()
        # Of sentry-sdk's own: options of sockets, and what goes through a proxy.
        self._is_direct = not options.get("socket_options") and not options.get("keep_alive")
        super().__init__(options)

    def _request(self, method: str, endpoint_type: Any, body: Any, headers: Any) -> Any:
        if self._is_direct and type(self._pool) is PoolManager:
            answer = self._line.post(self._auth.get_api_url(endpoint_type), body, headers, self.TIMEOUT)
            if answer is not None:
                return answer
        return super()._request(method, endpoint_type, body, headers)

    def kill(self) -> None:
        super().kill()
        self._line.close()
