"""Signing in by link and by password, and choosing one."""

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.settings import Settings
from ukemi.collector.store import accounts
from ukemi.collector.store.database import Database
from ukemi.collector.web.app import create_app
from ukemi.collector.web.pages.sign_in import hasher
from ukemi.collector.web.security import COOKIE

EMAIL, PASSWORD = "ana@example.org", "correct horse battery"
HASH = hasher.hash(PASSWORD)


@pytest.fixture
def ana(database: Database, clock: VirtualClock) -> int:
    """Id of an account that has a password."""
    with database.write() as tx:
        account_id = accounts.ensure_account(tx, EMAIL, "member", clock.now_us())
        accounts.set_password(tx, account_id, HASH)
    return account_id


@pytest.fixture
def link(database: Database, clock: VirtualClock, ana: int) -> str:
    """Path of a new sign-in link."""
    with database.write() as tx:
        return f"/sign-in/{accounts.new_sign_in_link(tx, ana, clock.now_us())}"


def try_password(visitor: TestClient, email: str = EMAIL, password: str = PASSWORD, next_: str = "/") -> object:
    visitor.cookies.clear()
    return visitor.post("/sign-in", data={"email": email, "password": password, "next": next_})


def test_opening_a_link_does_not_spend_it(visitor: TestClient, link: str) -> None:
    """Mail scanners and previews open links too."""
    assert [visitor.get(link).status_code for _ in range(3)] == [200] * 3
    assert COOKIE not in visitor.cookies
    assert visitor.post(link).status_code == 303
    assert visitor.get("/issues").status_code == 200


def test_a_link_signs_in_once(app: Starlette, visitor: TestClient, link: str) -> None:
    assert visitor.post(link).headers["location"] == "/"
    second = TestClient(app, follow_redirects=False)
    answer = second.post(link)
    assert answer.status_code == 403
    assert "was used before" in answer.text
    assert COOKIE not in second.cookies


def test_a_link_is_good_for_a_day(visitor: TestClient, link: str, clock: VirtualClock) -> None:
    clock.advance(accounts.LINK_LIVES_US / 1_000_000)
    assert visitor.post(link).status_code == 403


def test_a_made_up_link_signs_nobody_in(visitor: TestClient) -> None:
    assert visitor.post("/sign-in/made-up").status_code == 403


@pytest.mark.parametrize("email", [EMAIL, " ANA@Example.org "])
def test_a_password_signs_in(visitor: TestClient, ana: int, email: str) -> None:
    answer = try_password(visitor, email)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert visitor.get("/account").status_code == 200


def test_after_signing_in_one_stands_where_one_wanted_to_go(visitor: TestClient, ana: int) -> None:
    assert try_password(visitor, next_="/alerts").headers["location"] == "/alerts"
    assert try_password(visitor, next_="//evil.example").headers["location"] == "/"


@pytest.mark.parametrize(("email", "password"), [(EMAIL, "wrong"), ("nobody@example.org", PASSWORD), ("", "")])
def test_a_wrong_address_and_a_wrong_password_look_the_same(
    visitor: TestClient, ana: int, email: str, password: str
) -> None:
    answer = try_password(visitor, email, password)
    assert answer.status_code == 403
    assert "The address or the password is wrong." in answer.text
    assert COOKIE not in visitor.cookies


def test_an_account_without_a_password_is_entered_by_link_only(
    visitor: TestClient, database: Database, clock: VirtualClock
) -> None:
    with database.write() as tx:
        accounts.ensure_account(tx, EMAIL, "owner", clock.now_us())
    assert try_password(visitor, password="").status_code == 403
    assert try_password(visitor, password="nobody's password").status_code == 403


def test_guessing_is_stopped_even_for_the_right_password(visitor: TestClient, ana: int, clock: VirtualClock) -> None:
    for _ in range(10):
        assert try_password(visitor, password="wrong").status_code == 403
    assert try_password(visitor).status_code == 429
    clock.advance(301)
    assert try_password(visitor).status_code == 303


def test_guessing_at_one_account_is_stopped_from_many_addresses(app: Starlette, ana: int) -> None:
    statuses = []
    for number in range(11):
        guesser = TestClient(app, follow_redirects=False, client=(f"198.51.100.{number}", 50_000))
        statuses.append(try_password(guesser, f"{' ' * number}{EMAIL}", "wrong").status_code)
    assert statuses == [403] * 10 + [429]


@pytest.mark.parametrize(("base_url", "is_secure"), [("http://testserver", False), ("https://testserver", True)])
def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(
    database: Database, settings: Settings, clock: VirtualClock, ana: int, base_url: str, *, is_secure: bool
) -> None:
    app = create_app(database, settings.model_copy(update={"base_url": base_url}), clock, [], [])
    cookie = try_password(TestClient(app, follow_redirects=False)).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert parts >= {"httponly", "samesite=lax", "path=/"}
    assert ("secure" in parts) == is_secure


def test_tokens_are_stored_as_hashes_only(visitor: TestClient, link: str, database: Database) -> None:
    """A copied database signs nobody in."""
    visitor.post(link)
    with database.read() as tx:
        raw = tx.connection.driver_connection  # the whole file's text, whatever the tables are called
        dump = "\n".join(raw.iterdump())
    assert link.removeprefix("/sign-in/") not in dump
    assert visitor.cookies[COOKIE] not in dump
    assert PASSWORD not in dump


def test_a_new_password_ends_all_other_sessions(
    app: Starlette, signed_in: Callable[..., TestClient], visitor: TestClient
) -> None:
    here, elsewhere = signed_in(EMAIL), signed_in(EMAIL)
    answer = here.post("/account", data={"password": PASSWORD})
    assert answer.status_code == 200
    assert here.get("/issues").status_code == 200
    assert elsewhere.get("/issues").status_code == 303
    assert try_password(visitor).status_code == 303


def test_a_password_is_changed_by_whoever_knows_the_present_one(
    signed_in: Callable[..., TestClient], ana: int, visitor: TestClient
) -> None:
    """A session left open on a shared machine is not enough."""
    here = signed_in(EMAIL, role="member")
    wrong = here.post("/account", data={"current": "wrong", "password": "another long one"})
    assert wrong.status_code == 403
    right = here.post("/account", data={"current": PASSWORD, "password": "another long one"})
    assert right.status_code == 200
    assert try_password(visitor).status_code == 403
    assert try_password(visitor, password="another long one").status_code == 303


def test_a_short_password_is_refused(owner: TestClient, visitor: TestClient) -> None:
    assert owner.post("/account", data={"password": "short"}).status_code == 400
    assert try_password(visitor, "owner@example.org", "short").status_code == 403


def test_the_sign_in_page_repeats_what_was_typed_as_text(visitor: TestClient, read_html: type) -> None:
    hostile = '"><script>alert(1)</script>'
    shown = read_html(try_password(visitor, hostile, "x", f"/{hostile}").text)
    assert hostile in shown.values("value")
    assert shown.inline.get("script", "") == ""
