"""What stands before the pages: headers on every answer, our own pages only, sessions, bounds."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.settings import Settings
from ukemi.collector.store import accounts
from ukemi.collector.store.database import Database
from ukemi.collector.web.app import create_app
from ukemi.collector.web.security import COOKIE, MAX_BODY_BYTES, Throttle, local_path


def assert_protected(headers: dict[str, str]) -> None:
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/sign-in", 200),
        ("GET", "/static/style.css", 200),
        ("GET", "/issues", 303),
        ("GET", "/issues.json", 401),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/sign-in/a/b", 404),
        ("DELETE", "/sign-in", 405),
    ],
)
def test_every_answer_is_protected(visitor: TestClient, method: str, path: str, status: int) -> None:
    answer = visitor.request(method, path)
    assert answer.status_code == status
    assert_protected(answer.headers)


def test_a_refusal_is_protected(visitor: TestClient) -> None:
    answer = visitor.post("/sign-in", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert_protected(answer.headers)


def test_a_broken_page_is_protected_and_tells_nothing(tmp_path: Path, settings: Settings, clock: VirtualClock) -> None:
    """Starlette writes this answer outside of all middleware that it is given."""
    database = Database(f"sqlite:///{tmp_path / 'without-tables.db'}")
    app = create_app(database, settings, clock, [], [])

    answer = TestClient(app, raise_server_exceptions=False, cookies={COOKIE: "any"}).get("/issues")
    database.close()

    assert answer.status_code == 500
    assert_protected(answer.headers)
    assert "This page is broken" in answer.text
    assert "session" not in answer.text
    assert "sqlite" not in answer.text


def test_pages_are_not_cached_and_files_may_be(owner: TestClient) -> None:
    assert owner.get("/issues").headers["cache-control"] == "no-store"
    assert "cache-control" not in owner.get("/static/style.css").headers


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://testserver"}, True),
        ({"Origin": "http://testserver.evil.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, False),
    ],
)
def test_only_our_own_pages_change_something(owner: TestClient, headers: dict[str, str], *, is_ours: bool) -> None:
    answer = owner.post("/projects", data={"name": "Cinema"}, headers=headers)
    names = [shown["project"]["name"] for shown in owner.get("/projects.json").json()["projects"]]
    assert answer.status_code == (303 if is_ours else 403)
    assert ("Cinema" in names) == is_ours


def test_other_sites_may_link_here(owner: TestClient) -> None:
    assert owner.get("/issues", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_a_body_larger_than_any_form_is_refused(visitor: TestClient) -> None:
    """Strangers may post to the sign-in page, and a form is read into memory."""
    assert visitor.post("/sign-in", data={"email": "x" * MAX_BODY_BYTES}).status_code == 413


def test_a_session_ends_after_its_time(owner: TestClient, clock: VirtualClock) -> None:
    clock.advance(accounts.SESSION_LIVES_US / 1_000_000 - 1)
    assert owner.get("/issues").status_code == 200
    clock.advance(1)
    assert owner.get("/issues").status_code == 303


def test_an_unknown_session_is_none(app: Starlette) -> None:
    stranger = TestClient(app, follow_redirects=False, cookies={COOKIE: "0" * 43})
    assert stranger.get("/issues").status_code == 303


def test_a_session_that_is_signed_out_is_over_on_the_server_too(
    app: Starlette, signed_in: Callable[..., TestClient]
) -> None:
    leaving = signed_in("leaving@example.org")
    copied_cookie = leaving.cookies[COOKIE]
    answer = leaving.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert TestClient(app, follow_redirects=False, cookies={COOKIE: copied_cookie}).get("/issues").status_code == 303


def test_the_sign_in_page_leads_back_to_what_was_wanted(visitor: TestClient) -> None:
    answer = visitor.get("/issues?q=is:muted user.id:42&project=1")
    assert answer.headers["location"] == "/sign-in?next=/issues%3Fq%3Dis%3Amuted%2520user.id%3A42%26project%3D1"


def test_a_button_pressed_too_late_leads_to_the_first_page(visitor: TestClient) -> None:
    """Its address would answer a GET with 405."""
    assert visitor.post("/projects/1/issues/ab/status").headers["location"] == "/sign-in"


def test_a_list_that_refreshes_itself_too_late_leads_to_the_sign_in_page(visitor: TestClient) -> None:
    """A plain redirect would be followed by htmx, which would look for the list in the sign-in form."""
    answer = visitor.get("/issues?q=x", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in?next=/issues%3Fq%3Dx"


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/a\nb",
        "",
        " /issues",
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(text: str) -> None:
    assert local_path(text) == "/"


@pytest.mark.parametrize("text", ["/", "/issues?q=is:open&project=1", "/projects/1/issues/ab", "/issues?q=a//b"])
def test_paths_of_this_site_are_kept(text: str) -> None:
    assert local_path(text) == text


@given(st.text(alphabet="/\\.:@?#%abc\t\n\r \u00a0\u2028"))
@example("/\\/evil.example")
def test_whatever_stands_in_next_stays_on_this_site(text: str) -> None:
    as_a_browser_reads_it = local_path(text).replace("\\", "/").translate({9: None, 10: None, 13: None})
    assert urlsplit(urljoin("https://errors.example.org/sign-in", as_a_browser_reads_it)).netloc == "errors.example.org"


def test_a_throttle_allows_so_many_tries_for_each_key_and_forgets_with_time() -> None:
    throttle = Throttle(limit=2, window_us=100)
    assert [throttle.allows("a", now_us) for now_us in (0, 50, 90)] == [True, True, False]
    assert throttle.allows("b", 90)
    assert throttle.allows("a", 101)
    assert not throttle.allows("a", 102)


def test_a_throttle_remembers_few_keys() -> None:
    """Else a stranger could fill the memory with made-up addresses."""
    throttle = Throttle(limit=1, window_us=100, max_keys=3)
    assert [throttle.allows(key, 0) for key in "abca"] == [True, True, True, False]
    assert throttle.allows("d", 0)
    assert throttle.allows("a", 0)
