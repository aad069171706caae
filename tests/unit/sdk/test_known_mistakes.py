"""Mistakes that error tracking for FastAPI is known to make, each made impossible here."""

import asyncio
import functools
import gc
import json
import logging
import os
import sys
import threading
import uuid
import warnings
import weakref

import jwt as pyjwt
import pytest
import sentry_sdk
from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Route

import ukemi.sdk
from ukemi.collector.core.fingerprint import fingerprint
from ukemi.protocol.event import read_event
from ukemi.sdk import runtime
from ukemi.sdk.scrubbing import before_send_transaction

SECRET = "opensesame4711"
TOKEN_KEY = "a key of thirty-two bytes or more, for HS256"
NEXT_TOKEN_KEY = "another key of thirty-two bytes or more"


class GatewayDown(Exception):
    pass


def charge():
    raise GatewayDown("no answer")


def throw(error):
    raise error


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


@pytest.mark.parametrize("reads", [True, False], ids=["body read", "body left"])
@pytest.mark.parametrize("below", [[], [passes_on]], ids=["plain", "below a middleware"])
def test_a_failing_request_whose_body_comes_in_pieces_ends_at_once(init, sent, below, reads):
    """Whoever asks the app once more waits for a body that was read, until the client gives up, and reports that instead."""
    app, asked = FastAPI(), []

    @app.post("/")
    async def fail(request: Request):
        if reads:
            asked.append(len(await request.body()))
        raise GatewayDown("no answer")

    for dispatch in below:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    init(app)
    waiting = [{"type": "http.request", "body": b"x" * 1000, "more_body": number < 2} for number in range(3)]
    answers = []

    async def receive():
        if not waiting:
            await asyncio.Event().wait()  # as a server does, until the client leaves
        return waiting.pop(0)

    async def send(message):
        answers.append(message)

    async def ask():
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": [],
            "asgi": {"version": "3.0"},
        }
        with pytest.raises(GatewayDown):
            await asyncio.wait_for(app(scope, receive, send), 5)

    asyncio.run(ask())

    assert asked == [3000] * reads
    assert answers[0]["status"] == 500
    assert [value["type"] for value in sent.event()["exception"]["values"]] == ["GatewayDown"]


def test_one_call_is_enough(init, sent, serve):
    """A middleware that nobody installs gives no user, no breadcrumbs and no request."""
    app = FastAPI()

    @app.post("/members/{number}/fees")
    async def fail(request: Request, number: int):
        request.state.user = {"id": 17, "role": "member"}
        try:
            charge()
        except GatewayDown as error:
            ukemi.sdk.track_payment_error(error, customer_id="cus_9", amount=5, currency="eur")
            raise

    init(app)
    serve(app).post("/members/7/fees?page=2", headers={"User-Agent": "probe/1"})

    event = sent.event()
    assert (event["user"]["id"], event["user"]["role"]) == ("17", "member")
    assert event["request"]["method"] == "POST"
    assert event["request"]["query_string"] == "page=2"
    assert (
        event["request"]["headers"]["user-agent" if "user-agent" in event["request"]["headers"] else "User-Agent"]
        == "probe/1"
    )
    assert event["transaction"] == "POST /members/{number}/fees"
    assert event["tags"]["domain"] == "payment"
    assert event["fingerprint"][0] == "{{ default }}"
    assert any(crumb["category"] == "request" for crumb in event["breadcrumbs"]["values"])


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


def test_also_a_mounted_app_without_any_handler_is_captured(init, sent, serve):
    async def unavailable(request):
        raise HTTPException(503, "later")

    app = FastAPI()
    app.mount("/inner", Starlette(routes=[Route("/", unavailable)]))
    init(app)

    assert (serve(app).get("/inner/").text, len(sent.events())) == ("later", 1), "its answer is Starlette's own"


