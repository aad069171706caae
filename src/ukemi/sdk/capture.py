"""Capturing by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from ukemi.sdk.scrubbing import event_id_of, report_internal, was_met


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
        with sentry_sdk.new_scope() as scope:
            _furnish(scope, context, tags, level)
            if fingerprint:
                scope.fingerprint = list(fingerprint)
            sentry_sdk.capture_exception(exception)
        return event_id_of(exception)  # marked when it left: sentry-sdk has an id also for what the filter kept back
    except Exception:  # the border to the host app
        report_internal("capture_failed")
        return None


def capture_unhandled(exception: BaseException) -> str | None:
    """The same for an exception that nobody caught: the issue says `unhandled`."""
    if was_met(exception):
        return event_id_of(exception)
    try:
        client = sentry_sdk.get_client()
        if client.is_active():
            mechanism = {"type": "ukemi", "handled": False}
            event, hint = event_from_exception(exception, client_options=client.options, mechanism=mechanism)
            sentry_sdk.capture_event(event, hint=hint)
        return event_id_of(exception)
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
