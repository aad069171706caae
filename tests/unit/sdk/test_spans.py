"""Transactions and spans by hand."""

import pytest
from fastapi import FastAPI

from ukemi.sdk import start_span, start_transaction


def test_a_transaction_by_hand_holds_its_spans(init, sent):
    init(traces_sample_rate=1.0)
    with start_transaction("nightly", "task"), start_span("db.query", "Fetch members") as span:
        span.set_data("rows", 3)
    [transaction] = sent.items("transaction")
    assert (transaction["transaction"], transaction["contexts"]["trace"]["op"]) == ("nightly", "task")
    [span] = transaction["spans"]
    assert (span["op"], span["description"], span["data"]["rows"]) == ("db.query", "Fetch members", 3)


def test_inside_of_a_request_it_is_a_span_of_the_requests_transaction(init, sent, serve):
    app = FastAPI()

    @app.get("/")
    async def home():
        with start_transaction("render", "template"):
            pass

    init(app, traces_sample_rate=1.0)
    serve(app).get("/")
    [transaction] = sent.items("transaction")
    assert "render" in [span["description"] for span in transaction["spans"]]


def test_an_error_within_passes_and_is_noted(init, sent):
    init(traces_sample_rate=1.0)
    with pytest.raises(ValueError, match="broken"), start_transaction("nightly", "task"):
        raise ValueError("broken")
    [transaction] = sent.items("transaction")
    assert transaction["contexts"]["trace"]["status"] == "internal_error"


def test_spans_work_while_tracking_is_off():
    with start_transaction("nightly", "task"), start_span("db.query", "Fetch") as span:
        span.set_data("rows", 3)


def test_descriptions_are_scrubbed(init, sent):
    init(traces_sample_rate=1.0)
    with start_transaction("nightly", "task"), start_span("http.client", "GET https://a.example.org/?token=sesame123"):
        pass
    assert "sesame123" not in sent.everything()
