"""Error tracking of the backend: what is captured, with what, and what never leaves."""

import asyncio
import json
import logging
import time

import httpx
import pytest
import stripe
from fastapi import HTTPException

import backend.middleware
import backend.observability
from backend.config import get_settings
from backend.observability import (
    add_breadcrumb,
    add_user_context,
    before_send,
    capture_exception,
    capture_message,
    clear_user_context,
    init_sentry,
    set_context,
    set_tag,
    start_span,
    start_transaction,
    traces_sampler,
    track_api_error,
    track_auth_error,
    track_database_error,
    track_payment_error,
    track_subscription_error,
)

PROCESS_PAYMENT = """
async def process_payment(customer_id: str, amount: float):
    set_context("payment", {"customer_id": customer_id, "amount": amount, "currency": "usd"})
    add_breadcrumb('payment', 'Payment started', {'customer_id': customer_id, 'amount': amount})
    try:
        subscription = stripe.Subscription.create(customer=customer_id, items=[{"price": "price_123"}])
        track_external_api_call("stripe", "/v1/subscriptions", "POST", status_code=200)
        return subscription
    except stripe.error.StripeError as e:
        track_payment_error(e, customer_id=customer_id, amount=amount, currency="usd")
        raise
"""
AUTHENTICATE_USER = """
async def authenticate_user(username: str, password: str):
    add_breadcrumb('auth', 'Login attempt', {'username': username})
    try:
        user = get_user(username)
        if not verify_password(password, user.password_hash):
            raise AuthenticationError("Invalid credentials")
        add_breadcrumb('auth', 'Login successful', {'user_id': user.id})
        return user
    except AuthenticationError as e:
        track_auth_error(e, username=username, auth_method="password", reason="invalid_credentials")
        raise

with start_transaction('/api/payments', 'http.server'):
    with start_span('db.query', 'Fetch customer'):
        ...
"""


def raised(error: Exception) -> Exception:
    """The error with a traceback, as if it had happened."""
    try:
        raise error
    except type(error) as caught:
        return caught


class TestInitialization:
    def test_without_a_dsn_the_app_runs_untracked_and_says_so(self, settings, caplog):
        settings.setenv("SENTRY_DSN", "")
        with caplog.at_level(logging.INFO):
            status = init_sentry()
        assert not status.is_on
        assert "Error tracking is off" in caplog.text

    def test_with_a_dsn_the_log_says_where_errors_go_and_never_the_key(self, settings, caplog):
        with caplog.at_level(logging.INFO):
            status = init_sentry()
        assert status.is_on
        assert "http://127.0.0.1:9, project 1; environment testing, release wwmaa-backend@1.0.0" in caplog.text
        assert "0123456789abcdef" not in caplog.text

    def test_an_unreadable_dsn_does_not_keep_the_app_from_starting(self, settings):
        settings.setenv("SENTRY_DSN", "not a dsn")
        assert not init_sentry().is_on

    def test_the_environment_is_the_one_of_python_unless_set(self, settings):
        assert get_settings().environment == "testing"
        settings.setenv("SENTRY_ENVIRONMENT", "staging")
        get_settings.cache_clear()
        assert get_settings().environment == "staging"

    @pytest.mark.parametrize("module", [backend.observability, backend.middleware])
    def test_every_exported_name_exists(self, module):
        assert all(hasattr(module, name) for name in module.__all__)


class TestPIIFiltering:
    def test_secrets_are_removed_and_identities_hashed_wherever_they_stand(self, sent):
        init_sentry()
        event = before_send(
            {
                "message": "card 4111 1111 1111 1111 of kim@example.org, ssn 078-05-1120",
                "request": {"headers": {"Authorization": "Bearer abc.def.ghi"}, "query_string": "token=s3cr3t&page=2"},
                "user": {"id": "7", "email": "kim@example.org", "ip_address": "198.51.100.7"},
                "extra": {"nested": [{"password": "hunter2", "api_key": "k"}]},
            },
            {},
        )
        text = json.dumps(event)
        for secret in ("4111", "kim@example.org", "078-05-1120", "abc.def", "s3cr3t", "hunter2", "198.51.100.7"):
            assert secret not in text
        assert event["user"]["email"].startswith("hmac:")
        assert "page=2" in text
        assert event["user"]["id"] == "7"

    def test_an_event_that_cannot_be_scrubbed_is_not_sent(self, sent):
        init_sentry()

        class Unreadable(dict):
            def items(self):
                raise RuntimeError("cannot be looked at")

        assert before_send({"extra": Unreadable(a=1)}, {}) is None

    def test_a_user_name_in_a_message_is_hashed_when_it_is_known_as_one(self, client, sent):
        client.post("/api/auth/login", json={"username": "takeshi.k", "password": "wrong password"})
        assert "takeshi.k" not in json.dumps(sent.events())
        assert "wrong password" not in json.dumps(sent.events())


