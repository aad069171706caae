"""Set-up in one call."""

import copy
import dataclasses
import logging
import os
import sys
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

import sentry_sdk
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.integrations import DidNotEnable, Integration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.utils import BadDsn, Dsn

from ukemi.privacy import Rules
from ukemi.protocol.vocabulary import HEALTH_SEGMENTS, REQUEST_COUNTS_ITEM
from ukemi.sdk import runtime
from ukemi.sdk.handlers import capture_answers, global_exception_handler, http_exception_handler
from ukemi.sdk.marks import was_met
from ukemi.sdk.release import find_release
from ukemi.sdk.request_counts import Reporter, RequestCounter
from ukemi.sdk.runtime import Runtime, UserOf, report_internal
from ukemi.sdk.sampling import (
    CRITICAL_SEGMENTS,
    lowered,
    make_traces_sampler,
    request_sampler,
)
from ukemi.sdk.scrubbing import before_send, before_send_transaction
from ukemi.sdk.storm import PER_MINUTE, StormGuard, make_teller
from ukemi.sdk.transport import Turn, UkemiTransport, behind_door
from ukemi.sdk.user import Jwt

log = logging.getLogger("ukemi")

FLUSH_S: Final = 2.0
COMPRESSION: Final = 4
"""Of what is sent. sentry-sdk takes 9, which is nine times the work for a twentieth of the bytes (an error of 34 KB)."""
DEFAULT_ENVIRONMENT: Final = "production"


@dataclasses.dataclass(frozen=True)
class Status:
    """What `init` did; also a line in the log."""

    is_on: bool
    message: str


def init(
    app: Any = None,
    *,
    dsn: str | None = None,
    environment: str | None = None,
    release: str | None = None,
    traces_sample_rate: float = 0.1,
    profiles_sample_rate: float = 0.0,
    pii_key: str | bytes | None = None,
    user: UserOf | None = None,
    jwt: Jwt | None = None,
    critical_paths: Collection[str] = CRITICAL_SEGMENTS,
    health_paths: Collection[str] = HEALTH_SEGMENTS,
    expected_failures: str = "warning",
    rules: Rules | None = None,
    storm_guard: int = PER_MINUTE,
    **sentry_options: Any,
) -> Status:
    """
    Set error tracking up. Never raises for what a user may get wrong: the log says what, and the app runs untracked.

    Args:
        app: the FastAPI or Starlette app: it gets the middleware and, where it has none of its own, exception handlers.
        dsn: where to send; default `SENTRY_DSN`. Empty: tracking is off.
        environment: default `SENTRY_ENVIRONMENT`, else `production`.
        release: default: found by `find_release`.
        traces_sample_rate: share of ordinary requests kept as transactions, 0 to 1; critical paths are all kept.
        pii_key: keys the hashes of e-mail addresses, IP addresses and user names; default `UKEMI_PII_KEY`. Without one
            they are removed instead.
        user: finds the user of a request from its ASGI scope; default: `request.state.user`, else `jwt`.
        jwt: how the app's tokens are verified.
        critical_paths, health_paths: path segments, see `make_traces_sampler`. Health checks are not counted.
        expected_failures: level of failures that a user can cause alone; `error` makes them page too.
        rules: further rules for scrubbing.
        storm_guard: of one error (type, place, route), so many events a minute are sent whole; further ones are counted
            and told as a number. 0: all are sent.
        sentry_options: anything else that `sentry_sdk.init` takes.
    """
    asked = {name: value for name, value in locals().items() if name not in ("app", "dsn", "sentry_options")}
    dsn = os.environ.get("SENTRY_DSN", "") if dsn is None else dsn
    environment = environment or os.environ.get("SENTRY_ENVIRONMENT") or DEFAULT_ENVIRONMENT
    release = release or find_release()
    _end_previous()
    if not dsn:
        runtime.install(Runtime(again=partial(init, **asked, **sentry_options)))
        return _done(app, Status(False, "Error tracking is off: no DSN is set (SENTRY_DSN)."))
    try:
        target = Dsn(dsn)
    except (BadDsn, ValueError) as error:
        return _done(app, Status(False, f"Error tracking is off: the DSN cannot be read ({error})."), logging.ERROR)

    hash_key = _hash_key(pii_key)
    options: dict[str, Any] = {
        "dsn": dsn,
        "environment": environment,
        "release": release,
        "traces_sampler": make_traces_sampler(traces_sample_rate, critical_paths, health_paths),
        "profiles_sample_rate": profiles_sample_rate,
        "max_request_body_size": "never",
        "spotlight": False,  # a second way out, past the door; only who asks for it by hand gets it
        **(
            {}
            if _shapes_frames(sentry_options)
            else {"include_local_variables": False, "include_source_context": False}
        ),
        **sentry_options,
        "_experiments": {"transport_zlib_compression_level": COMPRESSION, **(sentry_options.get("_experiments") or {})},
        "integrations": _integrations(sentry_options.get("integrations", ())),
        "transport": behind_door(sentry_options["transport"]) if "transport" in sentry_options else UkemiTransport,
        "before_send": partial(before_send, first=sentry_options.get("before_send")),
        "before_send_transaction": _after(sentry_options.get("before_send_transaction"), before_send_transaction),
        # With `data_collection`, sentry-sdk has no scrubber of its own to be replaced, and warns of any.
        **({} if "data_collection" in sentry_options else {"event_scrubber": _NoScrubber()}),
        **_without_replaced(sentry_options),
    }
    try:
        sentry_sdk.init(**options)
    except Exception as error:  # the border to the host app: an option that this version of sentry-sdk does not take
        return _done(app, Status(False, f"Error tracking is off: sentry-sdk refused ({error})."), logging.ERROR)
    # After sentry-sdk, for what is registered last runs first at exit: the last report comes before the last flush.
    storm = StormGuard(storm_guard, tells=_takes_counts(target)) if storm_guard else None
    counter = None
    if _takes_counts(target):
        beside = (make_teller(storm),) if storm else ()
        counter = Reporter(RequestCounter(environment, release or ""), Turn(REQUEST_COUNTS_ITEM).send, *beside)
    runtime.install(
        Runtime(
            is_on=True,
            rules=dataclasses.replace(rules or Rules(), hash_key=hash_key),
            user=user,
            jwt=jwt,
            health=lowered(health_paths),
            counter=counter,
            expected_level=expected_failures,
            storm=storm,
            tells_repeats=counter is not None,
            fills_frames=not _shapes_frames(sentry_options),
            streams_spans=_streams_spans(sentry_options),
            sampler=None
            if "traces_sampler" in sentry_options
            else request_sampler(traces_sample_rate, critical_paths, health_paths),
        )
    )
    if hash_key is None:
        log.warning(
            "ukemi: UKEMI_PII_KEY is not set, so e-mail addresses, user names and IP addresses are removed from events, "
            "not hashed: users cannot be told apart by them."
        )
    where = f"{target.scheme}://{target.netloc}, project {target.project_id}"
    told = f"environment {environment}, release {release or 'unknown: set SENTRY_RELEASE'}"
    return _done(app, Status(True, f"Error tracking is on: sends to {where}; {told}."))


