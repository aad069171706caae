"""What belongs to a request is not seen by another, also while many are served at the same time."""

import asyncio

import pytest
import sentry_sdk
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


STEPS = [
    "pause",
    "sign in",
    "sign out",
    "tag",
    "crumb",
    "tell",
    "tell in a thread",
    "tell in a task",
    "answer in pieces",
]
plans = st.lists(st.lists(st.sampled_from(STEPS), max_size=9), min_size=2, max_size=8)


class Planned:
    """An app whose requests do what a plan says, and what each event of them must then hold."""

    def __init__(self) -> None:
        self.plans: list[list[str]] = []
        self.expected: dict[str, tuple[str | None, str | None, list[str]]] = {}

    async def __call__(self, scope, receive, send) -> None:
        number = scope["query_string"].decode().removeprefix("n=")
        user, tag, crumbs = None, None, []

        def tell(step: object) -> None:
            name = f"{number}:{step}"
            self.expected[name] = (user, tag, list(crumbs))
            ukemi.sdk.capture_message(name)

        async def tell_in_a_task(step: object) -> None:
            await asyncio.sleep(0)
            tell(step)

        for at, step in enumerate(self.plans[int(number)]):
            if step == "pause":
                await asyncio.sleep(0)
            elif step == "sign in":
                ukemi.sdk.add_user_context(user := number, role=f"role {number}")
            elif step == "sign out":
                user = None
                ukemi.sdk.clear_user_context()
            elif step == "tag":
                ukemi.sdk.set_tag("n", tag := number)
            elif step == "crumb":
                ukemi.sdk.add_breadcrumb("shop", crumb := f"{number}:{at}")
                crumbs.append(crumb)
            elif step == "tell":
                tell(at)
            elif step == "tell in a thread":
                await asyncio.to_thread(tell, at)
            elif step == "tell in a task":
                await asyncio.create_task(tell_in_a_task(at))
            elif at == self.plans[int(number)].index(step):
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"first", "more_body": True})
                await asyncio.sleep(0)
        self.expected[f"{number}:end"] = (user, tag, crumbs)
        raise ValueError(f"{number}:end")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=plans)
def test_whatever_requests_do_beside_each_other_each_event_holds_what_its_own_request_said(init, sent, plans):
    """Not the user, not a tag, not a breadcrumb of another, in whatever order they take turns."""
    sent.envelopes.clear()
    init(storm_guard=0)
    sentry_sdk.get_isolation_scope()  # as where the main thread made the scope that all requests start in
    planned = Planned()
    planned.plans = plans
    app = ukemi.sdk.UkemiMiddleware(planned)

    async def receive():
        return {"type": "http.request"}

    async def send(_message):
        await asyncio.sleep(0)

    async def ask(number: int) -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": f"n={number}".encode(), "headers": []}
        with pytest.raises(ValueError, match=f"^{number}:end$"):
            await app(scope, receive, send)

    async def all_at_once() -> None:
        await asyncio.gather(*(ask(number) for number in range(len(plans))))

    asyncio.run(all_at_once())

    told = {}
    for event in sent.events():
        message = event.get("message") or event.get("logentry", {}).get("message")
        name = message or event["exception"]["values"][-1]["value"]
        crumbs = [crumb["message"] for crumb in event["breadcrumbs"]["values"] if crumb["category"] == "shop"]
        told[name] = (event.get("user", {}).get("id"), event.get("tags", {}).get("n"), crumbs)
        assert event["request"]["query_string"] == f"n={name.partition(':')[0]}"
        assert event.get("user", {}).get("role") in (None, f"role {name.partition(':')[0]}")
    assert told == planned.expected
