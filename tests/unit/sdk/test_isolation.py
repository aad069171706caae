"""What belongs to a request is not seen by another, also while many are served at the same time."""

import asyncio

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request

import ukemi.sdk

REQUESTS = 50


async def sign_in(request: Request) -> None:
    request.state.user = {"id": request.query_params["n"], "role": "member"}
    await asyncio.sleep(0)


async def fails_later(number: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(number)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(dependencies=[Depends(sign_in)])

    async def leave_traces(n: str) -> None:
        ukemi.sdk.set_tag("n", n)
        ukemi.sdk.set_context("order", {"n": n})
        ukemi.sdk.add_breadcrumb("shop", f"crumb {n}")
        await asyncio.sleep(0)
        ukemi.sdk.add_breadcrumb("shop", f"crumb {n}")
        await asyncio.sleep(0)

    @app.get("/async")
    async def in_async(n: str):
        await leave_traces(n)
        raise ValueError(n)

    @app.get("/sync")
    def in_sync(n: str):
        asyncio.run(leave_traces(n))
        raise ValueError(n)

    @app.get("/set")
    async def user_set(n: str):
        ukemi.sdk.add_user_context(n, role="member")
        await leave_traces(n)
        raise ValueError(n)

    @app.get("/background")
    async def background(n: str, tasks: BackgroundTasks):
        await leave_traces(n)
        tasks.add_task(fails_later, n)

    @app.get("/task")
    async def task(n: str):
        await leave_traces(n)
        await asyncio.create_task(fails_later(n))

    return app


@pytest.mark.parametrize("path", ["/async", "/sync", "/set", "/background", "/task"])
def test_requests_at_the_same_time_share_nothing(init, sent, serve, app, path):
    init(app, traces_sample_rate=0.0, storm_guard=0)

    async def many():
        async with serve(app).client() as client:
            await asyncio.gather(*(client.get(f"{path}?n={number}") for number in range(REQUESTS)))

    asyncio.run(many())

    events = {event["exception"]["values"][0]["value"]: event for event in sent.events()}
    assert len(sent.events()) == len(events) == REQUESTS
    for number, event in events.items():
        assert event["user"]["id"] == number
        assert event["tags"]["n"] == number
        assert event["contexts"]["order"] == {"n": number}
        assert event["request"]["query_string"] == f"n={number}"
        crumbs = [crumb["message"] for crumb in event["breadcrumbs"]["values"] if crumb["category"] == "shop"]
        assert crumbs == [f"crumb {number}"] * 2


def test_nothing_of_a_request_stays_behind_it(init, sent, serve, app):
    init(app)
    serve(app).get("/set?n=1")
    ukemi.sdk.capture_message("outside")
    event = sent.events()[-1]
    assert "user" not in event
    assert "request" not in event
    assert "n" not in event.get("tags", {})
    assert "order" not in event["contexts"]
    assert not [crumb for crumb in event["breadcrumbs"]["values"] if crumb["category"] in ("shop", "request")]


def test_what_was_said_before_the_first_request_holds_for_all(init, sent, serve, app):
    init(app)
    ukemi.sdk.set_tag("region", "north")
    serve(app).get("/async?n=1")
    assert sent.event()["tags"]["region"] == "north"


def test_breadcrumbs_from_before_a_request_are_not_in_its_events(init, sent, serve, app):
    init(app)
    ukemi.sdk.add_breadcrumb("shop", "of the start")
    serve(app).get("/async?n=1")
    assert "of the start" not in sent.everything()