@pytest.mark.parametrize("handlers", [{}, {HTTPException: answers(503)}, {503: answers(503)}])
def test_set_up_in_the_apps_own_start_captures_what_its_handlers_answer(init, sent, serve, handlers):
    """Starlette has built its stack by then, and takes no handler any more."""
    app = failing()
    for caught, handler in handlers.items():
        app.add_exception_handler(caught, handler)
    app.middleware_stack = app.build_middleware_stack()
    init(app)

    assert serve(app).get("/unavailable").status_code == 503
    assert sent.event()["exception"]["values"][-1]["type"] == "HTTPException"


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


# One event per error


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR, logging.CRITICAL])
@pytest.mark.parametrize("told", ["payment of order 7f3a9c failed: {}", "{}"])
def test_an_error_that_is_logged_as_text_and_raised_is_one_event(init, sent, serve, caplog, told, level):
    """`log.error(f"… {error}")` beside the capture doubles events, and the ids in the text make an issue of each."""
    app = FastAPI()

    @app.get("/")
    async def fail():
        try:
            charge()
        except GatewayDown as error:
            logging.getLogger("shop").log(level, told.format(error))
            logging.getLogger("shop").log(level, "it says %s", error)
            raise

    init(app)
    answer = serve(app).get("/")

    assert [value["type"] for value in sent.event()["exception"]["values"]] == ["GatewayDown"]
    assert answer.json()["event_id"] == sent.event()["event_id"]
    assert [record.exc_info for record in caplog.records] == [None, None], "the app's own log is as it was"


def test_a_middleware_that_logs_the_error_under_a_number_of_its_own_adds_no_event(init, sent, serve):
    """`log.error(f"request {uuid} failed", exc_info=True)` would be an event and an issue more for each failure."""
    app = FastAPI()

    @app.get("/")
    async def fail():
        raise GatewayDown("no answer")

    async def logs(request, call_next):
        try:
            return await call_next(request)
        except Exception:
            logging.getLogger("metrics").error("request %s failed", uuid.uuid4(), exc_info=True)  # noqa: G201
            raise

    app.add_middleware(BaseHTTPMiddleware, dispatch=logs)
    init(app)
    for _ in range(2):
        serve(app).get("/")

    assert len(sent.events()) == 2
    assert len(set(grouped(sent))) == 1


def test_an_error_that_is_only_logged_as_text_is_an_event_with_its_stack(init, sent):
    init()
    try:
        charge()
    except GatewayDown as error:
        logging.getLogger("shop").error("gave up: %s", error)  # noqa: TRY400 - as many apps do

    [value] = sent.event()["exception"]["values"]
    assert value["stacktrace"]["frames"][-1]["function"] == "charge"
    assert sent.event()["logentry"]["message"] == "gave up: %s"


def test_what_is_logged_while_an_error_is_handled_and_is_another_thing_is_an_event_of_its_own(init, sent):
    init()
    try:
        charge()
    except GatewayDown as error:
        ukemi.sdk.capture_exception(error)
        logging.getLogger("shop").error("the refund of order %d failed, too", 7)  # noqa: TRY400 - as many apps do

    assert ["exception" in event for event in sent.events()] == [True, False]


