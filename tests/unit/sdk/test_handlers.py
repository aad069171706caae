"""Answers to errors are those of FastAPI, with an event id where there is an event."""

import pytest
from fastapi import FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.routing import Route

from ukemi.sdk import track_payment_error


@pytest.fixture
def app():
    app = FastAPI()

    @app.get("/status/{status}")
    async def status(status: int, detail: str | None = None):
        raise HTTPException(status, detail, headers={"X-Shop": "closed", "Retry-After": "7"})

    return app


def test_a_503_keeps_its_headers_and_is_captured(init, sent, serve, app):
    init(app)
    answer = serve(app).get("/status/503?detail=later")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json() == {"detail": "later", "event_id": sent.event()["event_id"]}
    assert sent.event()["exception"]["values"][0]["mechanism"]["handled"] is True


def test_the_answer_to_an_error_that_was_captured_names_its_event_whatever_the_status(init, sent, serve):
    """Who is told that a card was declined wants to quote something, too."""
    app = FastAPI()
    init(app)

    @app.get("/pay")
    async def pay():
        try:
            raise ConnectionError("declined")  # noqa: TRY301 - as apps raise it
        except ConnectionError as error:
            track_payment_error(error, expected=True)
            raise HTTPException(402, "Your card was declined.") from error

    answer = serve(app).get("/pay")
    assert (answer.status_code, answer.json()["event_id"]) == (402, sent.event()["event_id"])


@pytest.mark.parametrize("path", ["/status/404", "/status/401", "/nowhere"])
def test_a_clients_mistake_is_no_event(init, sent, serve, app, path):
    init(app)
    assert serve(app).get(path).status_code in (401, 404)
    assert sent.events() == []


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_none(init, serve, app, status):
    init(app)
    answer = serve(app).get(f"/status/{status}")
    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("detail", [None, "", 0, {"code": 7}, [], ["a"], {}])
def test_below_500_the_answer_is_fastapis_own_whatever_the_detail(init, serve, detail):
    def make():
        app = FastAPI()

        @app.get("/")
        async def refuse():
            raise HTTPException(418, detail, headers={"X-Shop": "closed"})

        return app

    tracked = make()
    init(tracked)
    ours, plain = serve(tracked).get("/"), serve(make()).get("/")
    assert (ours.status_code, ours.json()) == (plain.status_code, plain.json())
    assert ours.headers["X-Shop"] == "closed"


def test_a_status_that_no_standard_knows_is_answered_as_it_is(init, serve):
    app = FastAPI()

    @app.get("/")
    async def refuse():
        raise HTTPException(499, "")

    init(app)
    assert serve(app).get("/").status_code == 499


def test_a_starlette_app_is_tracked_too(init, sent, serve):
    async def fail(request):
        raise ValueError(request.path_params["number"])

    app = Starlette(routes=[Route("/items/{number}", fail)])
    init(app)
    assert serve(app).get("/items/5").json()["event_id"] == sent.event()["event_id"]
    assert sent.event()["transaction"] == "GET /items/{number}"
