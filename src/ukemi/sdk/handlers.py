"""What a client sees of an error: JSON with an event id that can be quoted. Registered by `init`, or by hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ukemi.sdk.capture import capture_exception, capture_unhandled
from ukemi.sdk.scrubbing import event_id_of

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
    """
    status = int(getattr(exc, "status_code", 500))
    headers: Mapping[str, str] | None = getattr(exc, "headers", None)
    handled = exc.__cause__ or exc.__context__
    event_id = ((event_id_of(handled) if handled else None) or capture_exception(exc)) if status >= 500 else None
    return _answer(status, getattr(exc, "detail", None), event_id, headers)


def _answer(status: int, detail: Any, event_id: str | None, headers: Mapping[str, str] | None) -> "Response":
    from starlette.responses import JSONResponse, Response

    if status < 200 or status in (204, 205, 304):  # these have no body
        return Response(status_code=status, headers=headers)
    body = {"detail": detail, **({"event_id": event_id} if event_id else {})}
    return JSONResponse(body, status, headers)
