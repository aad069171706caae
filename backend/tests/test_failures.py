"""What fails in the backend's own routes is told with its domain, its user and what happened before, and once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from backend import database
from backend.config import get_settings
from backend.tests.conftest import Client

CARD = {"number": "4000 0000 0000 0002", "cvc": "987", "exp_month": 12, "exp_year": 2040}


class Stripe(ThreadingHTTPServer):
    """Answers every path with an object, but for the one that it declines or breaks at."""

    daemon_threads = True

    def __init__(self) -> None:
        stripe = self
        self.fails_at, self.status, self.calls = "", 402, []

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                stripe.calls.append(self.path)
                fails = bool(stripe.fails_at) and stripe.fails_at in self.path
                error = {"error": {"type": "card_error" if stripe.status == 402 else "api_error", "message": "no"}}
                body = json.dumps(error if fails else {"id": "cus_9", "object": "thing"}).encode()
                self.send_response(stripe.status if fails else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Stripe-Should-Retry", "false")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Answer)


@pytest.fixture
def stripe(settings: pytest.MonkeyPatch) -> Iterator[Stripe]:
    server = Stripe()
    settings.setenv("STRIPE_API_BASE", f"http://127.0.0.1:{server.server_port}")
    get_settings.cache_clear()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("step", ["/v1/customers", "/v1/payment_methods", "/attach", "/v1/subscriptions"])
@pytest.mark.parametrize(("status", "answered", "level"), [(402, 402, "warning"), (400, 500, "error")])
def test_a_payment_that_fails_at_any_step_is_one_event_of_its_domain(stripe, sent, app, step, status, answered, level):
    """Helpers without a caller on the way of an error are no tracking: a card may be declined when it is attached, too."""
    client = Client(app)
    headers = client.sign_in()
    stripe.fails_at, stripe.status = step, status

    assert client.post("/api/payments", json={"amount": 20, "card": CARD}, headers=headers).status_code == answered
    [event] = sent.events()
    assert (event["tags"]["domain"], event["level"]) == ("payment", level)
    assert event["user"]["id"] == "1"
    assert [path for path in stripe.calls if step in path].count(stripe.calls[-1]) == 1, "asked once"
    assert "4000" not in json.dumps(event)


def test_a_database_that_fails_is_one_event_of_its_domain(sent, app):
    with database.engine().begin() as connection:
        connection.execute(text("DROP TABLE member"))
    answer = Client(app).post("/api/auth/login", json={"username": "kiyoshi", "password": "a good password"})

    [event] = sent.events()
    assert answer.json()["event_id"] == event["event_id"]
    assert event["tags"]["domain"] == "database"
    assert event["fingerprint"] == ["{{ default }}", "database", "SELECT", "member"]
    assert "kiyoshi" not in json.dumps(event)


def test_a_name_that_is_taken_is_no_event(sent, app):
    client = Client(app)
    client.sign_in()
    account = {"username": "kiyoshi", "password": "a good password", "email": "other@example.org"}
    assert client.post("/api/auth/register", json=account).status_code == 409
    assert sent.events() == []


def test_wrong_passwords_are_expected_and_of_one_issue(sent, app: FastAPI):
    """Somebody who guesses passwords must not page, nor name anybody."""
    client = Client(app)
    for name in ("kiyoshi", "jigoro.kano"):
        answer = client.post("/api/auth/login", json={"username": name, "password": "wrong password"})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")

    told = [(event["level"], event["tags"]["expected"], tuple(event["fingerprint"])) for event in sent.events()]
    assert set(told) == {("warning", "yes", ("{{ default }}", "auth", "password"))}
    assert "jigoro" not in json.dumps(sent.events())


@pytest.mark.parametrize(("name", "environment"), [("", "testing"), ("staging", "staging")])
def test_an_empty_setting_hides_nothing(settings, sent, name, environment):
    """Also of a release: it is the one that was set, never a made-up one."""
    settings.setenv("SENTRY_ENVIRONMENT", name)
    settings.setenv("SENTRY_RELEASE", "")
    settings.setenv("RENDER_GIT_COMMIT", "0123456789abcdef0123456789abcdef01234567")
    get_settings.cache_clear()
    assert get_settings().environment == environment
    assert get_settings().release == "wwmaa-backend@0123456789ab"