def test_a_record_that_cannot_be_read_does_no_harm(init, sent, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Unspeakable(Exception):
        def __str__(self):
            raise LookupError("no words")

    init()
    for error in (Unspeakable(), GatewayDown("no answer")):
        try:
            throw(error)
        except Exception:
            logging.getLogger("shop").error("%d orders", "seven")  # noqa: TRY400 - as many apps do

    assert runtime.current().internal == {}


def test_a_captured_exception_can_be_forgotten(init, sent, serve):
    """Whoever remembers the last exception to know it again keeps its frames, and all that stands in them, in memory."""
    app, seen = FastAPI(), []

    class Basket(list):
        pass

    @app.get("/")
    async def fail():
        basket = Basket()
        seen.append(weakref.ref(basket))
        raise GatewayDown(len(basket))

    init(app)
    serve(app).get("/")
    gc.collect()

    assert len(sent.events()) == 1
    assert seen[0]() is None


def test_a_middleware_of_the_frameworks_kind_leaves_no_noise(init, sent, serve):
    """Its streams break off with errors of their own when the app fails, which are nobody's problem."""
    app = FastAPI()

    @app.get("/")
    async def fail():
        raise GatewayDown("no answer")

    app.add_middleware(BaseHTTPMiddleware, dispatch=passes_on)
    init(app)
    serve(app).get("/")

    assert [value["type"] for value in sent.event()["exception"]["values"]] == ["GatewayDown"]
    assert not issubclass(ukemi.sdk.UkemiMiddleware, BaseHTTPMiddleware), "it serves websockets and streams, too"


@pytest.mark.parametrize("path", ["/", "/stream", "/background"])
def test_a_middleware_of_the_frameworks_kind_changes_nothing_of_the_grouping(init, sent, serve, path):
    """It puts frames of its own and of anyio's task groups on the stack, another number with each release of them."""

    def shop() -> FastAPI:
        app = FastAPI()

        @app.get("/")
        async def fail():
            raise GatewayDown("no answer")

        @app.get("/stream")
        async def stream():
            async def rows():
                yield "first"
                await fail()

            return StreamingResponse(rows())

        @app.get("/background")
        async def background():
            return PlainTextResponse("later", background=functools.partial(fail))

        return app

    for below in ([], [passes_on], [passes_on] * 3):
        app = shop()
        for dispatch in below:
            app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
        init(app)
        serve(app).get(path)

    assert len(sent.events()) == 3
    assert len(set(grouped(sent))) == 1
    frames = [event["exception"]["values"][-1]["stacktrace"]["frames"] for event in sent.events()]
    assert len({len(one) for one in frames}) > 1, "the stacks do differ"


def test_a_scrubber_that_fails_says_so_once_and_makes_no_events_of_it(init, sent, caplog):
    """A hook that logs its own failure as an error is asked about that error, and about that one, …"""

    class Unreadable(dict):
        def items(self):
            raise RuntimeError("no")

    init(before_send=lambda event, hint: {**event, "extra": Unreadable(a=1)})
    for number in range(3):
        logging.getLogger("shop").error("broken %d", number)

    ours = [record for record in caplog.records if record.name == "ukemi" and record.levelno >= logging.WARNING]
    assert (sent.events(), len(ours), runtime.current().internal) == ([], 1, {"scrub_failed": 3})


# Grouping


def grouped(sent) -> list[bytes]:
    return [fingerprint(read_event(event)).hash for event in sent.events()]


@pytest.mark.parametrize(
    ("track", "facts"),
    [
        (ukemi.sdk.track_payment_error, {"payment_method": "card"}),
        (ukemi.sdk.track_auth_error, {"auth_method": "password"}),
        (ukemi.sdk.track_database_error, {"operation": "INSERT", "table": "member"}),
        (ukemi.sdk.track_api_error, {"endpoint": "/members", "status_code": 502}),
        (ukemi.sdk.track_subscription_error, {"action": "renew"}),
    ],
)
def test_another_cause_and_another_place_is_another_issue(init, sent, track, facts):
    """One fingerprint for all failures of a domain hides a deadlock behind a time-out, and nothing new looks new."""

    def in_the_shop(error):
        try:
            throw(error)
        except Exception as caught:
            track(caught, **facts)

    def in_the_cellar(error):
        try:
            throw(error)
        except Exception as caught:
            track(caught, **facts)

    init()
    in_the_shop(GatewayDown("no answer"))
    in_the_shop(GatewayDown("no answer"))
    in_the_shop(TimeoutError("too long"))
    in_the_cellar(GatewayDown("no answer"))

    first, again, cause, place = grouped(sent)
    assert first == again
    assert len({first, cause, place}) == 3


@pytest.mark.parametrize(
    ("endpoint", "counts"),
    [
        ("/members/{id}", "/members/{id}"),
        ("/members/17", "/members/{id}"),
        ("/members/17?token=x", "/members/{id}"),
        ("/v1/orders/0b0e7a52-6f0c-4b7e-9d7e-0d6c0a8f6f11/lines", "/v1/orders/{id}/lines"),
        ("/customers/cus_9s6XKzkNRiz8i3", "/customers/{id}"),
        ("/oauth2/token", "/oauth2/token"),
        ("stripe", "stripe"),
    ],
)
def test_ids_in_an_endpoint_make_no_issues_of_their_own(init, sent, endpoint, counts):
    init()
    ukemi.sdk.track_api_error(GatewayDown("no answer"), endpoint=endpoint, status_code=502)
    assert sent.event()["fingerprint"] == ["{{ default }}", "api", counts, "502"]


def test_the_path_of_the_request_is_grouped_by_its_route(init, sent, serve):
    app = FastAPI()

    @app.get("/members/{name}")
    async def member(request: Request, name: str):
        ukemi.sdk.track_api_error(GatewayDown("no answer"), endpoint=request.url.path)

    init(app)
    serve(app).get("/members/kano")
    assert sent.event()["fingerprint"] == ["{{ default }}", "api", "/members/{name}"]


def test_paths_are_no_tags(init, sent, serve):
    """A tag or a transaction's name for each path is as many as there are members."""
    app = FastAPI()

    @app.get("/members/{name}")
    async def member(name: str):
        raise GatewayDown("no answer")

    init(app, traces_sample_rate=1.0)
    serve(app).get("/members/kano")

    [transaction] = sent.items("transaction")
    for told in (sent.event(), transaction):
        assert told["transaction"] == "GET /members/{name}"
        assert "kano" not in str(told.get("tags"))


# What leaves


HEADERS = {
    "AUTHORIZATION": f"Bearer {SECRET}",
    "cookie": f"session={SECRET}",
    "X-API-KEY": SECRET,
    "Stripe-Signature": f"t=1,v1={SECRET}",
    "X-Forwarded-For": "203.0.113.77",
    "Forwarded": "for=203.0.113.77;proto=https",
    "X-Real-Ip": "203.0.113.77",
    "CF-Connecting-IP": "203.0.113.77",
    "Set-Cookie": f"session={SECRET}; HttpOnly",
}


@pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")
@pytest.mark.parametrize("options", [{}, {"attach_stacktrace": True, "send_default_pii": True}], ids=["plain", "more"])
@pytest.mark.parametrize("told", ["by itself", "add_request_context", "local", "local of a log", "transaction"])
def test_no_header_leaves_by_another_door(init, sent, serve, told, options):
    """Headers that are filtered in the request stand raw in a context, in a frame's variables, in a list of pairs."""
    app = FastAPI()

    @app.get("/")
    async def fail(request: Request):
        if told == "add_request_context":
            ukemi.sdk.add_request_context(request)
            ukemi.sdk.set_context("request", {"headers": dict(request.headers), "raw": request.headers.raw})
        raw = request.scope["headers"] if told.startswith("local") else None
        if told == "local of a log":
            logging.getLogger("shop").error("%d headers", len(raw))
            return
        raise GatewayDown("no answer")

    init(app, traces_sample_rate=1.0 if told == "transaction" else 0.0, **options)
    serve(app).get(f"/?token={SECRET}&signature={SECRET}", headers=HEADERS)

    everything = sent.everything()
    assert sent.envelopes
    assert SECRET not in everything
    assert "203.0.113.77" not in everything


PLACES = {
    "exception's value": {"exception": {"values": [{"type": "E", "value": "{}"}]}},
    "frame's variables": {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"dsn": "{}"}}]}}]}},
    "thread's frame": {"threads": {"values": [{"stacktrace": {"frames": [{"vars": {"dsn": "{}"}}]}}]}},
    "log entry": {"logentry": {"message": "{}", "formatted": "{}", "params": ["{}"]}},
    "breadcrumb": {"breadcrumbs": {"values": [{"message": "{}", "data": {"list": [["{}"]]}}]}},
    "context": {"contexts": {"job": {"arguments": [{"deep": [{"deeper": "{}"}]}]}}},
    "extra, a list at its root": {"extra": {"sys.argv": ["--url", "{}"], "body": [["{}"]]}},
    "tag": {"tags": {"where": "{}"}},
    "URL": {"request": {"url": "{}"}},
    "cookies": {"request": {"cookies": {"theme": "{}"}}},
    "server's environment": {"request": {"env": {"DATABASE": "{}"}}},
    "body, a list at its root": {"request": {"data": [{"a": ["{}"]}]}},
    "user": {"user": {"username": "someone", "note": "{}"}},
    "span": {"type": "transaction", "spans": [{"description": "{}", "data": {"x": "{}"}}]},
    "fingerprint": {"fingerprint": ["{{ default }}", "{}"]},
    "name of the server": {"server_name": "{}"},
}


