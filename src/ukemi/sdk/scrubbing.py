"""
Nothing that matches a rule leaves, from any place; what cannot be scrubbed does not leave at all, and is counted.

Errors pass `before_send`, transactions `before_send_transaction`; everything else (logs, metrics, spans, check-ins,
feedback) is scrubbed in the transport, which is the one door. Items that are not JSON stay inside.
"""

import dataclasses
import json
import logging
import threading
from typing import Any, Final

from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.transport import HttpTransport, Transport

from ukemi.privacy import Rules, find_user_names, scrub
from ukemi.protocol.vocabulary import REQUEST_COUNTS_ITEM
from ukemi.sdk import runtime

log = logging.getLogger("ukemi")

Event = dict[str, Any]
Hint = dict[str, Any]

_MARK: Final = "__ukemi_event_id__"
_ALREADY_SCRUBBED: Final = frozenset({"event", "transaction"})
_OURS: Final = frozenset({REQUEST_COUNTS_ITEM, "client_report"})
"""Numbers, route templates and names of our own making."""
_here = threading.local()


def before_send(event: Event, hint: Hint) -> Event | None:
    """
    Scrub an error event on its way out, and let each error out once.

    Fails closed: an event that could not be scrubbed is not sent, and that is counted (`report_internal`).
    """
    error = _error_of(hint)
    if error is not None and (known := event_id_of(error)) is not None and known != event.get("event_id"):
        _here.is_duplicate = True  # not lost: it was sent before, see UkemiTransport.record_lost_event
        return None
    scrubbed = _scrubbed(event)
    if scrubbed is not None and error is not None:
        mark(error, str(scrubbed.get("event_id")))
    return scrubbed


def before_send_transaction(event: Event, _hint: Hint) -> Event | None:
    """Scrub a transaction with its spans on its way out; fails closed as `before_send` does."""
    return _scrubbed(event)


def event_id_of(error: BaseException) -> str | None:
    """Id of the event that an exception was captured as; None when it was not. A group of one counts as its member."""
    known = getattr(error, _MARK, None)
    if known is None and isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return event_id_of(error.exceptions[0])
    return known if isinstance(known, str) else None


def mark(error: BaseException, event_id: str) -> None:
    """Note on an exception that it was captured: it is the same object wherever it is met again, in any task."""
    try:
        setattr(error, _MARK, event_id)
    except (AttributeError, TypeError):
        report_internal("mark_failed")  # an exception class without room for attributes


def report_internal(name: str) -> None:
    """Count a failure of our own code; the first of each name is logged. Never raises."""
    counts = runtime.current().internal
    counts[name] = counts.get(name, 0) + 1
    if counts[name] == 1:
        log.warning("ukemi: %s; the app is not affected. Further ones are only counted.", name, exc_info=True)  # noqa: LOG014 - called from handlers


def _scrubbed(event: Event) -> Event | None:
    try:
        rules = runtime.current().rules
        names = find_user_names(event)
        if names:
            rules = dataclasses.replace(rules, known_identities=rules.known_identities | names)
        result = scrub(event, rules)
        if not isinstance(result.tree, dict):
            raise TypeError("an event must be an object")  # noqa: TRY301 - counted below like any other failure
        if result.remarks:
            result.tree["_meta"] = _merged(result.tree.get("_meta"), result.remarks)
    except Exception:  # the border to the host app: nothing of ours may raise there
        report_internal("scrub_failed")
        return None
    return result.tree


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


class UkemiTransport(HttpTransport):
    """sentry-sdk's own transport behind a door that only scrubbed items pass."""

    def capture_envelope(self, envelope: Envelope) -> None:
        super().capture_envelope(_passed(envelope, self))

    def record_lost_event(self, reason: str, *arguments: Any, **options: Any) -> None:
        if reason == "before_send" and getattr(_here, "is_duplicate", False):
            _here.is_duplicate = False
            return
        super().record_lost_event(reason, *arguments, **options)


def behind_door(transport: type[Transport]) -> type[Transport]:
    """The same for a transport class of the app's own."""

    class BehindDoor(transport):  # type: ignore[misc, valid-type]
        def capture_envelope(self, envelope: Envelope) -> None:
            super().capture_envelope(_passed(envelope, self))

    return BehindDoor


def _passed(envelope: Envelope, transport: Transport) -> Envelope:
    """The envelope with what may leave."""
    if all(item.type in _ALREADY_SCRUBBED for item in envelope.items):
        return envelope
    passed = Envelope(headers=envelope.headers)
    rules = runtime.current().rules
    for item in envelope.items:
        if item.type in _ALREADY_SCRUBBED or item.type in _OURS:
            passed.add_item(item)
        elif (clean := _scrubbed_item(item, rules)) is not None:
            passed.add_item(clean)
        else:
            transport.record_lost_event("internal_sdk_error", item=item)
    return passed


def _scrubbed_item(item: Item, rules: Rules) -> Item | None:
    try:
        tree = item.payload.json if item.payload.json is not None else json.loads(item.payload.get_bytes())
        return Item(PayloadRef(json=scrub(tree, rules).tree), headers=item.headers)
    except Exception:  # not JSON, or a defect of ours: fails closed
        report_internal("item_not_scrubbed")
        return None
