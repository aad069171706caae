"""
The one door out: what is not scrubbed does not pass, and what waits for a slow server is bounded in bytes.

sentry-sdk keeps a hundred trees of Python objects waiting, however large; behind a server that hangs, the app pays for
them with its memory. Here they wait as the JSON that will be sent, a tenth of that.
"""

import json
import os
import ssl
import threading
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
from ukemi.sdk.locks import ForkSafeLock
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
            self._waiting_lock = ForkSafeLock()
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
                with self._waiting_lock:
                    self._waiting.difference_update(envelope.items)

        def waiting_events(self) -> set[str | None]:
            """Ids of the error events that nobody began to send yet."""
            sending = self._sending
            begun = sending.items if sending else []
            with self._waiting_lock:
                return {one.event_id for one in self._waiting if one not in begun}

        def _has_room(self, written: "_Written") -> bool:
            """Whether what waits stays within bounds, and then it waits. Transports of the app's own have no such queue."""
            if not issubclass(transport, HttpTransport):
                return True
            with self._waiting_lock:
                has_room = written.size + sum(one.size for one in self._waiting) <= MAX_WAITING_BYTES
                if has_room:
                    self._waiting.add(written)
            return has_room

    return BehindDoor


class LateItem(Item):
    """An item of our own that is written at the moment it is sent: ages that waited in a queue would be wrong."""

    def __init__(self, item_type: str, write: Callable[[], Any], lost: Callable[[], None]) -> None:
        """
        Args:
            lost: called when it did not arrive.
        """
        super().__init__(PayloadRef(json={}), type=item_type)
        self._write, self._lost = write, lost
        self.is_lost = False

    def get_bytes(self) -> bytes:
        return json.dumps(self._write()).encode()

    def lost(self) -> None:
        """Note that it did not arrive."""
        self.is_lost = True
        self._lost()


class Turn:
    """Lets one item of a type wait to be sent at a time: behind a slow server they would push out errors."""

    def __init__(self, item_type: str) -> None:
        self._type = item_type
        self._waiting_since_s: float | None = None
        self._pid = os.getpid()

    def send(
        self,
        write: Callable[[], Any],
        lost: Callable[[], None] = lambda: None,
        *,
        at_once: bool = False,
        last_s: float | None = None,
    ) -> None:
        """
        Send an item, unless one waits already.

        Args:
            write: makes the payload at the moment it is sent.
            lost: called when the item did not arrive.
            at_once: also beside one that waits.
            last_s: the process ends: also past all that waits. The call takes at most so long.
        """
        now_s = time.monotonic()
        if self._pid != os.getpid():  # what waits in the parent of a fork is not sent here
            self._pid, self._waiting_since_s = os.getpid(), None
        if (
            self._waiting_since_s is not None
            and now_s - self._waiting_since_s < FORGOTTEN_S
            and not (at_once or last_s)
        ):
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

        item = LateItem(self._type, write_now, take_back)
        if not (last_s and isinstance(transport, UkemiTransport) and transport.send_past(item, last_s)):
            transport.capture_envelope(Envelope(items=[item]))


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


def waiting_events() -> set[str | None]:
    """Ids of the error events that wait to be sent."""
    transport = sentry_sdk.get_client().transport
    return transport.waiting_events() if isinstance(transport, UkemiTransport) else set()


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
        self._line = Line(self._make_context)
        # Of sentry-sdk's own: options of sockets, and what goes through a proxy.
        self._is_direct = not options.get("socket_options") and not options.get("keep_alive")
        super().__init__(options)

    def _request(self, method: str, endpoint_type: Any, body: Any, headers: Any) -> Any:
        if self._is_direct and type(self._pool) is PoolManager:
            answer = self._line.post(self._auth.get_api_url(endpoint_type), body, headers, self.TIMEOUT)
            if answer is not None:
                return answer
        return super()._request(method, endpoint_type, body, headers)

    def send_past(self, item: LateItem, within_s: float) -> bool:
        """
        Send an item past all that waits, over a connection of its own. Whether it arrived.

        Args:
            within_s: so long the answer is waited for. Behind a slow server the item may arrive although none came.
        """
        beside = UkemiTransport(self.options)
        beside._disabled_until = self._disabled_until
        answered: list[bool] = []

        def send() -> None:
            try:
                beside._send_envelope(Envelope(items=[item]))
                answered.append(not item.is_lost)
            except Exception:  # whatever a network can do; then it goes the way of all others
                item.is_lost = True
            finally:
                beside.kill()

        thread = threading.Thread(target=send, name="ukemi-last", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # none starts any more while the interpreter ends
            return False
        thread.join(within_s)
        return any(answered)

    def _make_context(self) -> ssl.SSLContext:
        """Trusts whom sentry-sdk would trust, by its options and the environment."""
        chosen = self._pool.connection_pool_kw
        context = ssl.create_default_context(cafile=chosen.get("ca_certs"))
        context.set_alpn_protocols(["http/1.1"])
        if chosen.get("cert_file"):
            context.load_cert_chain(chosen["cert_file"], chosen.get("key_file"))
        return context

    def kill(self) -> None:
        super().kill()
        self._line.close()