class TestUserContext:
    def test_the_user_of_the_token_is_on_the_event(self, client, sent, app):
        @app.get("/api/broken")
        def broken():
            raise RuntimeError("broken")

        client.get("/api/broken", headers=client.sign_in())
        user = sent.events()[-1]["user"]
        assert (user["id"], user["role"], user["tier"]) == ("1", "guest", "free")
        assert user["email"].startswith("hmac:")

    def test_a_user_can_be_added_and_cleared_by_hand(self, sent):
        init_sentry()
        add_user_context(user_id=5, email="a@example.org", role="board", tier="premium")
        capture_message("with")
        clear_user_context()
        capture_message("without")
        with_user, without = sent.events()
        assert (with_user["user"]["id"], with_user["user"]["role"]) == ("5", "board")
        assert "user" not in without


class TestErrorCapture:
    def test_an_unhandled_error_is_captured_once_and_answered_with_its_id(self, client, sent, app):
        @app.get("/api/broken")
        def broken():
            try:
                raise RuntimeError("broken")  # noqa: TRY301 - an error as apps raise it
            except RuntimeError:
                logging.getLogger("backend").exception("logged first, raised on")
                raise

        answer = client.get("/api/broken?page=2", headers={"User-Agent": "Mozilla/5.0"})
        assert answer.status_code == 500
        [event] = sent.events()  # neither the log record nor the server's own makes another
        assert answer.json() == {"detail": "Internal Server Error", "event_id": event["event_id"]}
        assert event["exception"]["values"][-1]["type"] == "RuntimeError"
        assert event["transaction"] == "GET /api/broken"
        assert event["request"]["url"] == f"{client.base_url}/api/broken"
        assert event["request"]["query_string"] == "page=2"

    def test_http_errors_of_500_and_above_are_captured_and_keep_their_headers(self, client, sent, app):
        @app.get("/api/busy")
        def busy():
            raise HTTPException(503, "Come back later", headers={"Retry-After": "7"})

        answer = client.get("/api/busy")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        assert len(sent.events()) == 1
        client.get("/api/nowhere")
        assert len(sent.events()) == 1

    def test_capture_by_hand_takes_context_tags_level_and_fingerprint(self, sent):
        init_sentry()
        error = raised(ValueError("odd"))
        event_id = capture_exception(error, {"belt": {"colour": "brown"}}, {"dojo": "main"}, "warning", ["belts"])
        [event] = sent.events()
        assert event["event_id"] == event_id
        assert event["contexts"]["belt"] == {"colour": "brown"}
        assert (event["tags"]["dojo"], event["level"], event["fingerprint"]) == ("main", "warning", ["belts"])
        assert capture_exception(error) == event_id
        assert len(sent.events()) == 1


class TestBreadcrumbs:
    def test_what_happened_before_comes_with_the_error(self, client, sent):
        client.post("/api/auth/login", json={"username": "nobody", "password": "wrong"})
        crumbs = [(c["category"], c["message"]) for c in sent.events()[-1]["breadcrumbs"]["values"]]
        assert ("request", "POST /api/auth/login") in crumbs
        assert ("auth", "Login attempt") in crumbs
        assert ("query", "SELECT member") in crumbs

    def test_breadcrumbs_end_with_their_request(self, client, sent):
        client.post("/api/auth/login", json={"username": "first", "password": "wrong"})
        client.post("/api/auth/login", json={"username": "second", "password": "wrong"})
        attempts = [c for c in sent.events()[-1]["breadcrumbs"]["values"] if c["message"] == "Login attempt"]
        assert len(attempts) == 1


class TestDomainHelpers:
    @pytest.mark.parametrize(
        ("track", "domain", "facts"),
        [
            (track_payment_error, "payment", {"customer_id": "cus_1", "amount": 5.0, "currency": "usd"}),
            (track_auth_error, "auth", {"auth_method": "password", "reason": "backend_down"}),
            (track_subscription_error, "subscription", {"subscription_id": "sub_1", "action": "cancel"}),
            (track_api_error, "api", {"endpoint": "/api/events", "status_code": 502}),
            (track_database_error, "database", {"operation": "INSERT", "table": "payment"}),
        ],
    )
    def test_a_tracked_error_names_its_domain_and_refines_its_group(self, sent, track, domain, facts):
        init_sentry()
        track(raised(RuntimeError("broken")), **facts)
        [event] = sent.events()
        assert event["tags"]["domain"] == domain
        assert event["fingerprint"][:2] == ["{{ default }}", domain]
        assert event["level"] == "error"
        assert facts.items() <= event["contexts"][domain].items()

    def test_a_declined_card_is_expected_and_a_broken_service_is_not(self, sent):
        init_sentry()
        track_payment_error(raised(stripe.CardError("declined", None, "card_declined")), amount=5)
        track_payment_error(raised(stripe.APIConnectionError("down")), amount=5)
        declined, broken = sent.events()
        assert (declined["level"], declined["tags"]["expected"]) == ("warning", "yes")
        assert broken["level"] == "error"
        assert "expected" not in broken["tags"]

    def test_the_documented_snippets_run_word_for_word(self, client, sent):
        from backend.errors import AuthenticationError
        from backend.routes.auth import get_user, verify_password

        names = vars(backend.observability) | vars(backend.middleware) | {"stripe": stripe}
        names |= {"get_user": get_user, "verify_password": verify_password, "AuthenticationError": AuthenticationError}
        exec(PROCESS_PAYMENT + AUTHENTICATE_USER, names)
        stripe.api_base = "http://127.0.0.1:9"
        with pytest.raises(stripe.StripeError):
            asyncio.run(names["process_payment"]("cus_1", 20.0))
        client.sign_in("kiyoshi")
        user = asyncio.run(names["authenticate_user"]("kiyoshi", "a good password"))
        assert user.id == 1
        with pytest.raises(AuthenticationError):
            asyncio.run(names["authenticate_user"]("kiyoshi", "a bad password"))
        assert [event["tags"]["domain"] for event in sent.events()] == ["payment", "auth"]


