"""
The ASGI middleware: a fork of the scope for each request, its context, its capture and its count.

The app below runs exactly once, whatever fails in here: our own work stands in guarded steps around it, never around
its exceptions.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.logging import ignore_logger

from ukemi.sdk import runtime
from ukemi.sdk.capture import capture_unhandled
from ukemi.sdk.marks import AtHand, request_at_hand
from ukemi.sdk.plain import outgoing
from ukemi.sdk.request import request_of, route_of
from ukemi.sdk.runtime import Runtime, report_internal
from ukemi.sdk.sampling import segments
from ukemi.sdk.user import user_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SEEN = "ukemi.sdk"
CLIENT_LEFT = 499
"""Counted for a request whose client went away before an answer began: nobody's failure."""


class UkemiMiddleware:
    """Wraps an ASGI app. Twice around the same app does no harm: the inner one lets everything through."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(_SEEN) or not runtime.current().is_on:
            await self.app(scope, receive, send)
        elif scope["type"] in ("http", "websocket"):
            scope[_SEEN] = True
            await _Served(self.app, scope, runtime.current()).run(receive, send)
        elif scope["type"] == "lifespan":
            scope[_SEEN] = True
            await _live(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)


class _Served:
    """One request or websocket connection."""

    def __init__(self, app: App, scope: Scope, settings: Runtime) -> None:
        self._app, self._scope, self._settings = app, scope, settings
        self._status: int | None = None
        self._is_answered = self._is_counted = False
        self._began_s = time.perf_counter()

    async def run(self, receive: Receive, send: Send) -> None:
        async def send_noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._is_answered = True
                self._count()  # what runs in the background from here on is no part of the answer

        with ExitStack() as stack:
            transaction = self._enter(stack)
            try:
                await self._app(self._scope, receive, send_noting)
            except Exception as error:
                if not self._is_answered:
                    self._status = 500
                capture_unhandled(error)
                raise
            except asyncio.CancelledError:
                self._status = self._status or CLIENT_LEFT
                raise
            finally:
                self._finish(transaction)

    def _enter(self, stack: ExitStack) -> Any:
        """Fork the scope and begin the transaction. Nothing of this may keep the app from running."""
        try:
            at_hand = AtHand(self._scope)
            stack.callback(setattr, at_hand, "scope", None)
            stack.callback(request_at_hand.reset, request_at_hand.set(at_hand))
            stack.enter_context(_quiet(sentry_sdk.isolation_scope()))
            isolation = sentry_sdk.Scope.get_isolation_scope()
            isolation.clear_breadcrumbs()
            isolation.add_event_processor(self._describe)
            name = f"{self._scope.get('method', 'WEBSOCKET')} {self._scope.get('path', '')}"
            isolation.add_breadcrumb(category="request", message=name, type="http")
            begun = self._begin(name, isolation)
            if begun is not None:
                stack.enter_context(_quiet(begun))
        except Exception:  # the border to the host app
            report_internal("request_not_entered")
            return None
        return begun

    def _begin(self, name: str, isolation: sentry_sdk.Scope) -> Any:
        """
        The request's transaction, begun; None for one that is not kept.

        The decision comes first, since most are not kept, and building one costs more than all else that we do.
        """
        caller = _caller(self._scope)
        if self._settings.streams_spans:
            return self._begin_streamed(name, caller)
        sampler, rate = self._settings.sampler, None
        if sampler is not None:
            rate = sampler(self._scope.get("path", ""), _decision(caller.get("sentry-trace", "")))
            if random.random() >= rate:  # noqa: S311 - a sample is no secret
                if caller:
                    isolation.generate_propagation_context(caller)
                else:
                    isolation.set_new_propagation_context()
                return None
        transaction = sentry_sdk.continue_trace(
            caller, op="http.server", name=name, source="url", origin="auto.http.ukemi"
        )
        if rate is not None:
            transaction.sampled = True
        begun: Any = sentry_sdk.start_transaction(transaction, custom_sampling_context={"asgi_scope": self._scope})
        if rate is not None:
            begun.sample_rate = rate  # sentry-sdk would note 1 for what was decided before
        return begun

    def _begin_streamed(self, name: str, caller: dict[str, str]) -> Any:
        """The same where spans are streamed: sentry-sdk itself decides which are kept."""
        if caller:
            sentry_sdk.traces.continue_trace(caller)
        else:
            sentry_sdk.traces.new_trace()
        sentry_sdk.Scope.get_current_scope().set_custom_sampling_context({"asgi_scope": self._scope})
        attributes: dict[str, Any] = {
            "sentry.op": "http.server",
            "sentry.origin": "auto.http.ukemi",
            "sentry.segment.name.source": "url",
        }
        return sentry_sdk.traces.start_span(name, attributes=attributes, parent_span=None)

    def _finish(self, transaction: Any) -> None:
        try:
            route = route_of(self._scope) if transaction is not None else None
            if transaction is not None and self._settings.streams_spans:
                if route is not None:
                    transaction.name = f"{self._scope.get('method', 'WEBSOCKET')} {route}"
                    transaction.set_attribute("sentry.segment.name.source", "route")
                if self._status is not None:
                    transaction.set_attribute("http.response.status_code", self._status)
                    transaction.status = "error" if self._status >= 500 else "ok"
            elif transaction is not None:
                if route is not None:
                    transaction.name, transaction.source = f"{self._scope.get('method', 'WEBSOCKET')} {route}", "route"
                if self._status is not None:
                    transaction.set_http_status(self._status)
        except Exception:  # the border to the host app
            report_internal("request_not_finished")
        self._count()

    def _count(self) -> None:
        """Count the request, once."""
        counter = self._settings.counter
        if counter is None or self._is_counted or self._scope["type"] != "http":
            return
        self._is_counted = True
        try:
            if not segments(self._scope["path"]) & self._settings.health:
                duration_ms = (time.perf_counter() - self._began_s) * 1000
                counter.count(self._scope["method"], route_of(self._scope), self._status or CLIENT_LEFT, duration_ms)
        except Exception:  # the border to the host app
            report_internal("request_not_counted")

    def _describe(self, event: Any, _hint: Any) -> Any:
        """Add request and user to an event that is about to leave; nothing of this is built for requests that go well."""
        try:
            event.setdefault("request", request_of(self._scope))
            event["user"] = {**user_of(self._scope, self._settings), **(event.get("user") or {})}
            route = route_of(self._scope)
            if route is not None and event.get("type") != "transaction":
                event["transaction"] = f"{self._scope.get('method', 'WEBSOCKET')} {route}"
            return outgoing(event)
        except Exception:  # the border to the host app
            report_internal("event_not_described")
            return event


def _headers(scope: Scope, *names: bytes) -> dict[str, str]:
    """Those of the request's headers that have one of the names."""
    return {
        name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ()) if name in names
    }


