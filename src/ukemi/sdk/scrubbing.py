"""
Nothing that matches a rule leaves, from any place; what cannot be scrubbed does not leave at all, and is counted.

Errors pass `before_send`, transactions `before_send_transaction`; everything else (logs, metrics, spans, check-ins,
feedback) is scrubbed at the door (`transport`). Items that are not JSON stay inside.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from sentry_sdk.envelope import Item, PayloadRef

from ukemi.privacy import scrub
from ukemi.sdk import runtime
from ukemi.sdk.frames import drop_wrappers, fill_frames
from ukemi.sdk.marks import mark, mark_of
from ukemi.sdk.runtime import report_internal

Event = dict[str, Any]
Hint = dict[str, Any]

Hook = Callable[[Event, Hint], Event | None]

_TYPED: Final = frozenset({"log", "trace_metric", "span"})
"""Lists of things whose attributes say their type."""
_OWN: Final = {
    "event_id": re.compile(r"[0-9a-f]{32}"),
    "sent_at": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"),
}
"""Headers of an envelope that nobody needs to search, and how they are written."""
_here = threading.local()


class Scrubbed(dict[str, Any]):
    """An event or transaction that passed the filter: the door asks for it."""

    def __init__(self, tree: dict[str, Any]) -> None:
        super().__init__(tree)
        trace = (tree.get("contexts") or {}).get("trace") or {}
        self.sampling = dict(trace.get("dynamic_sampling_context") or {})
        """What the envelope's headers repeat: sentry-sdk moves it there."""


def before_send(event: Event, hint: Hint, first: Hook | None = None) -> Event | None:
    """
    Scrub an error event on its way out, and let each error out once.

    Fails closed: an event that could not be scrubbed is not sent, and that is counted (`report_internal`).

    Args:
        first: the app's own hook. It is asked once about each error, and what it adds is scrubbed.
    """
    error, event_id = _error_of(hint), str(event.get("event_id"))
    if error is not None:
        known = mark_of(error)
        if known is not None and known.event_id != event_id:
            _here.is_duplicate = True  # not lost: its fate was decided before, see `take_duplicate`
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


def take_duplicate() -> bool:
    """Whether what `before_send` just held back, in this thread, was met before; asked once."""
    is_duplicate = getattr(_here, "is_duplicate", False)
    _here.is_duplicate = False
    return is_duplicate


def _scrubbed(event: Event) -> Event | None:
    try:
        result = scrub(event, runtime.current().rules, finds_names=True)
        scrubbed = Scrubbed(result.tree)
        if result.remarks:
            scrubbed["_meta"] = _merged(scrubbed.get("_meta"), result.remarks)
    except Exception:  # the border to the host app: nothing of ours may raise there
        report_internal("scrub_failed")
        return None
    return scrubbed


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


def scrubbed_headers(headers: dict[str, Any], items: Iterable[Item]) -> dict[str, Any]:
    """Headers of an envelope with `items`. They repeat what a caller's own headers said of its trace."""
    try:
        trace = headers.get("trace")
        if any(isinstance(item.payload.json, Scrubbed) and item.payload.json.sampling == trace for item in items):
            others = {name: value for name, value in headers.items() if not (name == "trace" or _is_own(name, value))}
            return {**headers, **(scrub(others, runtime.current().rules).tree if others else {})}
        scrubbed: dict[str, Any] = scrub(headers, runtime.current().rules).tree
    except Exception:  # fails closed: an envelope needs none of them
        report_internal("headers_not_scrubbed")
        return {}
    return scrubbed


def _is_own(name: str, value: Any) -> bool:
    """Whether a header is what sentry-sdk itself says: id and time."""
    shape = _OWN.get(name)
    return shape is not None and isinstance(value, str) and shape.fullmatch(value) is not None


def scrubbed_item(item: Item) -> Item | None:
    """Any item as it may leave; None for one that may not."""
    if isinstance(item.payload.json, Scrubbed):
        return item
    try:
        tree = item.payload.json if item.payload.json is not None else json.loads(item.payload.get_bytes())
        untyped = _untyped(tree) if item.type in _TYPED else tree
        both = {"payload": untyped, "headers": item.headers}  # a name of the payload may stand in the headers, too
        scrubbed = scrub(both, runtime.current().rules, finds_names=True).tree
        passed = _typed(scrubbed["payload"], tree) if item.type in _TYPED else scrubbed["payload"]
        return Item(PayloadRef(json=passed), headers=scrubbed["headers"])
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