def planted(tree, text):
    if isinstance(tree, dict):
        return {key: planted(value, text) for key, value in tree.items()}
    if isinstance(tree, list):
        return [planted(value, text) for value in tree]
    return text if tree == "{}" else tree.replace("{}", text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"postgresql://shop:{SECRET}@db.internal/shop", SECRET),
        (f"https://u:{SECRET}@shop.example.org/", SECRET),
        (f"Bearer {SECRET}{SECRET}", SECRET),
        (f"sk_live_{SECRET}{SECRET}", SECRET),
        (f"passwd={SECRET}", SECRET),
        (f"pwd: {SECRET}", SECRET),
        (f"token={SECRET}", SECRET),
        ("378282246310005", "378282246310005"),
        ("4111111111111111", "4111111111111111"),
        ("ssn 123456789", "123456789"),
        ("kano@dojo.example.org", "kano@dojo"),
        ("203.0.113.77", "203.0.113.77"),
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_leaves_from_no_place_of_an_event(init, place, text, secret):
    """A filter that knows some places, or keys alone, lets secrets out through all others."""
    init()
    hook = before_send_transaction if place == "span" else ukemi.sdk.before_send
    event = {"event_id": "1" * 32, **planted(PLACES[place], text)}
    assert secret not in str(hook(event, {}))


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"password": "correct horse battery"}, {"password": "[Filtered]"}),
        ({"password": b"correct horse", "pin": (1, 2), "secret": 17}, {"password": "[Filtered]"}),
        ({"order": "1234 5678 9012 3456"}, {"order": "1234 5678 9012 3456"}),
        ({"query": "page=2&next=/home"}, {"query": "page=2&next=/home"}),
    ],
)
def test_a_value_goes_as_a_whole_and_what_is_none_stays(init, given, left):
    """Half of a pass phrase is a leak, and a number of an order is no card."""
    init()
    event = ukemi.sdk.before_send({"event_id": "1" * 32, "extra": dict(given)}, {})
    assert {key: event["extra"][key] for key in left} == left
    assert "horse" not in str(event)


