"""What fails in the backend's own routes is told with its domain, its user and what happened before, and once."""

import json

import pytest
import redis
from sqlalchemy import text

from backend import cache, database
from backend.config import get_settings
from backend.models import Role

PAYABLE = {"amount": 20, "payment_method": "pm_card_visa"}
WISH = {"tier": "premium", "payment_method": "pm_card_visa"}
EVENT = {"title": "Seminar", "place": "Main dojo", "starts_at": "2999-01-01T10:00:00Z", "seats": 1}


@pytest.mark.parametrize(
    ("path", "body", "domain", "step"),
    [
        ("/api/payments", PAYABLE, "payment", "/v1/customers"),
        ("/api/payments", PAYABLE, "payment", "/v1/payment_intents"),
        ("/api/subscriptions", WISH, "subscription", "/v1/customers"),
        ("/api/subscriptions", WISH, "subscription", "/attach"),
        ("/api/subscriptions", WISH, "subscription", "/v1/subscriptions"),
    ],
)
@pytest.mark.parametrize(("status", "answered", "level"), [(402, 402, "warning"), (400, 500, "error")])
def test_paying_that_fails_at_any_step_is_one_event_of_its_domain_and_its_id_is_told(
    payment_service, sent, client, path, body, domain, step, status, answered, level
):
    """Helpers without a caller on the way of an error are no tracking: a card may be declined when it is attached, too."""
    headers = client.sign_in()
    payment_service.fails_at, payment_service.status = step, status

    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == answered
    [event] = sent.events()
    assert answer.json()["event_id"] == event["event_id"]
    assert (event["tags"]["domain"], event["level"]) == (domain, level)
    assert event["user"]["id"] == "1"
    assert len([called for _, called in payment_service.calls if step in called]) == 1, "asked once"
    crumbs = [crumb.get("message", "") for crumb in event["breadcrumbs"]["values"]]
    assert any(crumb.startswith("POST stripe/v1/") for crumb in crumbs)


def test_a_refund_and_a_cancellation_that_fail_are_errors_of_their_domain(payment_service, sent, client):
    member, board = client.sign_in(), client.sign_in("jigoro", Role.BOARD)
    payment = client.post("/api/payments", json=PAYABLE, headers=member).json()["id"]
    held = client.post("/api/subscriptions", json=WISH, headers=member).json()["id"]
    payment_service.fails_at, payment_service.status = "/v1/", 400

    assert client.post(f"/api/payments/{payment}/refund", headers=board).status_code == 500
    assert client.delete(f"/api/subscriptions/{held}", headers=member).status_code == 500
    told = [(event["tags"]["domain"], event["level"], event["user"]["role"]) for event in sent.events()]
    assert told == [("payment", "error", "board"), ("subscription", "error", "guest")]


def test_a_database_that_fails_is_one_event_of_its_domain(sent, client):
    with database.engine().begin() as connection:
        connection.execute(text("ALTER TABLE member RENAME TO gone"))
    answer = client.post("/api/auth/login", json={"username": "kiyoshi", "password": "a good password"})

    [event] = sent.events()
    assert answer.json()["event_id"] == event["event_id"]
    assert event["tags"]["domain"] == "database"
    assert event["fingerprint"] == ["{{ default }}", "database", "SELECT", "member"]
    assert "kiyoshi" not in json.dumps(event)


def test_a_cache_that_is_down_stops_nothing_and_is_told_as_a_warning(settings, sent, client):
    settings.setenv("REDIS_URL", "redis://127.0.0.1:9")
    get_settings.cache_clear()
    cache.store.cache_clear()
    assert client.get("/api/events").status_code == 200
    assert {(event["level"], event["exception"]["values"][-1]["type"]) for event in sent.events()} == {
        ("warning", redis.ConnectionError.__name__)
    }


def test_a_mail_that_cannot_be_sent_is_told_and_the_answer_has_gone_out_before(settings, sent, client, eventually):
    headers = client.sign_in("jigoro", Role.INSTRUCTOR)
    event_id = client.post("/api/events", json=EVENT, headers=headers).json()["id"]
    settings.setenv("SMTP_URL", "smtp://127.0.0.1:9")
    get_settings.cache_clear()

    assert client.post(f"/api/events/{event_id}/booking", headers=headers).status_code == 201
    [event] = eventually(sent.events)
    assert event["exception"]["values"][-1]["type"] == "ConnectionRefusedError"
    assert event["transaction"] == "POST /api/events/{event_id}/booking"
    assert event["user"]["role"] == "instructor"
    assert "jigoro" not in json.dumps(event)


@pytest.mark.parametrize("secret", ["", "whsec_ours"])
def test_a_webhook_that_nobody_signed_is_refused_and_told(settings, sent, client, secret):
    settings.setenv("STRIPE_WEBHOOK_SECRET", secret)
    get_settings.cache_clear()
    answer = client.post("/api/payments/webhook", content=b"{}", headers={"Stripe-Signature": "t=1,v1=forged"})
    assert answer.status_code == 400
    [event] = sent.events()
    assert (event["level"], event["tags"]["domain"], event["tags"]["expected"]) == ("warning", "api", "yes")
    assert event["fingerprint"] == ["{{ default }}", "api", "/api/payments/webhook", "400"]


def test_a_name_that_is_taken_is_no_event(sent, client):
    client.sign_in()
    account = {"username": "kiyoshi", "password": "a good password", "email": "other@example.org"}
    assert client.post("/api/auth/register", json=account).status_code == 409
    assert sent.events() == []


def test_wrong_passwords_are_expected_and_of_one_issue(sent, client):
    """Somebody who guesses passwords must not page, nor name anybody."""
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
