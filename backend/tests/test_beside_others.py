"""Error tracking beside Prometheus' metrics and OpenTelemetry's traces: each captures for itself, and the trace ids agree."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from backend.config import get_settings
from backend.tests.conftest import Client

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Spans:
    """Takes spans as an OpenTelemetry collector does: protobuf over HTTP."""

    def __init__(self):
        spans = self
        self.received = []

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers.get("Content-Encoding") is None
                spans.received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def roots(self):
        """Trace id, name and status of the spans that stand for requests."""
        spans = [s for r in self.received for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]
        return [
            (span.trace_id.hex(), span.name, span.status.code) for span in spans if span.kind == span.SPAN_KIND_SERVER
        ]

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def spans():
    spans = Spans()
    yield spans
    spans.stop()


@pytest.fixture
def dsn():
    """Where errors go; None: where they go in other tests."""
    return


@pytest.fixture
def app(settings, sent, spans, dsn):
    from backend.app import create_app

    if dsn is not None:
        settings.setenv("SENTRY_DSN", dsn)
    settings.setenv("METRICS", "true")
    settings.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", spans.url)
    get_settings.cache_clear()
    app = create_app()

    @app.get("/api/broken/{number}")
    def broken(number: int):
        raise RuntimeError("broken")

    yield app
    FastAPIInstrumentor.uninstrument_app(app)


def test_one_failure_is_an_event_a_span_and_a_number(app, sent, spans):
    with Client(app) as client:
        client.get("/api/broken/7")
        client.get("/api/events")
        metrics = client.get("/metrics").text
    [event] = sent.events()
    trace = event["contexts"]["trace"]["trace_id"]
    error = 2
    assert (trace, "GET /api/broken/{number}", error) in spans.roots()
    assert 'http_request_duration_seconds_count{method="GET",route="/api/broken/{number}",status="500"} 1.0' in metrics
    assert 'route="/api/events",status="200"} ' in metrics


def test_every_request_has_a_trace_of_its_own_that_its_error_shares(app, sent, spans):
    with Client(app) as client:
        for number in range(4):
            client.get(f"/api/broken/{number}")
    told = [event["contexts"]["trace"]["trace_id"] for event in sent.events()]
    assert len(set(told)) == 4
    assert {trace for trace, _, _ in spans.roots()} == set(told)


def test_what_is_kept_as_a_transaction_has_the_same_trace(app, sent, spans):
    with Client(app) as client:
        client.post("/api/auth/login", json={"username": "nobody", "password": "wrong"})
    [transaction] = sent.items("transaction")
    [event] = sent.events()
    [(trace, _, _)] = spans.roots()
    assert trace == transaction["contexts"]["trace"]["trace_id"] == event["contexts"]["trace"]["trace_id"]


def test_a_trace_that_begins_with_the_caller_goes_on_in_both(app, sent, spans):
    with Client(app) as client:
        client.get("/api/broken/1", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    [event] = sent.events()
    assert event["contexts"]["trace"]["trace_id"] == TRACE
    assert {trace for trace, _, _ in spans.roots()} == {TRACE}


@pytest.mark.parametrize("dsn", [""])
def test_metrics_and_traces_work_without_error_tracking(app, sent, spans):
    with Client(app) as client:
        client.get("/api/broken/1")
        client.get("/api/broken/2")
        assert 'route="/api/broken/{number}",status="500"}' in client.get("/metrics").text
    assert sent.events() == []
    assert len({trace for trace, _, _ in spans.roots()}) == 3