def test_what_follows_a_secret_in_a_text_stays(init):
    init()
    event = {"event_id": "1" * 32, "message": f"password={SECRET}&next=/home&page=2", "extra": {}}
    event["extra"]["body"] = json.dumps({"password": "correct horse battery", "page": 2})
    scrubbed = ukemi.sdk.before_send(event, {})

    assert scrubbed["message"].endswith("&next=/home&page=2")
    assert scrubbed["extra"]["body"].endswith(', "page": 2}')
    assert "horse" not in scrubbed["extra"]["body"]


def test_the_hash_of_an_address_says_nothing_without_the_key(init, sent):
    """There are so few addresses that all plain hashes of them can be listed in an hour."""
    for key in ("one key", "another key", None):
        init(pii_key=key)
        ukemi.sdk.add_user_context(7, "kano@dojo.example.org", "kano.jigoro", ip_address="203.0.113.77")
        ukemi.sdk.capture_message("hello")

    one, another, none = (event["user"] for event in sent.events())
    for name in ("email", "username", "ip_address"):
        assert one[name].rpartition(":")[2] != another[name].rpartition(":")[2], (
            "the hash itself, not only its key's id"
        )
        assert "hmac:" not in none.get(name, "")
    assert "kano" not in sent.everything()


@pytest.mark.filterwarnings("ignore:The send_default_pii option is deprecated")
@pytest.mark.parametrize("kind", ["event", "transaction"])
def test_locals_of_the_frameworks_own_frames_keep_their_headers_to_themselves(init, sent, serve, kind):
    """The raw headers are a variable of each ASGI frame, and `attach_stacktrace` sends these with logs, too."""
    app = FastAPI()

    @app.get("/")
    async def tell():
        scope = sys._getframe(1).f_locals  # what runs the endpoint has the request in its variables
        logging.getLogger("shop").error("%d variables", len(scope))

    async def holds(request, call_next):
        headers, raw = (
            request.scope["headers"],
            [(name.decode(), value.decode()) for name, value in request.headers.raw],
        )
        logging.getLogger("shop").error("%d headers, %d", len(headers), len(raw))
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=holds)
    init(app, attach_stacktrace=True, send_default_pii=True, traces_sample_rate=1.0)
    serve(app).get(f"/?token={SECRET}", headers=HEADERS)

    told = sent.items(kind)
    if kind == "event":
        frames = [frame for event in told for frame in event["threads"]["values"][0]["stacktrace"]["frames"]]
        assert any("headers" in frame.get("vars", {}) for frame in frames), "the frames that hold them are there"
    assert told
    assert SECRET not in json.dumps(told)
    assert "203.0.113.77" not in json.dumps(told)


