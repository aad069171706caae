"""A trace that began with the caller goes on, in whichever of the two headers it is told."""

from contextlib import suppress

import pytest
from fastapi import FastAPI

TRACE, OTHER, SPAN = "0af7651916cd43dd8448eb211c80319c", "b" * 32, "b7ad6b7169203331"


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"sentry-trace": f"{TRACE}-{SPAN}"}, TRACE),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, TRACE),
        ({"traceparent": f"00-{OTHER}-{SPAN}-01", "sentry-trace": f"{TRACE}-{SPAN}"}, TRACE),
        ({"traceparent": "00-nonsense"}, None),
        ({"traceparent": "00-zz-zz-01"}, None),
        ({}, None),
    ],
)
def test_an_error_belongs_to_the_callers_trace(init, sent, serve, headers, trace, rate):
    app = FastAPI()
    init(app, traces_sample_rate=rate)

    @app.get("/boom")
    async def boom():
        return 1 / 0

    request = {"type": "http", "method": "GET", "path": "/boom", "query_string": b"", "server": ("shop", 80)}
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    # Not by httpx in this process: sentry-sdk traces that, too, and its span would stand around ours.
    with suppress(ZeroDivisionError):
        serve(app).run({**request, "headers": told}, {"type": "http.request", "body": b""})
    found = sent.event()["contexts"]["trace"]["trace_id"]
    assert len(found) == 32
    assert (found == TRACE) is (trace is not None)


def test_what_another_system_recorded_is_no_decision_about_our_sample(init, sent, serve):
    app = FastAPI()
    init(app, traces_sample_rate=0.0)
    app.add_api_route("/", lambda: "ok")
    serve(app).get("/", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    assert sent.items("transaction") == []