def flush(timeout_s: float = FLUSH_S, *, ended: bool = False) -> None:
    """
    Send what waits, within `timeout_s`. The middleware does this at the app's shutdown.

    Args:
        ended: say good-bye, too: from now on this process's silence means nothing.
    """
    until_s = time.monotonic() + timeout_s
    counter = runtime.current().counter
    if counter:
        counter.end(timeout_s / 2) if ended else counter.tell_beside(at_once=True)
    try:
        sentry_sdk.flush(timeout=max(0.0, until_s - time.monotonic()))
    except Exception:  # the border to the host app
        report_internal("flush_failed")
    if ended and runtime.current().is_on:
        log.info("ukemi: flushed at shutdown.")


def _end_previous() -> None:
    """Undo an earlier `init`: its thread would go on to report an instance that serves nothing."""
    previous = runtime.current()
    if previous.counter:
        previous.counter.end()
    if previous.is_on:
        sentry_sdk.get_client().close(timeout=FLUSH_S)
    runtime.install(Runtime())


def _streams_spans(sentry_options: dict[str, Any]) -> bool:
    """Whether spans leave one by one, as newer versions of sentry-sdk can, and not with their transaction."""
    chosen = sentry_options.get("trace_lifecycle", (sentry_options.get("_experiments") or {}).get("trace_lifecycle"))
    return bool(chosen == "stream")


def _shapes_frames(sentry_options: dict[str, Any]) -> bool:
    """Whether the app has wishes of its own about what frames carry: then sentry-sdk fulfils them."""
    return any(
        name in sentry_options
        for name in (
            "include_local_variables",
            "include_source_context",
            "attach_stacktrace",
            "add_full_stack",
            "custom_repr",
            "data_collection",
            "max_value_length",
        )
    )


