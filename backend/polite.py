"""Errors answered politely: JSON for programs, a page with a feedback form for people, and both with an event id to quote."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from backend.observability import global_exception_handler, http_exception_handler
from backend.show import show


def answer_politely(app: FastAPI) -> None:
    for error, handler in (
        (Exception, _answer_error),
        (HTTPException, _answer_http_error),
        (RequestValidationError, _answer_invalid),
    ):
        app.add_exception_handler(error, handler)


async def _answer_error(request: Request, error: Exception) -> Response:
    return _for_whoever_asks(request, await global_exception_handler(request, error))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    return _for_whoever_asks(request, await http_exception_handler(request, error))


async def _answer_invalid(request: Request, error: Any) -> Response:
    return _for_whoever_asks(request, await request_validation_exception_handler(request, error))


def _for_whoever_asks(request: Request, answer: Response) -> Response:
    """The answer as a page, when a person's browser asked for one; a redirect is one already."""
    is_program = request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", "")
    if is_program or answer.status_code < HTTPStatus.BAD_REQUEST:
        return answer
    told = json.loads(bytes(answer.body) or b"{}")
    page = show(
        request,
        "error.html",
        status=answer.status_code,
        what=_in_words(answer.status_code, told.get("detail")),
        event_id=told.get("event_id"),
    )
    for name, value in answer.headers.items():  # such as Retry-After
        page.headers.setdefault(name, value)
    return page


def _in_words(status: int, detail: Any) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Something broke on our side. We have been told, and look into it."
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return "Something in the form is missing, too short or too long. Please go back and look at it again."
    if status == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        return "There is no such page."
    return str(detail)
