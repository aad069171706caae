"""Health checks first, then critical paths, then the caller's decision, then the base rate."""

import pytest

from ukemi.sdk import make_traces_sampler
from ukemi.sdk.sampling import segments


@pytest.mark.parametrize(
    ("path", "parent", "rate"),
    [
        ("/health", None, 0.01),
        ("/health", True, 0.01),
        ("/api/payments/health", True, 0.01),
        ("/READYZ/", None, 0.01),
        ("/api/payments/42", None, 1.0),
        ("/api/payments/42", False, 1.0),
        ("/api/Auth/login", False, 1.0),
        ("/api/events", True, 1.0),
        ("/api/events", False, 0.0),
        ("/api/events", None, 0.25),
        ("/authors", None, 0.25),
        ("/healthy-food", None, 0.25),
        ("/", None, 0.25),
        ("", None, 0.25),
    ],
)
def test_the_first_rule_that_fits_decides(path, parent, rate):
    sample = make_traces_sampler(0.25)
    assert sample({"asgi_scope": {"path": path}, "parent_sampled": parent}) == rate


def test_work_by_hand_is_judged_by_its_name():
    sample = make_traces_sampler(0.25)
    assert sample({"transaction_context": {"name": "nightly/payments"}}) == 1.0
    assert sample({"transaction_context": {"name": "nightly/clean"}}) == 0.25
    assert sample({}) == 0.25


def test_the_words_are_the_apps_own():
    sample = make_traces_sampler(0.25, critical=["Belts"], health=["Up"])
    assert sample({"asgi_scope": {"path": "/belts"}}) == 1.0
    assert sample({"asgi_scope": {"path": "/up"}}) == 0.01
    assert sample({"asgi_scope": {"path": "/payments"}}) == 0.25


def test_segments_of_a_path():
    assert segments("/api//Payments/42/") == {"api", "payments", "42"}


def test_the_route_is_not_yet_known_but_the_transaction_is_named_by_it(init, sent, serve):
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/members/{number}")
    async def member(number: int): ...

    init(app, traces_sample_rate=1.0)
    serve(app).get("/members/5")

    [transaction] = sent.items("transaction")
    assert transaction["transaction"] == "GET /members/{number}"
    assert transaction["transaction_info"] == {"source": "route"}
    assert transaction["contexts"]["trace"]["data"]["http.response.status_code"] == 200