class _Logging(LoggingIntegration):
    """
    sentry-sdk's own, but it leaves out what was met before: the server logs every error that passed us already.

    And `log.error(f"failed: {error}")` while that error is handled is the error, as `log.exception` is: as a text it would
    be a second event, and another issue for each id that stands in it.
    """

    def _handle_record(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else _told(record)
        if error is not None and self._handler is not None and was_met(error):
            if self._breadcrumb_handler is not None and record.levelno >= self._breadcrumb_handler.level:
                self._breadcrumb_handler.handle(record)
            return
        if error is not None and not record.exc_info:
            record = copy.copy(record)  # the app's own log stays as it is
            record.exc_info = (type(error), error, error.__traceback__)
        super()._handle_record(record)


def _told(record: logging.LogRecord) -> BaseException | None:
    """The error at hand, when the record tells it as text."""
    error = sys.exc_info()[1]
    try:
        return error if error is not None and str(error) and str(error) in record.getMessage() else None
    except Exception:  # the host's own code
        return None


def _integrations(given: Collection[Integration]) -> list[Integration]:
    """The app's own, and ours where it has none of that kind."""
    has_logging = any(isinstance(one, LoggingIntegration) for one in given)
    return [*given, *([] if has_logging else [_Logging()])]


class _NoScrubber:
    """In place of sentry-sdk's own scrubber: ours looks everywhere, and runs last."""

    def scrub_event(self, event: Any) -> None:
        pass


def _done(app: Any, status: Status, level: int = logging.INFO) -> Status:
    # Uvicorn configures no handler for other loggers than its own; its log is where people look for start-up lines.
    chosen = log if log.hasHandlers() else logging.getLogger("uvicorn.error")
    chosen.log(level, "ukemi: %s", status.message)
    if hasattr(app, "build_middleware_stack"):
        _install(app)
    elif app is not None:
        chosen.warning("ukemi: this is no FastAPI or Starlette app; wrap it by hand: app = UkemiMiddleware(app).")
    return status


def _install(app: Any) -> None:
    """Wrap the app's whole stack, so that also errors of middleware are seen, and answer errors with their event's id."""
    from starlette.exceptions import HTTPException

    from ukemi.sdk.stack import TrackedStack

    handlers = app.exception_handlers
    if 500 not in handlers:  # Starlette's other name for the same place
        handlers.setdefault(Exception, global_exception_handler)
    if handlers.get(HTTPException) in (None, _default_http_handler()):
        handlers[HTTPException] = http_exception_handler
    if getattr(app, "_ukemi_wrapped", False):
        return
    capture_answers(app)
    build: Callable[[], Any] = app.build_middleware_stack
    app.build_middleware_stack = lambda: TrackedStack(build())
    if app.middleware_stack is not None:  # the app has begun already, for `init` is called in its start
        app.middleware_stack = TrackedStack(app.middleware_stack)
    app._ukemi_wrapped = True  # noqa: SLF001 - a mark of ours


def _default_http_handler() -> Any:
    try:
        from fastapi.exception_handlers import http_exception_handler as default
    except ImportError:
        return None
    return default


def _after(first: Any, ours: Any) -> Any:
    """The app's own hook, then ours: whatever it adds is scrubbed."""
    if first is None:
        return ours

    def both(event: Any, hint: Any) -> Any:
        changed = first(event, hint)
        return None if changed is None else ours(changed, hint)

    return both


def _without_replaced(sentry_options: dict[str, Any]) -> dict[str, Any]:
    """The option that switches off what we replace; before 2.11 there was only one for all that is found by itself."""
    if "disabled_integrations" not in DEFAULT_OPTIONS:
        return {"auto_enabling_integrations": False}
    return {"disabled_integrations": [*sentry_options.get("disabled_integrations", ()), *_replaced_integrations()]}


def _replaced_integrations() -> list[Integration]:
    """What our middleware does in place of sentry-sdk's integrations; on top of them everything would come twice."""
    found: list[Integration] = [DedupeIntegration()]
    try:
        from sentry_sdk.integrations.starlette import StarletteIntegration

        found.append(StarletteIntegration())
        from sentry_sdk.integrations.fastapi import FastApiIntegration

        found.append(FastApiIntegration())
    except (ImportError, DidNotEnable):
        pass
    return found


def _hash_key(given: str | bytes | None) -> bytes | None:
    key = given or os.environ.get("UKEMI_PII_KEY") or None
    return key.encode() if isinstance(key, str) else key


def _takes_counts(target: Dsn) -> bool:
    """Whether the server knows what request counts are: Sentry's own service does not."""
    host = (target.host or "").lower()
    return host != "sentry.io" and not host.endswith(".sentry.io")
