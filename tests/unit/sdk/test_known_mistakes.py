"""Mistakes that error tracking for FastAPI is known to make, each made impossible here."""

import asyncio
import functools
import threading

import jwt as pyjwt
import pytest
import sentry_sdk
from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware

import ukemi.sdk

SECRET = "opensesame4711"
TOKEN_KEY = "a key of thirty-two bytes or more, for HS256"
NEXT_TOKEN_KEY = "another key of thirty-two bytes or more"


class GatewayDown(Exception):
    pass


def charge():
    raise GatewayDown("no answer")


async def passes_on(request, call_next):
    return await call_next(request)


# What the app does


@pytest.mark.parametrize("below", [[], [passes_on]], ids=["plain", "below a middleware"])
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_payment_that_fails_after_the_charge_is_charged_once_and_fails(init, sent, serve, kind, below):
    """Calling the app anew to have an answer after an error charges twice, says 200, or waits for a body that was read."""
    app, charges = FastAPI(), []

    @app.post("/async")
    async def in_async(request: Request):
        charges.append((await request.json())["customer"])
        raise GatewayDown("no answer")

    @app.post("/sync")
    def in_sync(payment: dict):
        charges.append(payment["customer"])
        raise GatewayDown("no answer")

    for dispatch in below:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    init(app)
    answer = serve(app).post(f"/{kind}", json={"customer": "cus_9", "filler": "x" * 100_000})

    assert (charges, answer.status_code) == (["cus_9"], 500)
    assert [value["type"] for value in sent.event()["exception"]["values"]] == ["GatewayDown"]


# Who it was


@pytest.mark.parametrize("how", ["add_user_context", "state", "token"])
@pytest.mark.parametrize(
    "path", ["/async", "/sync", "/teardown", "/stream", "/stream-sync", "/background", "/background-sync", "/outer"]
)
def test_the_user_is_on_every_error_of_a_request(init, sent, serve, path, how):
    """Context that is cleared when the handler ends is gone before the error of it is captured, or of what follows."""

    def sign_in(request: Request):
        if how == "add_user_context":
            ukemi.sdk.add_user_context(17)
        elif how == "state":
            request.state.user = {"id": 17}
        yield
        if request.url.path == "/teardown":
            raise GatewayDown("after the answer")

    app = FastAPI(dependencies=[Depends(sign_in)])

    @app.get("/async")
    async def in_async():
        raise GatewayDown

    @app.get("/sync")
    def in_sync():
        raise GatewayDown

    @app.get("/teardown")
    @app.get("/outer")
    async def fine(): ...

    @app.get("/stream")
    async def stream():
        async def rows():
            yield "first"
            raise GatewayDown

        return StreamingResponse(rows())

    @app.get("/stream-sync")
    def stream_sync():
        def rows():
            yield "first"
            raise GatewayDown

        return StreamingResponse(rows())

    @app.get("/background")
    async def background(request: Request):
        return PlainTextResponse("later", background=functools.partial(in_async))

    @app.get("/background-sync")
    def background_sync(request: Request):
        return PlainTextResponse("later", background=functools.partial(asyncio.to_thread, in_sync))

    async def fails_outside(request, call_next):
        answer = await call_next(request)
        if request.url.path == "/outer":
            raise GatewayDown
        return answer

    app.add_middleware(BaseHTTPMiddleware, dispatch=fails_outside)
    init(app, jwt=ukemi.sdk.Jwt(TOKEN_KEY, ["HS256"]))
    token = pyjwt.encode({"sub": "17"}, TOKEN_KEY, "HS256")
    serve(app).get(path, headers={"Authorization": f"Bearer {token}"} if how == "token" else None)

    assert sent.event()["user"]["id"] == "17"


def test_the_user_is_on_the_error_of_a_websocket(init, sent, serve):
    app = FastAPI()

    @app.websocket("/live")
    async def live(websocket: WebSocket):
        await websocket.accept()
        ukemi.sdk.add_user_context(17)
        raise GatewayDown

    init(app)
    scope = {"type": "websocket", "path": "/live", "headers": [], "query_string": b"", "subprotocols": []}
    with pytest.raises(GatewayDown):
        serve(app).run(scope, {"type": "websocket.connect"})

    assert sent.event()["user"] == {"id": "17"}


