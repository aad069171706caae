"""
For tests: what an app tells is recorded instead of sent.

The pytest fixture `captured` gives a `Captured`; `recording` is the same for anything else. Nothing reaches a network,
and everything that a transport would have got is kept as the JSON that would have left, after scrubbing.
"""

import copy
import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final
from unittest.mock import patch

import sentry_sdk
import sentry_sdk.client
import sentry_sdk.scope
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from ukemi.privacy import scrub
from ukemi.protocol.vocabulary import REQUEST_COUNTS_ITEM
from ukemi.sdk import runtime
from ukemi.sdk.request_counts import Reporter, RequestCounter
from ukemi.sdk.setup import init
from ukemi.sdk.transport import Turn, behind_door

DSN: Final = "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1"
"""Stands for a server while nothing is sent."""
_OURS: Final = frozenset({"sentry_sdk", "ukemi", "builtins", "abc"})

Event = dict[str, Any]


class Captured:
    """Everything that would have left the app, in the order in which it would have."""

    def __init__(self) -> None:
        self._left: list[tuple[str, Any]] = []
        self._lost: list[str] = []
        self.unexamined: list[str] = []
        """Transports of the app's own, which the recording stands in for: what they add is not seen."""

    @property
    def events(self) -> list[Event]:
        """Errors and messages."""
        return self.of_type("event")

    @property
    def messages(self) -> list[Event]:
        """The events that are no exceptions: what `capture_message` and the app's log told."""
        return [event for event in self.events if not event.get("exception")]

    @property
    def transactions(self) -> list[Event]:
        """Those that the app's sampling rates kept."""
        return self.of_type("transaction")

    @property
    def breadcrumbs(self) -> list[dict[str, Any]]:
        """Of all events, oldest first. One that no event took along has not left."""
        return [crumb for event in self.events for crumb in (event.get("breadcrumbs") or {}).get("values", [])]

    @property
    def request_counts(self) -> list[dict[str, Any]]:
        """What is counted until now: `{"method", "route", "status", "count"}`, in the order of the first of each."""
        counter = runtime.current().counter
        if counter is None:
            return []
        counts: dict[tuple[str, str, int], int] = {}
        for bucket in counter._counter.report()["buckets"]:  # noqa: SLF001 - the same room
            for one in bucket["routes"]:
                key = (one["method"], one["route"], one["status"])
                counts[key] = counts.get(key, 0) + one["count"]
        return [{"method": m, "route": r, "status": s, "count": count} for (m, r, s), count in counts.items()]

    @property
    def only(self) -> Event:
        """
        The one event.

        Raises:
            AssertionError: there is none, or there are several. It says which, and what became of others.
        """
        __tracebackhide__ = True
        events = self.events
        if len(events) == 1:
            return events[0]
        if events:
            told = "".join(f"\n  {number}. {_title(event)}" for number, event in enumerate(events, 1))
            raise AssertionError(f"One event was expected, and {len(events)} were captured:{told}")
        raise AssertionError(f"One event was expected, and none was captured: {self._why_none()}")

    def of_type(self, item_type: str) -> list[Any]:
        """Payloads of the items of one type, as Sentry's protocol names them: `event`, `transaction`, `log`, …"""
        return [payload for found, payload in self._everything() if found == item_type]

    def assert_no_secrets(self, *more: str) -> None:
        """
        Check that nothing captured matches a rule of the app's, or holds one of the given texts in whatever case.

        Raises:
            AssertionError: something does. It names each place, and repeats no secret that a rule found.
        """
        __tracebackhide__ = True
        found = [f"{place}: matches the rule {rule}" for place, rule in self.find_secrets()]
        found += [f"{place}: holds {text!r}" for text in more for place in self.find(text)]
        if found:
            raise AssertionError("Secrets would have left:" + "".join(f"\n  {one}" for one in found))

    def find_secrets(self) -> list[tuple[str, str]]:
        """Place and rule of everything that the app's rules would take."""
        rules = runtime.current().rules
        found: list[tuple[str, str]] = []
        for place, payload in self._places():
            remarks = scrub(payload, rules, finds_names=True).remarks
            found += [(where, rule.partition(":")[0]) for where, rule in _remarked(remarks, payload, place)]
        return found

    def find(self, text: str) -> list[str]:
        """Places where a text stands, in whatever case, as `event.exception.values[0].stacktrace.frames[2].vars.card`."""
        wanted = text.casefold()
        standing = [
            where for place, payload in self._places() for where, one in _texts(payload, place) if wanted in one
        ]
        return list(dict.fromkeys(standing))

    def transport(self, options: dict[str, Any]) -> Transport:
        """What sentry-sdk gets in place of the transport that its options ask for."""
        asked, captured = options.get("transport"), self
        own = [one for one in getattr(asked, "__mro__", ()) if one.__module__.partition(".")[0] not in _OURS]
        if own:
            self.unexamined.append(own[0].__qualname__)

        class Recording(Transport):
            def capture_envelope(self, envelope: Envelope) -> None:
                captured._keep(envelope)

            def record_lost_event(
                self, reason: str, data_category: Any = None, item: Any = None, *, quantity: int = 1
            ) -> None:
                category = item.data_category if item is not None else data_category
                captured._lost += [reason] * quantity if category == "error" else []

        options["spotlight"] = False  # a second way out
        return behind_door(Recording)(options)

    def _keep(self, envelope: Envelope) -> None:
        items = [(str(item.type), json.loads(item.get_bytes())) for item in envelope.items]
        headers = {**envelope.headers, "items": [item.headers for item in envelope.items]}
        self._left += [("envelope", json.loads(json.dumps(headers, default=str))), *items]

    def _everything(self) -> list[tuple[str, Any]]:
        sentry_sdk.get_client().flush(timeout=0)  # logs and metrics wait for company
        return list(self._left)

    def _places(self) -> Iterator[tuple[str, Any]]:
        """Name and payload of everything that is no number: `event`, or `event[1]` where there are several."""
        everything = self._everything()
        kinds = [kind for kind, _ in everything]
        numbers = dict.fromkeys(kinds, 0)
        for kind, payload in everything:
            yield f"{kind}[{numbers[kind]}]" if kinds.count(kind) > 1 else kind, payload
            numbers[kind] += 1

    def _why_none(self) -> str:
        if not runtime.current().is_on:
            return (
                "error tracking is off. `init` was called with an empty or unreadable DSN; leave `dsn` out in tests, "
                "or pass ukemi.sdk.testing.DSN."
            )
        if self._lost:
            return (
                f"sentry-sdk or a hook of the app held back {len(self._lost)} ({', '.join(sorted(set(self._lost)))})."
            )
        return "nothing was raised past the app's own handlers, and nothing was captured by hand."