@pytest.mark.parametrize(
    ("path", "query"),
    [("/api/orders", f"token={SECRET}&signature={SECRET}"), ("/api/orders", f"next=/&password={SECRET}")],
)
def test_a_transaction_is_scrubbed_as_an_error_is(init, sent, serve, path, query):
    """`before_send` never sees it, so that body, query and spans would leave as they are."""
    app = FastAPI()

    @app.post(path)
    async def order(request: Request):
        body = await request.json()
        sentry_sdk.get_current_scope().transaction.set_data("body", body)
        sentry_sdk.set_context("order", {"raw": json.dumps(body)})
        with ukemi.sdk.start_span("db.query", f"UPDATE member SET password = '{SECRET}'") as span:
            span.set_data("params", {"api_key": SECRET, "dsn": f"postgresql://shop:{SECRET}@db/shop"})

    init(app, traces_sample_rate=1.0)
    serve(app).post(
        f"{path}?{query}", json={"password": SECRET, "card": "4111 1111 1111 1111", "page": 2}, headers=HEADERS
    )

    [transaction] = sent.items("transaction")
    assert transaction["spans"]
    assert transaction["contexts"]["trace"]["data"]["body"]["page"] == 2
    for secret in (SECRET, "4111 1111", "203.0.113.77"):
        assert secret not in sent.everything()


@pytest.mark.parametrize("gate", ["hook", "door"])
def test_hook_and_door_scrub_a_transaction_each_by_itself(init, sent, gate):
    """Either would hide that the other does nothing, until somebody takes it away as superfluous."""
    raw = {
        "type": "transaction",
        "event_id": "1" * 32,
        "request": {
            "data": {"password": SECRET, "page": 2},
            "query_string": f"token={SECRET}",
            "headers": {"Stripe-Signature": SECRET, "X-Forwarded-For": "203.0.113.77"},
        },
        "contexts": {"trace": {"data": {"body": {"api_key": SECRET}}}},
        "spans": [{"description": f"SET password = '{SECRET}'", "data": {"params": [f"postgresql://u:{SECRET}@db/s"]}}],
    }
    init()
    if gate == "hook":
        passed = before_send_transaction(raw, {})
    else:
        item = Item(PayloadRef(json=raw), type="transaction")
        sentry_sdk.get_client().transport.capture_envelope(Envelope(items=[item]))
        [passed] = sent.items("transaction")

    assert passed["request"]["data"]["page"] == 2
    assert SECRET not in str(passed)
    assert "203.0.113.77" not in str(passed)


