"""One error is one event, wherever it is raised and however many places see it on its way."""

import asyncio
import logging
import threading
from contextlib import asynccontextmanager

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

import ukemi.sdk
from ukemi.sdk.marks import event_id_of

log = logging.getLogger("shop")


class Broken(Exception):
    pass


class Frozen(Exception):
    """An exception that lets nobody write on it, as frozen dataclasses do."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


class Delegating(Exception):
    """An exception that answers for every attribute."""

    def __getattr__(self, name):
        return f"no {name}"


def fail(what: str) -> None:
    raise Broken(what)


async def needs_async() -> None:
    raise Broken("dependency")


def needs_sync() -> None:
    raise Broken("dependency")


async def needs_yield():
    yield 1
    raise Broken("after the yield")


async def needs_and_passes_on():
    try:
        yield 1
    except Broken:
        log.exception("seen by the dependency")
        raise


class RaisingMiddleware:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope.get("path") == "/middleware":
            raise Broken("middleware")
        await self.app(scope, receive, send)


def shop() -> FastAPI:
    app = FastAPI()

    @app.get("/async")
    async def in_async():
        raise Broken("async")

    @app.get("/sync")
    def in_sync():
        raise Broken("sync")

    @app.get("/dependency-async", dependencies=[Depends(needs_async)])
    async def dependency_async(): ...

    @app.get("/dependency-sync", dependencies=[Depends(needs_sync)])
    async def dependency_sync(): ...

    @app.get("/dependency-yield", dependencies=[Depends(needs_yield)])
    async def dependency_yield(): ...

    @app.get("/dependency-passes-on", dependencies=[Depends(needs_and_passes_on)])
    async def dependency_passes_on():
        raise Broken("below a dependency")

    @app.get("/background-async")
    async def background_async(tasks: BackgroundTasks):
        tasks.add_task(needs_async)

    @app.get("/background-sync")
    def background_sync(tasks: BackgroundTasks):
        tasks.add_task(needs_sync)

    @app.get("/middleware")
    async def never_reached(): ...

    @app.get("/logged")
    async def logged():
        try:
            fail("logged")
        except Broken:
            log.exception("it is broken")
            raise

    @app.get("/logged-in-a-thread")
    def logged_in_a_thread():
        try:
            fail("logged")
        except Broken as error:
            thread = threading.Thread(target=log.error, args=("it is broken",), kwargs={"exc_info": error})
            thread.start()
            thread.join()
            raise

    @app.get("/group")
    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(needs_async())

    @app.get("/group-logged-then-its-member")
    async def group_then_member():
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(needs_async())
        except* Broken as broken:
            log.exception("it is broken")
            error = broken.exceptions[0]
        raise error

    @app.get("/member-logged-then-its-group")
    async def member_then_group():
        async def logs():
            try:
                await needs_async()
            except Broken:
                log.exception("it is broken")
                raise

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(logs())

    @app.get("/by-hand")
    async def by_hand():
        try:
            fail("by hand")
        except Broken as error:
            ukemi.sdk.capture_exception(error)
            raise

    @app.get("/tracked")
    async def tracked():
        try:
            fail("tracked")
        except Broken as error:
            ukemi.sdk.track_database_error(error, "SELECT", "member")
            raise

    @app.get("/stream")
    async def stream():
        async def rows():
            yield "first"
            raise Broken("midway")

        return StreamingResponse(rows())

    @app.get("/frozen")
    async def frozen():
        raise Frozen("nobody writes on me")

    @app.get("/delegating")
    async def delegating():
        raise Delegating("ask me anything")

    @app.get("/unavailable")
    async def unavailable():
        raise HTTPException(503, "later", headers={"Retry-After": "7"})

    return app


PATHS = [
    route.path for route in shop().routes if getattr(route, "include_in_schema", False) and route.path != "/unavailable"
]


@pytest.mark.parametrize("path", PATHS)
def test_an_unhandled_error_is_one_event(init, sent, serve, path):
    app = shop()
    init(app)
    app.add_middleware(RaisingMiddleware)

    serve(app).get(path)

    event = sent.event()
    assert event["level"] == "error"
    assert event["request"]["url"] == f"http://shop.example.org{path}"
    assert sent.lost_errors() == [], "what was sent once is not lost when it is met again"


@pytest.mark.parametrize("path", PATHS)
def test_an_error_is_one_event_also_below_a_middleware_with_tasks_of_its_own(init, sent, serve, path):
    """Starlette's BaseHTTPMiddleware runs the app in a task group, which wraps and unwraps exceptions."""
    app = shop()

    async def pass_on(request, call_next):
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    app.add_middleware(RaisingMiddleware)
    init(app)

    serve(app).get(path)

    assert len(sent.events()) == 1


