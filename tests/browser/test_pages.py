"""The pages as a person meets them: in a browser, at a desk and on a phone, by keyboard, light and dark."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PAGES = (
    "/alerts",
    "/rules",
    "/notifications",
    "/silences",
    "/projects",
    "/projects/1/accounting",
    "/projects/1/performance",
    "/projects/1/performance?op=http.server&name=/orders/{id}",
)
both_sizes = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])

CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll("body *")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility())
    .map((e) => { const pair = [light(numbers(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
      return [Math.round((pair[0] + .05) / (pair[1] + .05) * 10) / 10, e.outerHTML.slice(0, 80)]; })
    .filter(([ratio]) => ratio < 4.5);
}"""
"""Texts whose contrast with what lies behind them is below 4.5 to 1. Source: WCAG 2.2, 1.4.3, read 2026-11."""


@pytest.fixture
def see(open_page: OpenPage, filled: object, session: dict) -> OpenPage:
    """Open a page as somebody who is signed in, when there are issues."""
    return lambda path, **options: open_page(path, storage_state=session, **options)


def open_issue(page: Page, words: str) -> None:
    page.goto(page.url.split("/issues")[0] + f"/issues?q=is:any {words}")
    page.locator(".issue .what").first.click()
    page.wait_for_load_state()


def test_the_link_of_the_greeting_signs_in_with_one_key(open_page: OpenPage, collector: object) -> None:
    page = open_page(collector.sign_in_link().removeprefix(collector.url))
    page.keyboard.press("Enter")
    page.wait_for_url("**/issues")
    expect(page.get_by_role("heading", level=1)).to_have_text("Issues")


@both_sizes
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_page_fits_and_can_be_read(see: OpenPage, size: dict, colours: str) -> None:
    """Nothing scrolls sideways, and every text stands out from what lies behind it."""
    page = see("/issues", **size, color_scheme=colours)
    expect(page.locator(".issue")).to_have_count(6)
    issues = [page.url.split("/issues")[0] + link.get_attribute("href") for link in page.locator(".issue .what").all()]
    base = page.url.removesuffix("/issues")
    page.goto(f"{base}/alerts")
    incidents = [base + link.get_attribute("href") for link in page.locator("td.wide > a").all()]
    for address in (
        f"{base}/issues",
        f"{base}/issues?q=nothing",
        *(base + path for path in PAGES),
        *issues[:2],
        *incidents[:2],
    ):
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert (address, page.evaluate("document.documentElement.scrollWidth - innerWidth")) == (address, 0)
        assert (address, page.evaluate(CONTRASTS)) == (address, [])
        assert page.title() != "owned"


@both_sizes
def test_searching_changes_the_list_and_the_address_without_loading_the_page(see: OpenPage, size: dict) -> None:
    page = see("/issues", **size)
    page.evaluate("window.isTheSamePage = true")
    page.get_by_role("searchbox").fill("is:open TimeoutError")
    expect(page.locator(".issue")).to_have_count(1)
    page.get_by_role("searchbox").fill("is:resolved")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.locator("#tabs [aria-current]")).to_contain_text("Resolved")
    assert "q=is%3Aresolved" in page.url
    assert page.evaluate("window.isTheSamePage")


@both_sizes
def test_an_incident_is_acknowledged_and_what_it_is_about_is_silenced(see: OpenPage, size: dict) -> None:
    page = see("/alerts", **size)
    page.locator("td.wide > a").filter(has_text="LookupError").first.click()
    acknowledge = page.get_by_role("button", name="Acknowledge")
    if acknowledge.count():  # the collector is the same at both sizes
        acknowledge.click()
    expect(page.locator(".title .meta")).to_contain_text("acknowledged by")
    page.get_by_role("link", name="Silence").click()
    expect(page.get_by_label("Rule")).not_to_have_value("")
    page.get_by_role("button", name="Silence").click()
    expect(page.get_by_text("active")).to_be_visible()
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()


@both_sizes
def test_an_issue_is_resolved_and_opened_again(see: OpenPage, size: dict) -> None:
    page = see("/issues", **size)
    open_issue(page, "TimeoutError")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".title .meta")).to_contain_text("resolved")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".title .meta")).to_contain_text("open")
    expect(page.get_by_role("button", name="Resolve")).to_be_visible()


@both_sizes
def test_an_issue_is_deleted_only_by_who_is_asked_first(see: OpenPage, filled: object, size: dict) -> None:
    filled.client.capture_event({"message": "a secret in plain words"})
    filled.client.flush(timeout=10)
    page = see("/issues?q=plain words", **size)
    for _ in range(20):
        if page.locator(".issue").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    page.locator(".issue .what").first.click()
    page.wait_for_url("**/projects/1/issues/*")
    delete = page.get_by_role("button", name="for good")
    expect(delete).not_to_be_visible()
    page.get_by_text("Delete this issue").click()
    delete.click()
    page.wait_for_url("**/issues")
    page.goto(f"{page.url}?q=is:any plain words")
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_an_issue_is_found_and_resolved_by_keyboard_alone(see: OpenPage) -> None:
    page = see("/issues?q=is:any TimeoutError")
    reached = []

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.name"))
            if name in reached[-1]:
                return
        pytest.fail(f"The tabulator key does not reach {name}: {reached}")

    tab_to("Skip to content")
    for name in ("Issues", "Alerts", "Projects", "Account", "Sign out", "Open", "Resolved", "Muted", "q", "Search"):
        tab_to(name)
    tab_to("TimeoutError")
    page.keyboard.press("Enter")
    page.wait_for_url("**/projects/1/issues/*")
    tab_to("Resolve")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    tab_to("Reopen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Resolve")).to_be_visible()


def test_a_new_issue_appears_by_itself_and_the_keyboard_stays_where_it_was(see: OpenPage, filled: object) -> None:
    """Whoever reads the list with the keyboard must not be thrown back to its top every few seconds."""
    page = see("/issues")
    link = page.locator(".issue .what").filter(has_text="LookupError")
    link.focus()
    filled.send(ArithmeticError("has just happened"))
    expect(page.locator(".issue").filter(has_text="ArithmeticError").first).to_be_visible(timeout=15_000)
    expect(link).to_be_focused()


def test_a_list_whose_session_is_over_leads_to_the_sign_in_page(see: OpenPage) -> None:
    page = see("/issues?q=is:any", expected="status of 401")
    page.context.clear_cookies()
    page.get_by_role("searchbox").fill("words")
    page.wait_for_url("**/sign-in?next=**")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_dsn_is_copied_with_its_button(see: OpenPage) -> None:
    page = see("/projects", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".dsn code").first.inner_text()
