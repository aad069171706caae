"""What a client sees of an error: JSON with an event id that can be quoted. Registered by `init`, or by hand."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from ukemi.sdk.capture import capture_exception, capture_unhandled
from ukemi.sdk.marks import event_id_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def global_exception_handler(request: "Request", exc: Exception) -> "Response":  # noqa: ARG001 - the signature is Starlette's
    """Answer any unhandled exception with 500 and the id of its event."""
    return _answer(500, "Internal Server Error", capture_unhandled(exc), None)


async def http_exception_handler(request: "Request", exc: Exception) -> "Response":  # noqa: ARG001 - the signature is Starlette's
    """
    Answer an HTTP exception as FastAPI does, headers included; one of 500 and above is captured.

    Unless it was raised while handling an error that was captured: then it is that error's answer, and no second event.
    Such an answer names the error's event whatever its status, for who is told "card declined" wants to quote it, too.
    """
    status = int(getattr(exc, "status_code", 500))
    headers: Mapping[str, str] | None = getattr(exc, "headers", None)
    return _answer(status, getattr(exc, "detail", None), _captured(exc) if status >= 500 else _answered(exc), headers)


def capture_answers(app: Any) -> None:
    """Have captured what exception handlers of the app's own answer with 500 and above; and those of apps mounted in it."""
    if getattr(app, "_ukemi_captures", False):
        return
    app._ukemi_captures = True  # noqa: SLF001 - a mark of ours
    if app.middleware_stack is not None:  # the app has begun already
        _capture_begun(app.middleware_stack)
        _capture_mounted(app)
        return
    build: Callable[[], Any] = app.build_middleware_stack

    def build_capturing() -> Any:
        from starlette.exceptions import HTTPException
        from starlette.middleware.exceptions import ExceptionMiddleware

        given = app.exception_handlers
        known = {HTTPException: ExceptionMiddleware(app).http_exception, **given}
        app.exception_handlers = {key: _capturing(key, handler) for key, handler in known.items()}
        _capture_mounted(app)
        try:
            return build()
        finally:
            app.exception_handlers = given

    app.build_middleware_stack = build_capturing


def _capture_mounted(app: Any) -> None:
    for route in app.routes:
        mounted = getattr(route, "app", None)
        if hasattr(mounted, "build_middleware_stack"):
            capture_answers(mounted)


def _capture_begun(stack: Any) -> None:
    """In the stack that serves already, where Starlette keeps the handlers; nowhere, should it keep them elsewhere one day."""
    while stack is not None:
        for name in ("_exception_handlers", "_status_handlers"):
            handlers = getattr(stack, name, None)
            if isinstance(handlers, dict):
                handlers.update({key: _capturing(key, handler) for key, handler in handlers.items()})
        stack = getattr(stack, "app", None)


def _capturing(key: Any, handler: Any) -> Any:
    """The handler, and what it answers is looked at. What the one for everything answers is raised again, up to us."""
    if key in (500, Exception) or handler is http_exception_handler:
        return handler
    if _is_async(handler):

        @wraps(handler)
        async def answer_async(request: Any, exc: Exception) -> Any:
            return _looked_at(await handler(request, exc), exc)

        return answer_async

    @wraps(handler)
    def answer(request: Any, exc: Exception) -> Any:
        return _looked_at(handler(request, exc), exc)

    return answer


def _is_async(handler: Any) -> bool:
    """Whether Starlette awaits the handler; all others it runs in a thread."""
    while isinstance(handler, partial):
        handler = handler.func
    return iscoroutinefunction(handler) or iscoroutinefunction(type(handler).__call__)


def _looked_at(response: Any, exc: Exception) -> Any:
    status = getattr(response, "status_code", None)  # a websocket's handler answers with nothing
    if isinstance(status, int) and status >= 500:
        _captured(exc)
    return response


def _captured(exc: BaseException) -> str | None:
    """Id of the event of what was answered with 500 or above: that of the error which led there, when there is one."""
    return _answered(exc) or capture_exception(exc)


def _answered(exc: BaseException) -> str | None:
    """Id of the event of the error that `exc` is the answer to; None when that was not captured."""
    handled = exc.__cause__ or exc.__context__
    return event_id_of(handled) if handled else None


def _answer(status: int, detail: Any, event_id: str | None, headers: Mapping[str, str] | None) -> "Response":
    from starlette.responses import JSONResponse, Response

    if status < 200 or status in (204, 205, 304):  # these have no body
        return Response(status_code=status, headers=headers)
    body = {"detail": detail, **({"event_id": event_id} if event_id else {})}
    return JSONResponse(body, status, headers)