async def in_a_task(job):
    await asyncio.create_task(asyncio.to_thread(lambda: None))
    await job()


async def in_a_thread(job):
    await asyncio.to_thread(lambda: asyncio.run(job()))


async def in_a_started_thread(job):
    thread = threading.Thread(target=lambda: asyncio.run(job()))
    thread.start()
    await asyncio.to_thread(thread.join)


@pytest.mark.parametrize("runs", [in_a_task, in_a_thread, in_a_started_thread])
def test_jobs_outside_of_requests_share_no_user_and_no_breadcrumb(init, sent, runs):
    """Consumers of a queue run side by side in one process, and nothing forks the scope for them."""
    init()
    sentry_sdk.get_isolation_scope()  # as in a process whose main thread made the scope that all tasks start in
    at_once = threading.Barrier(4)

    async def job(number: int) -> None:
        ukemi.sdk.add_user_context(number)
        ukemi.sdk.add_request_context({"type": "http", "path": f"/{number}", "headers": []})
        ukemi.sdk.add_breadcrumb("job", f"began {number}")
        if runs is in_a_task:
            await asyncio.sleep(0.01)
        else:
            at_once.wait(10)
        ukemi.sdk.capture_message(f"job {number}")

    async def work() -> None:
        await asyncio.gather(*(runs(functools.partial(job, number)) for number in range(4)))

    asyncio.run(work())

    told = [
        (
            event["logentry"]["message"] if "logentry" in event else event["message"],
            event["user"]["id"],
            event["request"]["url"][-1],
            [crumb["message"] for crumb in event["breadcrumbs"]["values"]],
        )
        for event in sent.events()
    ]
    assert sorted(told) == [(f"job {n}", str(n), str(n), [f"began {n}"]) for n in range(4)]


def test_what_a_job_said_is_gone_after_it(init, sent):
    init()
    ukemi.sdk.set_tag("process", "worker")

    async def job() -> None:
        ukemi.sdk.add_user_context(1)

    asyncio.run(job())
    ukemi.sdk.capture_message("idle")

    assert "user" not in sent.event()
    assert sent.event()["tags"]["process"] == "worker"


@pytest.mark.parametrize("key", [TOKEN_KEY, [TOKEN_KEY], [NEXT_TOKEN_KEY, TOKEN_KEY], (TOKEN_KEY, NEXT_TOKEN_KEY)])
def test_a_token_signed_with_any_of_the_keys_gives_the_user(init, sent, serve, key):
    """While keys are exchanged tokens of the old and of the new one come."""
    app = FastAPI()

    @app.get("/")
    async def fail():
        raise GatewayDown

    init(app, jwt=ukemi.sdk.Jwt(key, ["HS256"]))
    token = pyjwt.encode({"sub": "17", "aud": "shop", "iss": "login"}, TOKEN_KEY, "HS256")
    serve(app).get("/", headers={"Authorization": f"Bearer {token}"})

    assert sent.event()["user"]["id"] == "17", "also of a token with an audience that nobody named"


@pytest.mark.parametrize("key", [[], [NEXT_TOKEN_KEY], NEXT_TOKEN_KEY])
def test_a_token_signed_with_none_of_the_keys_gives_no_user(init, sent, serve, key):
    app = FastAPI()

    @app.get("/")
    async def fail():
        raise GatewayDown

    init(app, jwt=ukemi.sdk.Jwt(key, ["HS256"]))
    token = pyjwt.encode({"sub": "17"}, TOKEN_KEY, "HS256")
    serve(app).get("/", headers={"Authorization": f"Bearer {token}"})

    assert "id" not in sent.event()["user"]


def test_nobody_looks_for_the_user_of_a_request_that_goes_well(init, serve):
    """Decoding a token for each request is work for nothing: hardly any has an error."""
    app, asked = FastAPI(), []

    @app.get("/")
    async def fine(): ...

    init(app, user=asked.append)
    assert serve(app).get("/").status_code == 200
    assert asked == []


