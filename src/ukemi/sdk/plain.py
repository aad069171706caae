"""
What is JSON already, taken past sentry-sdk's serialiser.

That asks a dozen questions about each value of an event, and was a quarter of what a transaction costs; most values are
plain texts and numbers in plain mappings. Those are copied here, to the same result; all else goes its usual way
(benchmarks/sdk_overhead.py).
"""

import math
from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any, Final

import sentry_sdk
from sentry_sdk import serializer
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.utils import format_timestamp

from ukemi.sdk.runtime import report_internal

_TEXT: Final = frozenset({str})
_SCALARS: Final = frozenset({str, int, bool, NoneType})
_MAX_DEPTH: Final = 12
_MAX_BAG_DEPTH: Final = 4
_MAX_BAG_BREADTH: Final = 10
"""sentry-sdk cuts what is deeper or broader under `extra`, in breadcrumbs, and in bodies of requests."""


class Outgoing(dict[str, Any]):
    """
    An event on its way to the serialiser, which asks objects with such a method what shall stand for them.

    Made by the last that adds to it, since sentry-sdk and other processors go on to change it.
    """

    def __sentry_repr__(self) -> Any:
        try:
            return _serialised(self)
        except Exception:  # the border to the host app
            report_internal("event_not_copied")
            return serializer.serialize(dict(self), **_options())


def outgoing(event: dict[str, Any]) -> dict[str, Any]:
    """The event, to be taken past the serialiser; as it is, where somebody wants to see each value or the very event."""
    watches = serializer.global_repr_processors or sentry_sdk.get_client().options.get("error_sampler")
    return event if watches else Outgoing(event)


class _Ready:
    """A value as the serialiser would leave it."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __sentry_repr__(self) -> Any:
        return self._value


class _Odd(Exception):
    """Something that the serialiser has to look at."""


def _serialised(event: Mapping[str, Any]) -> Any:
    options = _options()
    # Of characters, while sentry-sdk counts bytes.
    longest = math.inf if options["max_value_length"] is None else options["max_value_length"] // 4
    result: dict[str, Any] = {}
    odd = False
    for key, value in event.items():
        try:
            result[key] = _entry(key, value, longest)
        except (_Odd, RuntimeError):  # RuntimeError: another thread changes it just now
            odd, result[key] = True, value
    if odd:
        ready = {key: value if value is event[key] else _Ready(value) for key, value in result.items()}
        return serializer.serialize(ready, **options)
    return result


def _options() -> dict[str, Any]:
    """What sentry-sdk's client tells the serialiser; before 2.19 there was no `custom_repr`."""
    options = sentry_sdk.get_client().options
    names = ("max_request_body_size", "max_value_length", "custom_repr")
    return {name: options.get(name) for name in names if name in DEFAULT_OPTIONS}


def _entry(key: str, value: Any, longest: float) -> Any:
    """An entry of an event, copied."""
    kind = type(value)
    if (kind is str and len(value) <= longest) or value is None or kind is int:
        return value
    if key == "breadcrumbs" and type(value) is dict and type(value.get("values")) is list:
        crumbs = [_copied(crumb, longest, _MAX_BAG_DEPTH, _MAX_BAG_BREADTH) for crumb in value["values"]]
        others = {name: entry for name, entry in value.items() if name != "values"}
        return {**_copied(others, longest, _MAX_DEPTH, math.inf), "values": crumbs}
    if key == "extra":
        return _copied(value, longest, _MAX_BAG_DEPTH, _MAX_BAG_BREADTH)
    if key == "request" and type(value) is dict and "data" in value:
        raise _Odd
    return _copied(value, longest, _MAX_DEPTH, math.inf)


def _copied(value: Any, longest: float, depth: int, breadth: float) -> Any:
    """
    Args:
        longest: text, in characters.
        breadth: entries of a mapping or list.
    """
    kind = type(value)
    if kind is str:
        if len(value) > longest:
            raise _Odd
        return value
    if value is None or kind is int or kind is bool or (kind is float and math.isfinite(value)):
        return value
    if kind is datetime:
        return str(format_timestamp(value))
    if (kind is not dict and kind is not list) or depth <= 0 or len(value) > breadth:
        raise _Odd
    if kind is list:
        return [_copied(entry, longest, depth - 1, breadth) for entry in value]
    if not _TEXT.issuperset(map(type, value)):
        raise _Odd
    if longest == math.inf and _SCALARS.issuperset(map(type, value.values())):  # nearly all: without a look at each
        return value.copy()
    return {name: _copied(entry, longest, depth - 1, breadth) for name, entry in value.items()}