PLAIN = [
    "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Api-Key", "Stripe-Signature",
    "X-Hub-Signature-256", "X-Auth-Token", "X-Csrf-Token", "X-Session-Id", "X-Amz-Security-Token",
]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("case", [str, str.lower, str.upper, str.title, str.swapcase])
def test_a_header_is_known_by_its_name_whatever_its_value(init, name, case):
    """What looks like no secret is one by where it stands."""
    init()
    event = {"event_id": "1" * 32, "request": {"headers": {case(name): "an open book", "X-Author": "an open book"}}}
    headers = ukemi.sdk.before_send(event, {})["request"]["headers"]

    assert headers == {case(name): "[Filtered]", "X-Author": "an open book"}


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str.swapcase])
def test_a_header_is_known_however_it_is_written(init, name, case):
    """A list of four names in three spellings lets the others out; and an address is one in each of its headers."""
    init()
    event = {"event_id": "1" * 32, "request": {"headers": {case(name): HEADERS[name], "accept": "*/*"}}}
    pairs = {"event_id": "2" * 32, "extra": {"headers": [[case(name), HEADERS[name]], ["accept", "*/*"]]}}
    for one in (event, pairs):
        scrubbed = str(ukemi.sdk.before_send(one, {}))
        assert SECRET not in scrubbed
        assert "203.0.113.77" not in scrubbed
        assert "*/*" in scrubbed


# What init makes of its settings


@pytest.mark.parametrize(
    "path",
    [
        "/api/members/health-records",
        "/api/healthcare/plans",
        "/blog/health-tips",
        "/api/payments-export-csv",
        "/api/orders?next=/health",
    ],
)
@pytest.mark.parametrize(("rate", "kept"), [(0.0, 0), (1.0, 1)])
def test_the_base_rate_decides_for_all_that_only_sounds_critical_or_healthy(init, sent, serve, path, rate, kept):
    """Where a sampler is set sentry-sdk's own rate does nothing; and a part of a word says nothing of a path."""
    app = FastAPI()
    app.get(path.partition("?")[0])(lambda: None)
    init(app, traces_sample_rate=rate)
    serve(app).get(path)
    assert len(sent.items("transaction")) == kept


@pytest.mark.parametrize(("decision", "rate", "kept"), [("1", 0.0, 1), ("0", 1.0, 0)])
def test_what_the_caller_decided_holds(init, sent, serve, decision, rate, kept):
    """A trace of which a service leaves its part out is broken."""
    app = FastAPI()
    app.get("/api/orders")(lambda: None)
    init(app, traces_sample_rate=rate)
    trace = f"{'a' * 32}-{'b' * 16}-{decision}"
    serve(app).get("/api/orders", headers={"sentry-trace": trace})
    assert len(sent.items("transaction")) == kept


