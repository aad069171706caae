"""Performance by hand: transactions and the spans in them, as context managers."""

import inspect
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import sentry_sdk
from sentry_sdk.tracing import Span

from ukemi.sdk import runtime
from ukemi.sdk.runtime import report_internal

_NAME: Final = "name" if "name" in inspect.signature(Span.__init__).parameters else "description"
"""What sentry-sdk calls the words of a span: `description` before 2.14."""


def start_transaction(name: str, op: str) -> AbstractContextManager[Any]:
    """
    A piece of work of its own; inside a request it becomes a span of the request's transaction.

    Whether it is kept is decided by the sampling rates, by `name` as if it were a path.
    """
    try:
        if runtime.current().streams_spans:
            return start_span(op, name)
        if sentry_sdk.get_current_span() is not None:
            return start_span(op, name)
        return sentry_sdk.start_transaction(name=name, op=op)
    except Exception:  # the border to the host app
        report_internal("span_not_started")
        return nullcontext()


def start_span(op: str, description: str) -> AbstractContextManager[Any]:
    """A part of the transaction at hand."""
    try:
        span: AbstractContextManager[Any]
        if runtime.current().streams_spans:
            span = sentry_sdk.traces.start_span(description, attributes={"sentry.op": op})
        else:
            span = sentry_sdk.start_span(**{"op": op, _NAME: description})
    except Exception:  # the border to the host app
        report_internal("span_not_started")
        return nullcontext()
    return span
