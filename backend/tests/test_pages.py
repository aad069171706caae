"""The pages for people, as a browser's requests meet them. How they look is seen in tests/browser."""

import pytest

from backend.config import get_settings
from backend.models import Role
from backend.routes import pages

PAGE = {"Accept": "text/html,application/xhtml+xml"}
ACCOUNT = {"username": "kiyoshi", "email": "kiyoshi@example.org", "password": "a good password"}
DECLINED = {"amount": "49.00", "note": "grading", "payment_method": "pm_card_visa_chargeDeclined"}


@pytest.fixture
def browser(client):
    client.headers.update(PAGE)
    client.follow_redirects = True
    return client


def test_a_person_registers_subscribes_pays_and_books(payment_service, browser):
    instructor = browser.sign_in("jigoro", Role.INSTRUCTOR)
    event = {"title": "<Seminar>", "place": "Main dojo", "starts_at": "2999-01-01T10:00:00Z", "seats": 2}
    browser.post("/api/events", json=event, headers=instructor)

    assert "Sign out" in browser.post("/register", data=ACCOUNT).text
    assert "Yours is <strong>basic" in browser.post("/membership", data={"tier": "basic", **_card("pm_card_visa")}).text
    paid = browser.post("/pay", data={"amount": "49.00", "note": "grading", **_card("pm_card_visa")})
    assert "49.00 usd" in paid.text
    assert "You have a seat" in browser.post("/events/1/booking").text
    assert "&lt;Seminar&gt;" in browser.get("/").text
    assert "Sign in" in browser.post("/sign-out").text


def _card(method):
    return {"payment_method": method}


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(browser):
    for answer in (browser.get("/membership"), browser.post("/pay", data=DECLINED)):
        assert (answer.status_code, answer.url.path) == (200, "/sign-in")


def test_a_wrong_password_is_said_and_tracked_as_expected(browser, sent):
    answer = browser.post("/sign-in", data={"username": "kiyoshi", "password": "wrong"})
    assert (answer.status_code, 'value="kiyoshi"' in answer.text, pages.WRONG in answer.text) == (
        401,
        True,
        True,
    )
    [event] = sent.events()
    assert event["tags"] == {"domain": "auth", "expected": "yes"}


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(settings, browser):
    settings.setenv("PYTHON_ENV", "production")
    settings.setenv("JWT_SECRET", "a secret for tests, long enough for it")
    get_settings.cache_clear()
    set_cookie = browser.post("/register", data=ACCOUNT, follow_redirects=False).headers["set-cookie"].lower()
    assert all(word in set_cookie for word in ("httponly", "samesite=lax", "secure"))
    stolen = browser.post("/pay", data=DECLINED, headers={"Origin": "https://elsewhere.example"})
    assert stolen.status_code == 403


def test_a_declined_card_is_a_polite_page_with_an_id_and_what_is_told_there_reaches_the_event(
    payment_service, browser, sent
):
    browser.post("/register", data=ACCOUNT)
    payment_service.fails_at = "/v1/payment_intents"
    page = browser.post("/pay", data=DECLINED)
    [event] = sent.events()
    assert page.status_code == 402
    assert f'<code id="event-id">{event["event_id"]}</code>' in page.text
    assert event["user"]["id"] == "1", "the page's cookie says who it was"

    told = {"event_id": event["event_id"], "name": "Kim", "comments": "My card 4000 0000 0000 0002 works elsewhere."}
    assert "Thank you" in browser.post("/feedback", data=told).text
    [report] = sent.items("user_report")
    assert (report["event_id"], report["name"]) == (event["event_id"], "Kim")
    assert "works elsewhere" in report["comments"]
    assert "4000" not in report["comments"]


def test_an_unhandled_error_is_a_polite_page_that_says_nothing_of_its_inside(browser, sent, app):
    @app.get("/broken")
    def broken():
        raise RuntimeError("inside")

    page = browser.get("/broken")
    [event] = sent.events()
    assert (page.status_code, event["event_id"] in page.text, "inside" in page.text) == (500, True, False)
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert browser.get("/broken", headers={"Accept": "*/*"}).json()["event_id"]


def test_a_form_that_lacks_something_and_a_page_that_is_not_there_are_said_in_words(browser, sent):
    assert "Something in the form" in browser.post("/register", data={"username": "k"}).text
    assert "There is no such page" in browser.get("/nowhere").text
    assert browser.get("/api/nowhere").json() == {"detail": "Not Found"}
    assert browser.post("/feedback", data={"event_id": "../x", "comments": "y"}).status_code == 422
    assert sent.events() == []


def test_feedback_while_tracking_is_off_does_no_harm(settings, browser):
    settings.setenv("SENTRY_DSN", "")
    assert "Thank you" in browser.post("/feedback", data={"event_id": "0" * 32, "comments": "hello"}).text


def test_the_api_is_described_by_a_page_without_another_sites_scripts(browser):
    page = browser.get("/docs").text
    assert "/static/vendor/swagger-ui-bundle.js" in page
    assert "cdn." not in page
    assert browser.get("/static/icon.svg").status_code == 200
    assert browser.get("/metrics").status_code == 404, "unless it is asked for"
    assert {"/api/payments", "/api/auth/login"} <= browser.get("/openapi.json").json()["paths"].keys()