def _caller(scope: Scope) -> dict[str, str]:
    """What the caller says of the trace: in Sentry's headers, else in W3C's, as OpenTelemetry and proxies send it."""
    caller = _headers(scope, b"sentry-trace", b"baggage", b"traceparent")
    w3c = caller.pop("traceparent", "").strip().split("-")
    if "sentry-trace" not in caller and len(w3c) >= 4:
        # Its flag is no decision about our sample: there it says what another system recorded.
        caller = {"sentry-trace": f"{w3c[1]}-{w3c[2]}"}
    return caller


def _decision(sentry_trace: str) -> bool | None:
    """What the caller decided: the last of `TRACE-SPAN-1`; None when it left that to us."""
    parts = sentry_trace.strip().split("-")
    return {"1": True, "0": False}.get(parts[2]) if len(parts) == 3 else None


async def _live(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """The app's life: what fails in its start is captured, and what is left is sent before it ends."""
    from ukemi.sdk.setup import flush

    async def send_flushing(message: Message) -> None:
        if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            ignore_logger("uvicorn.error")  # it tells the error that we capture here again, as text, and then ends
            # Frameworks say this while they handle the error; the server may end before it reaches us below.
            if (error := sys.exc_info()[1]) is not None:
                capture_unhandled(error)
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"):
            await asyncio.to_thread(flush, ended=True)
        await send(message)

    try:
        await app(scope, receive, send_flushing)
    except Exception as error:
        capture_unhandled(error)
        await asyncio.to_thread(flush)
        raise


@contextmanager
def _quiet(inner: Any) -> Iterator[None]:
    """A context manager of sentry-sdk whose own failures stay here; the app's exceptions pass unchanged."""
    try:
        inner.__enter__()
    except Exception:  # the border to the host app
        report_internal("scope_not_entered")
        yield
        return
    try:
        yield
    finally:
        try:
            inner.__exit__(None, None, None)
        except Exception:  # the border to the host app
            report_internal("scope_not_left")
