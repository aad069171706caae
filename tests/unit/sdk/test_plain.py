"""What passes sentry-sdk's serialiser comes to the same as what goes through it."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sentry_sdk
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentry_sdk import serializer
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.utils import AnnotatedValue

from ukemi.sdk.plain import Outgoing, outgoing

KEYS = ("extra", "request", "contexts", "breadcrumbs", "spans", "tags", "message", "timestamp", "user", "exception")


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


class Text(str):
    __slots__ = ()


TIMES = st.integers(0, 4_000_000_000).map(lambda at_s: datetime.fromtimestamp(at_s, UTC))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["x" * 1020 + "ö" * 10, "ö" * 600, Text("a text"), b"\xff bytes", Odd(), {1, 2}, (1, "two")]),
    TIMES,
    st.builds(lambda value: AnnotatedValue(value, {"len": 7}), st.text(max_size=5)),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=13),
        st.dictionaries(st.one_of(st.text(max_size=8), st.just("data"), st.integers(0, 3)), inner, max_size=13),
    ),
    max_leaves=25,
)
CRUMBS = st.fixed_dictionaries({"values": st.lists(TREES, max_size=13)})
EVENTS = st.dictionaries(st.sampled_from(KEYS), st.one_of(TREES, CRUMBS), max_size=6)


def same(one, other) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError("out of order")

    return app


def through(event):
    options = sentry_sdk.get_client().options
    names = ("max_request_body_size", "max_value_length", "custom_repr")
    return serializer.serialize(event, **{name: options[name] for name in names if name in DEFAULT_OPTIONS})


@pytest.fixture(params=[{}, {"max_value_length": 1024}, {"max_value_length": 8}])
def _tracking(request, init):
    init(**request.param)


@pytest.mark.usefixtures("_tracking")
@given(EVENTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_an_event_comes_to_the_same_whichever_way_it_goes(event):
    assert same(through(Outgoing(event)), through(dict(event)))


def test_what_holds_itself_is_cut(init):
    init()
    circle: dict[str, object] = {"name": "circle"}
    circle["again"] = [circle]

    assert through(Outgoing(contexts=circle)) == through({"contexts": circle})


def test_the_copy_is_nobody_elses(init):
    """An app's own hook may change what it is handed; the scope goes on to be used by others."""
    init()
    tags = {"belt": "black"}
    spans = [{"data": {"rows": 1}}]

    copied = through(Outgoing(tags=tags, contexts={"shop": {"open": True}}, spans=spans))
    copied["tags"]["belt"] = "white"
    copied["spans"][0]["data"]["rows"] = 2

    assert (tags, spans) == ({"belt": "black"}, [{"data": {"rows": 1}}])


def test_times_of_other_zones_are_told_in_utc(init):
    init()
    at = datetime(2026, 11, 24, 12, tzinfo=timezone(timedelta(hours=9)))

    assert through(Outgoing(timestamp=at)) == through({"timestamp": at})


def test_whoever_wants_to_see_each_value_does(init, monkeypatch):
    init()
    monkeypatch.setattr(serializer, "global_repr_processors", [lambda *_: NotImplemented])

    assert type(outgoing({"extra": {}})) is dict


def test_whoever_samples_errors_sees_the_event_as_it_is_sent(init, sent, serve, app):
    seen = []
    init(app, error_sampler=lambda event, _hint: seen.append(event) or 1.0)
    serve(app).get("/fail")

    assert seen[0]["environment"] == sent.event()["environment"]


def test_what_processors_add_afterwards_leaves_too(init, sent, serve, app):
    class Late:
        def __repr__(self) -> str:
            return "<late password=opensesame4711 done>"

    def add(event, _hint):
        event["contexts"]["late"] = {"what": Late(), "at": datetime(2026, 11, 24, tzinfo=UTC)}
        return event

    init(app, traces_sample_rate=1.0)

    @app.get("/late")
    async def late() -> None:
        sentry_sdk.Scope.get_isolation_scope().add_event_processor(add)

    serve(app).get("/late")

    told = sent.items("transaction")[-1]["contexts"]["late"]
    assert told == {"what": "<late password=[Filtered] done>", "at": "2026-11-24T00:00:00.000000Z"}
