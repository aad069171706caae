"""Ways of sentry-sdk that newer versions have: spans that leave one by one, and `data_collection`."""

import time

import pytest
from fastapi import FastAPI

import ukemi.sdk


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/members/{number}")
    async def member(number: int):
        with ukemi.sdk.start_span("db.query", "SELECT 1 WHERE email = 'mori@example.org'"):
            return number

    @app.get("/fail")
    async def fail():
        password = "hunter2"
        raise ValueError(f"card 4111 1111 1111 1111 {len(password)}")

    return app


@pytest.mark.parametrize("options", [{"trace_lifecycle": "stream"}, {"_experiments": {"trace_lifecycle": "stream"}}])
def test_streamed_spans_are_named_by_their_route_and_scrubbed(init, sent, serve, app, options):
    init(app, traces_sample_rate=1.0, **options)
    serve(app).get("/members/7?token=opensesame4711", headers={"Authorization": "Bearer opensesame4711"})
    serve(app).get("/fail")
    segments, deadline_s = set(), time.monotonic() + 10
    while not {"GET /members/{number}", "GET /fail"} <= segments:  # sentry-sdk's own thread may be just sending some
        assert time.monotonic() < deadline_s
        ukemi.sdk.flush()
        spans = [span for item in sent.items("span") for span in item["items"]]
        segments = {span["name"] for span in spans if span["is_segment"]}
    [query] = [span for span in spans if span["name"].startswith("SELECT")]
    [segment] = [span for span in spans if span["name"] == "GET /members/{number}"]
    assert query["parent_span_id"] == segment["span_id"]
    assert sent.event()["exception"]["values"][-1]["type"] == "ValueError"
    for secret in ("mori@", "opensesame4711", "4111 1111", "hunter2"):
        assert secret not in sent.everything()


@pytest.mark.parametrize(("path", "rate"), [("/members/7", 0.0), ("/payments/7", 1.0)])
def test_streamed_spans_are_kept_by_the_same_rates(init, sent, serve, app, path, rate):
    init(app, traces_sample_rate=0.0, trace_lifecycle="stream")
    serve(app).get(path)
    deadline_s = time.monotonic() + 10
    ukemi.sdk.flush()
    while rate and not sent.items("span"):  # sentry-sdk's own thread may be just sending them
        assert time.monotonic() < deadline_s
        ukemi.sdk.flush()
    assert bool(sent.items("span")) == bool(rate)


def test_with_data_collection_everything_that_it_collects_is_scrubbed(init, sent, serve, app):
    assert init(app, data_collection={"user_info": True}).is_on
    serve(app).get("/fail?token=opensesame4711", headers={"Cookie": "session=opensesame4711"})
    assert sent.event()["transaction"] == "GET /fail"
    for secret in ("opensesame4711", "4111 1111", "hunter2"):
        assert secret not in sent.everything()
