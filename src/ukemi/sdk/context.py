"""Who, where and what before: user, request, breadcrumbs, tags. All of it belongs to the request at hand and ends with it."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec

import sentry_sdk

from ukemi.sdk.marks import request_at_hand
from ukemi.sdk.request import request_of
from ukemi.sdk.runtime import report_internal

P = ParamSpec("P")

_runs_in: ContextVar[weakref.ref[Any] | None] = ContextVar("ukemi_runs_in", default=None)
"""The task or thread that the scope at hand was made for, outside of requests."""


def _guarded(tell: Callable[P, None]) -> Callable[P, None]:
    """What cannot be told is left out: no handler fails for it."""

    @wraps(tell)
    def guarded(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            tell(*arguments, **options)
        except Exception:  # the border to the host app
            report_internal("context_not_told")

    return guarded


def _own_scope() -> sentry_sdk.Scope:
    """
    The scope of the request at hand; outside of any, of the running task alone.

    A task begins in the scope of who started it: jobs side by side would tell each other's users.
    """
    here: Any = threading.current_thread()
    with suppress(RuntimeError):  # no loop runs in this thread
        here = asyncio.current_task() or here
    known = _runs_in.get()
    if request_at_hand.get() is None and here is not threading.main_thread() and not (known and known() is here):
        sentry_sdk.Scope.set_isolation_scope(sentry_sdk.Scope.get_isolation_scope().fork())
        _runs_in.set(weakref.ref(here))
    return sentry_sdk.Scope.get_isolation_scope()


@_guarded
def add_user_context(
    user_id: str | int | None = None,
    email: str | None = None,
    username: str | None = None,
    role: str | None = None,
    tier: str | None = None,
    ip_address: str | None = None,
    **more: Any,
) -> None:
    """Say who is using the app. E-mail, user name and address are hashed before they leave; id, role and tier stay."""
    user = {
        "id": None if user_id is None else str(user_id),
        "email": email,
        "username": username,
        "role": role,
        "tier": tier,
        "ip_address": ip_address,
        **more,
    }
    _own_scope().set_user({name: value for name, value in user.items() if value is not None})


@_guarded
def clear_user_context() -> None:
    """Forget who is using the app: after signing out."""
    _own_scope().set_user(None)


@_guarded
def add_request_context(request: Any) -> None:
    """
    Say which request is being served. The middleware does this by itself; for code that runs outside of it.

    Args:
        request: a Starlette or FastAPI request, or an ASGI scope.
    """
    scope = request if isinstance(request, Mapping) else request.scope
    described = request_of(scope)

    def add(event: Any, _hint: Any) -> Any:
        event.setdefault("request", described)
        return event

    add.describes_request = True  # type: ignore[attr-defined]
    isolation = _own_scope()
    others = [one for one in isolation._event_processors if not hasattr(one, "describes_request")]  # noqa: SLF001
    isolation._event_processors = [*others, add]  # noqa: SLF001 - the latest request only; there is no public way to replace one


@_guarded
def add_breadcrumb(category: str, message: str, data: Mapping[str, Any] | None = None, level: str = "info") -> None:
    """Leave a trace of what happened; the latest hundred come with the next event of the same request."""
    _own_scope().add_breadcrumb(category=category, message=message, data=dict(data or {}), level=level)


@_guarded
def set_tag(key: str, value: str) -> None:
    """A short word to search by."""
    sentry_sdk.set_tag(key, value)


@_guarded
def set_context(name: str, context: Mapping[str, Any]) -> None:
    """A section of its own on the issue."""
    sentry_sdk.set_context(name, dict(context))
