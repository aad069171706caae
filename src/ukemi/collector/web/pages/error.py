"""What somebody sees when a page cannot be shown."""

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.web.context import respond

log = structlog.get_logger("ukemi.web")


class ErrorPage(msgspec.Struct, frozen=True):
    title: str
    detail: str


def not_found(request: Request, error: Exception) -> Response:
    return respond(request, "error.html", ErrorPage("Not found", str(error)), 404)


def http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return not_found(request, Exception("There is no such page. Perhaps the address was cut short."))
    page = ErrorPage(f"Error {error.status_code}", error.detail)
    return respond(request, "error.html", page, error.status_code)


def broken(request: Request, error: Exception) -> Response:
    log.error("page failed", path=request.url.path, exc_info=error)
    page = ErrorPage("This page is broken", "The collector's log says why. Events are accepted all the same.")
    return respond(request, "error.html", page, 500)