# Handlers of the app's own


def answers(status: int):
    async def answer(request, error):
        return JSONResponse({"sorry": True}, status)

    return answer


class AnswersAsAnObject:
    async def __call__(self, request, error):
        return JSONResponse({"sorry": True}, 503)


def answers_in_a_thread(request, error):
    return JSONResponse({"sorry": True}, 503)


async def captures_and_answers(request, error):
    ukemi.sdk.capture_exception(error)
    return JSONResponse({"sorry": True}, 503)


def failing() -> FastAPI:
    app = FastAPI()

    @app.get("/unavailable")
    async def unavailable():
        raise HTTPException(503, "later")

    @app.get("/gateway")
    def gateway():
        raise GatewayDown("no answer")

    return app


HANDLERS = [
    answers(503), answers_in_a_thread, AnswersAsAnObject(), functools.partial(AnswersAsAnObject()), captures_and_answers,
]  # fmt: skip


@pytest.mark.parametrize("handler", HANDLERS, ids=["async", "sync", "object", "partial", "captures"])
@pytest.mark.parametrize(
    ("path", "caught"), [("/unavailable", HTTPException), ("/unavailable", 503), ("/gateway", GatewayDown)]
)
@pytest.mark.parametrize("order", ["before", "after"])
def test_what_a_handler_of_the_apps_own_answers_with_5xx_is_one_event(init, sent, serve, handler, path, caught, order):
    """The client saw a failure, and it counts as one: without an event nobody would know of what."""
    app = failing()
    if order == "after":
        init(app)
    app.add_exception_handler(caught, handler)
    if order == "before":
        init(app)
    answer = serve(app).get(path)

    assert (answer.status_code, answer.json()) == (503, {"sorry": True}), "the answer is the app's own"
    assert sent.event()["exception"]["values"][-1]["type"] in ("HTTPException", "GatewayDown")


@pytest.mark.parametrize("status", [200, 404, 409, 422, 499])
@pytest.mark.parametrize(("path", "caught"), [("/unavailable", HTTPException), ("/gateway", GatewayDown)])
def test_what_a_handler_of_the_apps_own_answers_below_500_is_no_event(init, sent, serve, path, caught, status):
    app = failing()
    app.add_exception_handler(caught, answers(status))
    init(app)

    assert serve(app).get(path).status_code == status
    assert sent.events() == []


def test_a_5xx_answer_to_an_error_that_was_captured_is_that_error(init, sent, serve):
    app = FastAPI()
    app.add_exception_handler(HTTPException, answers(503))

    @app.get("/")
    async def fail():
        try:
            charge()
        except GatewayDown as error:
            ukemi.sdk.track_payment_error(error)
            raise HTTPException(503) from error

    init(app)
    serve(app).get("/")

    assert sent.event()["tags"]["domain"] == "payment"


@pytest.mark.parametrize("path", ["/inner/unavailable", "/inner/gateway", "/inner/deeper/unavailable"])
def test_failures_of_a_mounted_app_are_events_and_its_answers_stay(init, sent, serve, path):
    """A mounted app answers by itself, so that an app around it never sees the exception."""
    app, inner, deeper = FastAPI(), failing(), failing()
    inner.mount("/deeper", deeper)
    app.mount("/inner", inner)
    init(app)
    answer = serve(app).get(path)

    assert answer.status_code >= 500
    assert "event_id" not in answer.text
    assert len(sent.events()) == 1


def test_a_websockets_handler_that_answers_with_nothing_is_let_be(init, sent, serve):
    app, closed = FastAPI(), []

    @app.websocket("/live")
    async def live(websocket: WebSocket):
        await websocket.accept()
        raise GatewayDown

    @app.exception_handler(GatewayDown)
    async def close(websocket, error):
        closed.append(type(error))
        await websocket.close()

    init(app)
    scope = {"type": "websocket", "path": "/live", "headers": [], "query_string": b"", "subprotocols": []}
    serve(app).run(scope, {"type": "websocket.connect"})

    assert (closed, sent.events()) == ([GatewayDown], [])
