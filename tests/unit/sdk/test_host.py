"""The host app runs as if we were not there, whatever fails in sentry-sdk or in us."""

import asyncio
import logging

import pytest
import sentry_sdk
import sentry_sdk.scope
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

import ukemi.sdk
from ukemi.sdk import runtime


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def app(calls) -> FastAPI:
    app = FastAPI()

    @app.get("/ok")
    async def ok():
        calls.append("ok")
        return {"ok": True}

    @app.get("/sync")
    def sync():
        calls.append("sync")
        return {"ok": True}

    @app.get("/fail")
    async def fail():
        calls.append("fail")
        raise ValueError("broken")

    @app.get("/says")
    async def says():
        """Uses everything that a handler may use."""
        calls.append("says")
        ukemi.sdk.set_tag("dojo", "main")
        ukemi.sdk.set_context("shop", {"open": True})
        ukemi.sdk.add_breadcrumb("shop", "opened", {"at": 7})
        ukemi.sdk.add_user_context(1, username="mori")
        ukemi.sdk.clear_user_context()
        ukemi.sdk.add_request_context({"type": "http", "path": "/", "headers": []})
        ukemi.sdk.track_business_operation("sold", "belt", 7)
        ukemi.sdk.track_external_api_call("stripe", "/v1/charges", "POST", 500)
        ukemi.sdk.track_database_operation("SELECT", "member")
        ukemi.sdk.track_cache_operation("get", "member:7")
        ukemi.sdk.track_payment_error(ValueError("declined"), amount=5)
        assert ukemi.sdk.capture_exception(ValueError("by hand")) is None
        assert ukemi.sdk.capture_message("by hand") is None
        ukemi.sdk.flush(0)
        return {"ok": True}

    @app.get("/stream")
    async def stream():
        async def rows():
            calls.append("stream")
            yield "a"
            yield "b"

        return StreamingResponse(rows())

    @app.websocket("/live")
    async def live(socket: WebSocket):
        calls.append("live")
        await socket.accept()
        await socket.close()

    return app


BARE = {"default_integrations": False, "auto_enabling_integrations": False}


def break_sentry_sdk(monkeypatch) -> None:
    """
    Every function of its surface, and the methods below, raise.

    Except `get_client`: what sentry-sdk itself puts into logging and httpx calls it, in every process that has it.
    """

    def broken(*_arguments, **_options):
        raise RuntimeError("sentry-sdk is broken")

    for name in sentry_sdk.__all__:
        thing = getattr(sentry_sdk, name)
        if callable(thing) and not isinstance(thing, type) and name != "get_client":
            monkeypatch.setattr(sentry_sdk, name, broken)
    for name in (
        "add_event_processor",
        "set_user",
        "set_tag",
        "set_context",
        "clear_breadcrumbs",
        "capture_event",
        "fork",
    ):
        monkeypatch.setattr(sentry_sdk.scope.Scope, name, broken)


@pytest.mark.parametrize("path", ["/ok", "/sync", "/stream", "/says"])
def test_a_handler_runs_once_and_answers_when_all_of_sentry_sdk_raises(init, serve, app, calls, monkeypatch, path):
    init(app, **BARE)
    break_sentry_sdk(monkeypatch)
    assert serve(app).get(path).status_code == 200
    assert calls == [path[1:]]


def test_an_error_stays_the_apps_own_when_all_of_sentry_sdk_raises(init, serve, app, calls, monkeypatch):
    init(app, **BARE)
    break_sentry_sdk(monkeypatch)
    answer = serve(app).get("/fail")
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})
    assert calls == ["fail"]
    scope = {"type": "http", "method": "GET", "path": "/fail", "query_string": b"", "headers": []}
    with pytest.raises(ValueError, match="broken"):
        serve(app).run(scope, {"type": "http.request"})


def test_websockets_and_the_apps_life_go_on_when_all_of_sentry_sdk_raises(init, serve, app, calls, monkeypatch):
    init(app, **BARE)
    break_sentry_sdk(monkeypatch)
    scope = {"type": "websocket", "path": "/live", "query_string": b"", "headers": [], "subprotocols": []}
    serve(app).run(scope, {"type": "websocket.connect"})
    life = serve(app).live()
    assert calls == ["live"]
    assert [message["type"] for message in life] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_our_own_failures_are_counted_and_the_first_is_told(init, serve, app, monkeypatch, caplog):
    init(app, **BARE)
    break_sentry_sdk(monkeypatch)
    for _ in range(3):
        serve(app).get("/ok")
    assert runtime.current().internal["request_not_entered"] == 3
    assert sum("request_not_entered" in record.getMessage() for record in caplog.records) == 1


def test_a_user_that_cannot_be_found_out_costs_the_user_and_not_the_event(init, sent, serve, app):
    def find(scope):
        raise LookupError("no database")

    init(app, user=find)
    answer = serve(app).get("/fail")
    assert answer.json()["event_id"] == sent.event()["event_id"]
    assert sent.event()["request"]["url"].endswith("/fail")
    assert runtime.current().internal == {"event_not_described": 1}


def test_a_client_that_leaves_is_no_event_and_no_failure(init, sent, app):
    started = asyncio.Event()

    @app.get("/slow")
    async def slow():
        started.set()
        await asyncio.sleep(60)

    init(app)

    async def leave():
        scope = {"type": "http", "method": "GET", "path": "/slow", "query_string": b"", "headers": []}

        async def receive():
            await asyncio.sleep(60)

        async def send(message): ...

        task = asyncio.create_task(app({"asgi": {"version": "3.0"}, **scope}, receive, send))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    runtime.current().counter.end()

    assert sent.events() == []
    [route] = sent.items("ukemi_request_counts")[-1]["buckets"][0]["routes"]
    assert route["status"] == 499


def test_a_transport_that_raises_does_nothing_to_the_answer(init, serve, app, calls):
    from sentry_sdk.transport import Transport

    class Raising(Transport):
        def capture_envelope(self, envelope):
            raise OSError("no network")

    init(app, transport=Raising)
    assert serve(app).get("/fail").status_code == 500
    assert serve(app).get("/says-not").status_code == 404
    assert calls == ["fail"]


def test_things_that_are_no_exceptions_are_not_captured_and_do_no_harm(init, sent):
    init()
    assert ukemi.sdk.capture_exception("a text") is None
    assert ukemi.sdk.track_api_error(ValueError("x"), status_code=502) == sent.events()[-1]["event_id"]


def test_our_warnings_are_no_events(init, sent, caplog):
    init()
    ukemi.sdk.report_internal("something")
    logging.getLogger("ukemi").warning("anything")
    assert sent.events() == []