@contextmanager
def recording() -> Iterator[Captured]:
    """
    Record instead of sending: what an `init` before set up, and what any `init` inside sets up.

    At the end sentry-sdk and ukemi.sdk are as they were at the beginning.
    """
    captured, before = Captured(), runtime.current()
    client = sentry_sdk.get_client()
    with ExitStack() as stack:
        stack.enter_context(patch.object(sentry_sdk.client, "make_transport", captured.transport))
        stack.enter_context(_own_scopes())
        stack.callback(runtime.install, before)
        if client.is_active():
            stack.enter_context(patch.object(client, "transport", captured.transport(client.options)))
            stack.enter_context(patch.object(client, "spotlight", None))
            stack.enter_context(patch.object(client, "close", _stay_open))  # an `init` inside would end it for good
        # Without the storm guard: it would remember what other tests raised.
        runtime.install(dataclasses.replace(before, counter=_anew(before.counter), storm=None, internal={}))
        try:
            yield captured
        finally:
            if counter := runtime.current().counter:
                counter.end()
            sentry_sdk.get_client().close(timeout=0)


@contextmanager
def capturing() -> Iterator[Captured]:
    """`recording`, with tracking on also where no DSN is set: what the fixture `captured` does."""
    with recording() as captured, patch.dict(os.environ):
        if not os.environ.get("SENTRY_DSN"):
            os.environ["SENTRY_DSN"] = DSN
        if not runtime.current().is_on:  # an app that was imported before this has its middleware, and needs no more
            again = runtime.current().again or partial(init, environment="test", traces_sample_rate=1.0)
            again(dsn=os.environ["SENTRY_DSN"])
        yield captured


def _stay_open(timeout: float | None = None, callback: object = None) -> None:
    """In place of a client's `close`."""


def _anew(reporter: Reporter | None) -> Reporter | None:
    """A reporter that has counted nothing; the given one rests, and is not ended by an `init` inside."""
    if reporter is None:
        return None
    counter = reporter._counter  # noqa: SLF001 - the same room
    anew = RequestCounter(counter._environment, counter._release)  # noqa: SLF001
    return Reporter(anew, Turn(REQUEST_COUNTS_ITEM).send)


@contextmanager
def _own_scopes() -> Iterator[None]:
    """Tags, users and breadcrumbs from before are there, and what is added inside is gone afterwards."""
    module = sentry_sdk.scope
    isolation, current = module._isolation_scope.get(), module._current_scope.get()  # noqa: SLF001 - no public way
    with patch.object(module, "_global_scope", copy.copy(sentry_sdk.get_global_scope())):
        module._isolation_scope.set(sentry_sdk.Scope.get_isolation_scope().fork())  # noqa: SLF001
        module._current_scope.set(sentry_sdk.Scope.get_current_scope().fork())  # noqa: SLF001
        try:
            yield
        finally:
            module._isolation_scope.set(isolation)  # noqa: SLF001
            module._current_scope.set(current)  # noqa: SLF001


def _title(event: Event) -> str:
    """`ValueError: text (GET /path)`."""
    values = (event.get("exception") or {}).get("values") or []
    entry = event.get("logentry") or {}
    what = (
        f"{values[-1].get('type')}: {values[-1].get('value')}"
        if values
        else event.get("message") or entry.get("message")
    )
    return f"{what} ({event['transaction']})" if event.get("transaction") else str(what)


def _texts(tree: Any, place: str) -> Iterator[tuple[str, str]]:
    """Place and case-folded text of every value and key."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield f"{place}.{name}", name.casefold()
            yield from _texts(value, f"{place}.{name}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _texts(value, f"{place}[{index}]")
    elif tree is not None:
        yield place, str(tree).casefold()


def _remarked(remarks: dict[str, Any], tree: Any, place: str) -> Iterator[tuple[str, str]]:
    """Place and rule of each remark; remarks mirror the tree, where lists are objects by index."""
    for name, inner in remarks.items():
        if name == "":
            yield from ((place, rule) for rule, _ in inner["rem"])
        elif isinstance(tree, list):
            yield from _remarked(inner, tree[int(name)], f"{place}[{name}]")
        else:
            yield from _remarked(inner, tree.get(name) if isinstance(tree, dict) else None, f"{place}.{name}")
