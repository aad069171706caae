"""
Nothing that matches a rule leaves, from any place; what cannot be scrubbed does not leave at all, and is counted.

Errors pass `before_send`, transactions `before_send_transaction`; everything else (logs, metrics, spans, check-ins,
feedback) is scrubbed in the transport, which is the one door. Items that are not JSON stay inside.
"""

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.transport import HttpTransport, Transport

from ukemi.privacy import Rules, find_user_names, scrub
from ukemi.protocol.vocabulary import REPEATS_ITEM, REQUEST_COUNTS_ITEM
from ukemi.sdk import runtime
from ukemi.sdk.frames import drop_wrappers, fill_frames

log = logging.getLogger("ukemi")

Event = dict[str, Any]
Hint = dict[str, Any]

Hook = Callable[[Event, Hint], Event | None]

_MARK: Final = "__ukemi_mark__"
_ALREADY_SCRUBBED: Final = frozenset({"event", "transaction"})
_TYPED: Final = frozenset({"log", "trace_metric", "span"})
"""Lists of things whose attributes say their type."""
_OURS: Final = frozenset({REQUEST_COUNTS_ITEM, REPEATS_ITEM, "client_report"})
"""Numbers, route templates and names of our own making."""
_here = threading.local()


class AtHand:
    """The request that is being served. Its ASGI scope is let go with it, for marks on kept exceptions live on."""

    __slots__ = ("scope",)

    def __init__(self, scope: Mapping[str, Any] | None) -> None:
        self.scope = scope


request_at_hand: ContextVar[AtHand | None] = ContextVar("ukemi_request_at_hand", default=None)
"""Tells requests apart; None outside of any, as in the server's own log."""


@dataclass(frozen=True)
class _Mark:
    """Written on an exception that was met: it is the same object wherever it is met again, in any task."""

    event_id: str
    is_out: bool
    request: AtHand | None


def before_send(event: Event, hint: Hint, first: Hook | None = None) -> Event | None:
    """
    Scrub an error event on its way out, and let each error out once.

    Fails closed: an event that could not be scrubbed is not sent, and that is counted (`report_internal`).

    Args:
        first: the app's own hook. It is asked once about each error, and what it adds is scrubbed.
    """
    error, event_id = _error_of(hint), str(event.get("event_id"))
    if error is not None:
        known = _mark_of(error)
        if known is not None and known.event_id != event_id:
            _here.is_duplicate = True  # not lost: its fate was decided before, see `behind_door`
            return None
        mark(error, event_id, is_out=False)
        _fill(event, error, hint)
    changed = event if first is None else first(event, hint)
    scrubbed = None if changed is None else _scrubbed(changed)
    if scrubbed is not None and error is not None:
        mark(error, event_id, is_out=True)
    return scrubbed


def _fill(event: Event, error: BaseException, hint: Hint) -> None:
    try:
        if runtime.current().fills_frames:
            fill_frames(event, error, hint["exc_info"][2])
        drop_wrappers(event, error)
    except Exception:  # the border to the host app: an event without variables is better than none
        report_internal("frames_not_filled")


def before_send_transaction(event: Event, _hint: Hint) -> Event | None:
    """Scrub a transaction with its spans on its way out; fails closed as `before_send` does."""
    return _scrubbed(event)


def was_met(error: BaseException) -> bool:
    """Whether it is decided what becomes of an exception, be it that it was sent or that it was held back."""
    return _mark_of(error) is not None


def event_id_of(error: BaseException) -> str | None:
    """Id of the event that an exception was captured as; None when it was not."""
    known = _mark_of(error)
    return known.event_id if known is not None and known.is_out else None


def _mark_of(error: BaseException) -> _Mark | None:
    """
    A group of one counts as its member.

    What another request wrote does not count: apps keep exceptions, of a closed pool for example, and raise them anew.
    """
    known = getattr(error, "__dict__", {}).get(_MARK)  # no getattr of the mark: some classes answer for every name
    if known is None and isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return _mark_of(error.exceptions[0])
    if not isinstance(known, _Mark):
        return None
    # Threads that a request began know nothing of it, nor does the server's log.
    is_of_another = request_at_hand.get() not in (None, known.request) and known.request is not None
    return None if is_of_another else known


def mark(error: BaseException, event_id: str, *, is_out: bool) -> None:
    """Note on an exception what became of it."""
    note = _Mark(event_id, is_out, request_at_hand.get())
    try:
        BaseException.__setattr__(error, _MARK, note)  # past a __setattr__ that forbids writing, as frozen classes have
    except (AttributeError, TypeError):
        report_internal("mark_failed")
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        mark(error.exceptions[0], event_id, is_out=is_out)