def test_nothing_of_sentry_sdk_that_is_to_go_is_used(init, sent, serve):
    """`configure_scope` and `push_scope` warn since 2.0, and will be gone one day."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        app = FastAPI()

        @app.get("/")
        async def everything():
            ukemi.sdk.add_user_context(17)
            ukemi.sdk.set_tag("a", "b")
            ukemi.sdk.set_context("order", {"n": 1})
            ukemi.sdk.add_breadcrumb("shop", "began")
            ukemi.sdk.capture_message("hello")
            with ukemi.sdk.start_transaction("nightly", "job"), ukemi.sdk.start_span("db.query", "SELECT 1"):
                ukemi.sdk.track_payment_error(GatewayDown("no answer"))
            ukemi.sdk.clear_user_context()
            raise GatewayDown("no answer")

        init(app, traces_sample_rate=1.0)
        serve(app).get("/")
        ukemi.sdk.flush()

    assert [str(one.message) for one in caught if issubclass(one.category, DeprecationWarning)] == []
    assert (len(sent.events()), runtime.current().internal) == (3, {})


@pytest.mark.parametrize(
    ("argument", "variable", "environment"),
    [("", "", "production"), (None, "", "production"), ("", "staging", "staging"), ("test", "staging", "test")],
)
def test_an_empty_environment_is_none(init, sent, monkeypatch, argument, variable, environment):
    """An empty setting that wins over the others gives events of no environment."""
    monkeypatch.setenv("SENTRY_ENVIRONMENT", variable)
    init(environment=argument)
    ukemi.sdk.capture_message("hello")
    assert sent.event()["environment"] == environment


def test_settings_are_read_when_init_is_called_and_not_at_import(sent, monkeypatch, tmp_path):
    """What is frozen at import is the test's setting in the app, and the app's in the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        monkeypatch.setenv("SENTRY_DSN", f"https://{name}@errors.example.org/42")
        monkeypatch.setenv("SENTRY_ENVIRONMENT", name)
        monkeypatch.setenv("SENTRY_RELEASE", f"shop@{name}")
        monkeypatch.setenv("UKEMI_PII_KEY", name)
        assert ukemi.sdk.init(transport=sent.transport()).is_on
        ukemi.sdk.add_user_context(7, email="kano@dojo.example.org")
        ukemi.sdk.capture_message("hello")
        assert sentry_sdk.get_client().dsn.startswith(f"https://{name}@")
    monkeypatch.setenv("SENTRY_DSN", "")

    assert [(event["environment"], event["release"]) for event in sent.events()] == [
        ("one", "shop@one"),
        ("two", "shop@two"),
    ]
    assert len({event["user"]["email"].rpartition(":")[2] for event in sent.events()}) == 2
    assert not ukemi.sdk.init().is_on


def test_a_release_that_nobody_knows_is_said_to_be_missing_and_not_made_up(init, sent, monkeypatch, tmp_path, caplog):
    """`shop@unknown` on every deploy: nothing regresses, and nothing is resolved in the next release."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if "COMMIT" in name or "RELEASE" in name or "SHA" in name]:
        monkeypatch.delenv(name)
    caplog.set_level(logging.INFO)
    init(release=None)
    ukemi.sdk.capture_message("hello")

    assert "release unknown: set SENTRY_RELEASE" in caplog.text
    assert "unknown" not in str(sent.event().get("release"))


def test_an_app_that_nothing_tracks_promises_nothing(serve):
    """`"event_id": null` beside “our team has been notified” is a lie."""
    app = failing()
    ukemi.sdk.init(app, dsn="")
    assert serve(app).get("/gateway").json() == {"detail": "Internal Server Error"}
    assert serve(app).get("/unavailable").json() == {"detail": "later"}


# What is counted


def test_a_websocket_is_no_request(init, sent, serve):
    """It lasts for hours and has no status: among requests it would be the slowest of all, and a failure."""
    app = FastAPI()

    @app.websocket("/live")
    async def live(websocket: WebSocket):
        await websocket.accept()
        await websocket.close()

    init(app)
    scope = {"type": "websocket", "path": "/live", "headers": [], "query_string": b"", "subprotocols": []}
    serve(app).run(scope, {"type": "websocket.connect"})
    runtime.current().counter.end()

    assert sent.items("ukemi_request_counts") == []


def test_a_stream_is_one_request_that_counts_when_it_ends(init, sent, serve):
    app, reports = FastAPI(), []

    def now() -> int:
        ukemi.sdk.flush()
        return sum(one["count"] for bucket in counter().report()["buckets"] for one in bucket["routes"])

    def counter():
        return runtime.current().counter._counter

    @app.get("/rows")
    async def rows():
        async def stream():
            for number in range(3):
                reports.append(now())
                yield str(number)

        return StreamingResponse(stream())

    init(app)
    assert serve(app).get("/rows").text == "012"
    assert [*reports, now()] == [0, 0, 0, 1]