HTTP = {"type": "http", "method": "GET", "path": "/async", "query_string": b"", "headers": []}


def test_a_server_that_logs_the_error_adds_no_event(init, sent, serve):
    """Uvicorn logs what the app lets through, after our middleware is done with the request."""
    app = shop()
    init(app)

    try:
        serve(app).run(HTTP, {"type": "http.request"})
    except Broken:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")

    assert len(sent.events()) == 1


def test_the_id_of_an_error_captured_by_hand_is_the_id_that_the_client_gets(init, sent, serve):
    app = shop()
    init(app)
    ids = []

    @app.get("/twice")
    async def twice():
        try:
            fail("twice")
        except Broken as error:
            ids.extend([ukemi.sdk.capture_exception(error), ukemi.sdk.capture_exception(error)])
            raise

    answer = serve(app).get("/twice")

    assert ids == [sent.event()["event_id"]] * 2
    assert answer.json() == {"detail": "Internal Server Error", "event_id": ids[0]}


def test_an_exception_handler_of_the_apps_own_answers_and_the_error_is_one_event(init, sent, serve):
    app = shop()

    @app.exception_handler(Exception)
    async def apologise(request, error):
        return JSONResponse({"sorry": True}, 500)

    init(app)
    answer = serve(app).get("/async")

    assert answer.json() == {"sorry": True}
    assert sent.event()["exception"]["values"][0]["mechanism"]["handled"] is False


def test_a_handler_of_the_apps_own_for_500_is_kept(init, sent, serve):
    """Starlette knows two names for the same place: Exception and 500."""
    app = shop()

    @app.exception_handler(500)
    async def apologise(request, error):
        return JSONResponse({"sorry": True}, 500)

    init(app)
    answer = serve(app).get("/async")

    assert answer.json() == {"sorry": True}
    assert len(sent.events()) == 1


def test_an_error_that_the_app_handles_is_no_event(init, sent, serve):
    app = shop()

    @app.exception_handler(Broken)
    async def known(request, error):
        return JSONResponse({"known": True}, 409)

    init(app)
    assert serve(app).get("/async").status_code == 409
    assert sent.events() == []


def test_an_exception_raised_again_by_another_request_is_an_event_of_its_own(init, sent, serve):
    """Apps keep exceptions and raise the same object for every request, as a closed pool does."""
    app = shop()
    closed = Broken("the pool is closed")

    @app.get("/pool")
    async def pool():
        raise closed

    init(app)
    client = serve(app)
    for _ in range(3):
        client.get("/pool")

    assert len({event["event_id"] for event in sent.events()}) == 3


def test_a_websocket_handlers_error_is_one_event(init, sent, serve):
    app = FastAPI()
    init(app)

    @app.websocket("/live/{room}")
    async def live(socket: WebSocket, room: str):
        await socket.accept()
        await socket.receive_text()
        raise Broken("websocket")

    scope = {"type": "websocket", "path": "/live/dojo", "query_string": b"", "headers": [], "subprotocols": []}
    messages = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    with pytest.raises(Broken):
        serve(app).run(scope, *messages)

    event = sent.event()
    assert event["transaction"] == "WEBSOCKET /live/{room}"
    assert event["exception"]["values"][0]["type"] == "Broken"


@pytest.mark.parametrize("moment", ["start", "stop"])
def test_an_error_in_the_apps_life_is_one_event(init, sent, serve, moment):
    @asynccontextmanager
    async def life(_app):
        if moment == "start":
            raise Broken("no database")
        yield
        raise Broken("no goodbye")

    app = FastAPI(lifespan=life)
    init(app)

    with pytest.raises(Broken):
        serve(app).live()

    assert sent.event()["exception"]["values"][0]["type"] == "Broken"


def test_an_error_that_the_filter_of_the_app_held_back_is_asked_about_once(init, sent, serve):
    """Otherwise a hook that keeps half of the errors by chance would be asked three times for each."""
    app = shop()
    asked = []

    def keep_none(event, hint):
        asked.append(event)

    init(app, before_send=keep_none)
    answer = serve(app).get("/logged")

    assert len(asked) == 1
    assert answer.json() == {"detail": "Internal Server Error"}, "no id is shown for an event that does not exist"
    assert sent.lost_errors() == ["before_send"]


def test_an_error_is_an_error_also_when_nothing_tracks_it():
    error = Broken("off")
    assert ukemi.sdk.capture_exception(error) is None
    assert ukemi.sdk.capture_message("off") is None
    assert event_id_of(error) is None