def report_internal(name: str) -> None:
    """Count a failure of our own code; the first of each name is logged. Never raises."""
    counts = runtime.current().internal
    counts[name] = counts.get(name, 0) + 1
    if counts[name] == 1:
        with suppress(Exception):  # sentry-sdk listens to logs, and may be what failed
            log.warning("ukemi: %s; the app is not affected. Further ones are only counted.", name, exc_info=True)  # noqa: LOG014 - called from handlers


def _scrubbed(event: Event) -> Event | None:
    try:
        result = scrub(event, _rules_for(event))
        if not isinstance(result.tree, dict):
            raise TypeError("an event must be an object")  # noqa: TRY301 - counted below like any other failure
        if result.remarks:
            result.tree["_meta"] = _merged(result.tree.get("_meta"), result.remarks)
    except Exception:  # the border to the host app: nothing of ours may raise there
        report_internal("scrub_failed")
        return None
    return result.tree


def _rules_for(tree: Any) -> Rules:
    """The rules, with the user names that stand in the tree: they go wherever they stand in it."""
    rules = runtime.current().rules
    names = find_user_names(tree)
    return dataclasses.replace(rules, known_identities=rules.known_identities | names) if names else rules


def _error_of(hint: Hint) -> BaseException | None:
    info = hint.get("exc_info")
    return info[1] if isinstance(info, tuple) and len(info) > 1 and isinstance(info[1], BaseException) else None


def _merged(theirs: Any, ours: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(theirs, dict):
        return ours
    merged = dict(theirs)
    for key, value in ours.items():
        merged[key] = _merged(merged.get(key), value) if isinstance(value, dict) and key != "" else value
    return merged


def behind_door(transport: type[Transport]) -> type[Transport]:
    """A transport class of sentry-sdk, or of the app's own, behind a door that only scrubbed items pass."""

    class BehindDoor(transport):  # type: ignore[misc, valid-type]
        def capture_envelope(self, envelope: Envelope) -> None:
            super().capture_envelope(_passed(envelope, self))

        def record_lost_event(self, reason: str, *arguments: Any, **options: Any) -> None:
            if reason == "before_send" and getattr(_here, "is_duplicate", False):
                _here.is_duplicate = False
                return
            super().record_lost_event(reason, *arguments, **options)

    return BehindDoor


UkemiTransport: Final = behind_door(HttpTransport)


def _passed(envelope: Envelope, transport: Transport) -> Envelope:
    """The envelope with what may leave. Its headers repeat what a caller's own headers said of its trace."""
    passed = Envelope(headers=_scrubbed_headers(envelope.headers))
    for item in envelope.items:
        if item.type in _ALREADY_SCRUBBED or item.type in _OURS:
            passed.add_item(item)
        elif (clean := _scrubbed_item(item)) is not None:
            passed.add_item(clean)
        else:
            transport.record_lost_event("internal_sdk_error", item=item)
    return passed


def _scrubbed_headers(headers: dict[str, Any]) -> dict[str, Any]:
    try:
        scrubbed: dict[str, Any] = scrub(headers, runtime.current().rules).tree
    except Exception:  # fails closed: an envelope needs none of them
        report_internal("headers_not_scrubbed")
        return {}
    return scrubbed


def _scrubbed_item(item: Item) -> Item | None:
    try:
        tree = item.payload.json if item.payload.json is not None else json.loads(item.payload.get_bytes())
        untyped = _untyped(tree) if item.type in _TYPED else tree
        rules = _rules_for(untyped)
        scrubbed = scrub(untyped, rules).tree
        passed = _typed(scrubbed, tree) if item.type in _TYPED else scrubbed
        return Item(PayloadRef(json=passed), headers=scrub(item.headers, rules).tree)
    except Exception:  # not JSON, or a defect of ours: fails closed
        report_internal("item_not_scrubbed")
        return None


def _untyped(tree: Any) -> Any:
    """
    Logs, metrics and spans with attributes such as `"username": {"value": "mori", "type": "string"}` as name and value.

    Rules go by the name that a value stands under.
    """
    return {
        **tree,
        "items": [
            {**one, "attributes": {name: attribute["value"] for name, attribute in one.get("attributes", {}).items()}}
            for one in tree["items"]
        ],
    }


def _typed(scrubbed: Any, original: Any) -> Any:
    """Undo `_untyped`. What was taken is a text; all else has the type that it had."""
    for clean, one in zip(scrubbed["items"], original["items"], strict=True):
        types = [attribute["type"] for attribute in one.get("attributes", {}).values()]
        clean["attributes"] = {
            name: {"value": value, "type": "string" if isinstance(value, str) else known}
            for (name, value), known in zip(clean["attributes"].items(), types, strict=True)
        }
    return scrubbed