class TestSampling:
    @pytest.mark.parametrize(
        ("path", "rate"),
        [("/api/payments", 1.0), ("/api/auth/login", 1.0), ("/health", 0.01), ("/api/events", 0.1), ("/author", 0.1)],
    )
    def test_critical_paths_are_all_kept_and_health_checks_hardly(self, settings, path, rate):
        assert traces_sampler({"asgi_scope": {"path": path}, "parent_sampled": None}) == rate

    def test_the_rate_of_all_others_is_a_setting(self, settings):
        settings.setenv("SENTRY_TRACES_SAMPLE_RATE", "0.5")
        get_settings.cache_clear()
        assert traces_sampler({"asgi_scope": {"path": "/api/events"}}) == 0.5

    def test_a_transaction_holds_its_spans(self, sent):
        init_sentry()
        with start_transaction("/api/payments", "http.server"), start_span("db.query", "Fetch customer"):
            pass
        [transaction] = sent.items("transaction")
        assert [span["description"] for span in transaction["spans"]] == ["Fetch customer"]


class TestMiddleware:
    def test_operations_leave_breadcrumbs(self, sent):
        init_sentry()
        backend.middleware.track_business_operation("belt awarded", "member", 7)
        backend.middleware.track_external_api_call("stripe", "/v1/refunds", "POST", status_code=500)
        backend.middleware.track_database_operation("SELECT", "member", rows=3)
        backend.middleware.track_cache_operation("get", "events", hit=False)
        set_tag("dojo", "main")
        set_context("training", {"kind": "randori"})
        add_breadcrumb("note", "by hand")
        capture_message("now")
        [event] = sent.events()
        crumbs = [(c["category"], c["message"], c["level"]) for c in event["breadcrumbs"]["values"]]
        assert crumbs == [
            ("business", "belt awarded", "info"),
            ("http", "POST stripe/v1/refunds", "warning"),
            ("query", "SELECT member", "info"),
            ("cache", "get events", "info"),
            ("note", "by hand", "info"),
        ]
        assert event["tags"]["dojo"] == "main"
        assert event["contexts"]["training"] == {"kind": "randori"}

    def test_the_middleware_can_be_put_around_an_app_by_hand(self, sent):
        init_sentry()

        async def bare(scope, receive, send):
            add_breadcrumb("note", "within")
            raise RuntimeError("bare")

        middleware = backend.middleware.ErrorTrackingMiddleware(bare)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
        with pytest.raises(RuntimeError):
            asyncio.run(middleware(scope, None, None))
        [event] = sent.events()
        assert event["request"]["method"] == "GET"
        assert [crumb["category"] for crumb in event["breadcrumbs"]["values"]] == ["request", "note"]

    def test_health_checks_and_good_requests_send_no_event(self, client, sent):
        assert client.get("/health").json() == {"status": "ok", "database": "ok"}
        assert client.get("/").status_code == 200
        assert sent.events() == []


class TestIntegration:
    def test_a_broken_payment_becomes_an_issue_of_a_real_collector(self, settings, collector):
        """The whole way: a request, this app, sentry-sdk's transport, a collector, its page."""
        from backend.app import create_app
        from backend.tests.conftest import Client

        settings.setenv("SENTRY_DSN", collector.dsn)
        settings.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
        get_settings.cache_clear()
        with Client(create_app()) as client:
            payable = {"amount": 20, "payment_method": "pm_card_visa", "note": "from 4000 0000 0000 0002"}
            answer = client.post("/api/payments", json=payable, headers=client.sign_in())
        assert answer.status_code == 500

        deadline_s = time.monotonic() + 20
        while not (issues := collector.issues()) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        [row] = issues
        page = collector.issue(row)
        assert row["title"].startswith("APIConnectionError")
        assert page["event"]["line"]["id"] == answer.json()["event_id"]
        assert page["event"]["user"]["id"] == "1"
        assert page["event"]["line"]["release"] == "wwmaa-backend@1.0.0"
        shown = httpx.Response(200, json=page).text
        assert not any(half in shown for half in ("4000 0000", "40000000", "0000 0002", "00000002"))
