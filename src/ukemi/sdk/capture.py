"""Capturing by hand."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from ukemi.sdk import runtime
from ukemi.sdk.marks import event_id_of, mark, request_at_hand, was_met
from ukemi.sdk.request import route_of
from ukemi.sdk.runtime import report_internal
from ukemi.sdk.storm import place_of
from ukemi.sdk.transport import record_lost_errors


def capture_exception(
    exception: BaseException,
    context: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    level: str | None = None,
    fingerprint: Sequence[str] | None = None,
) -> str | None:
    """
    Send an exception as an event, once: when it was captured before, nothing is sent again.

    Args:
        context: shown on the issue. Values that are mappings become sections of their own: `{"payment": {…}}`.
        level: debug, info, warning, error or fatal; default: error.
        fingerprint: what makes it one issue with others; put `{{ default }}` in to refine the automatic grouping.

    Returns:
        The event's id, which a user can quote; None when tracking is off or the event was not let out.
    """
    if was_met(exception):
        return event_id_of(exception)
    try:
        key = _key(exception, level, fingerprint)
        if (standing := _counted_only(exception, key)) is not None:
            return standing
        with sentry_sdk.new_scope() as scope:
            _furnish(scope, context, tags, level)
            if fingerprint:
                scope.fingerprint = list(fingerprint)
            sentry_sdk.capture_exception(exception)
        return _sent(exception, key)
    except Exception:  # the border to the host app
        report_internal("capture_failed")
        return None


def capture_unhandled(exception: BaseException) -> str | None:
    """The same for an exception that nobody caught: the issue says `unhandled`."""
    if was_met(exception):
        return event_id_of(exception)
    try:
        key = _key(exception, None, None)
        if (standing := _counted_only(exception, key)) is not None:
            return standing
        client = sentry_sdk.get_client()
        if client.is_active():
            mechanism = {"type": "ukemi", "handled": False}
            event, hint = event_from_exception(exception, client_options=client.options, mechanism=mechanism)
            sentry_sdk.capture_event(event, hint=hint)
        return _sent(exception, key)
    except Exception:  # the border to the host app
        report_internal("capture_failed")
        return None


def capture_message(
    message: str, level: str = "info", context: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
) -> str | None:
    """Send a message as an event; arguments and result as for `capture_exception`."""
    try:
        with sentry_sdk.new_scope() as scope:
            _furnish(scope, context, tags, None)
            return sentry_sdk.capture_message(message, level=level)  # type: ignore[arg-type]
    except Exception:  # the border to the host app
        report_internal("capture_failed")
        return None


def _key(exception: BaseException, level: str | None, fingerprint: Sequence[str] | None) -> Hashable:
    """What the storm guard takes for the same error."""
    at_hand = request_at_hand.get()
    route = route_of(at_hand.scope) if at_hand and at_hand.scope else None
    return (place_of(exception, exception.__traceback__), route, level, tuple(fingerprint or ()))


def _counted_only(exception: BaseException, key: Hashable) -> str | None:
    """In a storm of the same error: the id of the event that stands for this one, too."""
    settings = runtime.current()
    standing = settings.storm.counts_only(key) if settings.storm else None
    if standing is not None:
        mark(exception, standing, is_out=True)
        if not settings.tells_repeats:
            record_lost_errors("sample_rate", 1)
    return standing


def _sent(exception: BaseException, key: Hashable) -> str | None:
    """Id of the event that left: marked then, while sentry-sdk has an id also for what the filter kept back."""
    event_id, storm = event_id_of(exception), runtime.current().storm
    if event_id is not None and storm:
        storm.sent(key, event_id)
    return event_id


def _furnish(
    scope: sentry_sdk.Scope, context: Mapping[str, Any] | None, tags: Mapping[str, str] | None, level: str | None
) -> None:
    plain = {}
    for name, value in (context or {}).items():
        if isinstance(value, Mapping):
            scope.set_context(name, dict(value))
        else:
            plain[name] = value
    if plain:
        scope.set_context("details", plain)
    for name, tag in (tags or {}).items():
        scope.set_tag(name, str(tag))
    if level:
        scope.set_level(level)  # type: ignore[arg-type]
