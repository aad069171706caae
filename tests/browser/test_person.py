"""A member's way from the first page to a declined card, and what their words become on the developer's side: in a browser, with all processes real."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from demo.stack import Stack, running
from docs.observability import screenshots

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
DECLINED = "pm_card_visa_chargeDeclined"


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Collector, backend with two workers, and a stand-in for Stripe."""
    with running(tmp_path_factory.mktemp("person") / "stack", fixed_ports=False) as stack:
        yield stack


@pytest.fixture(scope="module")
def signed_in(stack: Stack, browser: Browser) -> dict:
    """Cookies of a developer."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(stack.sign_in)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/issues")
        return context.storage_state()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A page of somebody new. Whatever its scripts or its content policy complain about fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def visit(address: str, **options: object) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None
        )
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"main [name={name}]").fill(value)


def register(page: Page, name: str) -> None:
    page.get_by_role("link", name="Register").click()
    fill(page, username=name, email=f"{name}@example.org", password="a good password")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Membership")


@pytest.mark.parametrize(
    ("name", "words", "size"),
    [("kiyoshi", "There is money on it.", DESK), ("aiko", "It works elsewhere.", PHONE)],
    ids=["desk", "phone"],
)
def test_a_declined_card_is_answered_politely_and_what_the_member_says_stands_with_the_issue(
    stack: Stack, signed_in: dict, visit: Callable[..., Page], name: str, words: str, size: dict
) -> None:
    page = visit(stack.backend, viewport=size)
    register(page, name)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").click()
    fill(page, username=name, password="not my password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("User name or password is wrong.")
    fill(page, password="a good password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Membership").click()
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_text("Yours is basic.")).to_be_visible()

    form = page.locator("form[action='/pay']")
    form.get_by_label("What for").fill("grading")
    form.get_by_label("Card").select_option(DECLINED)
    form.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    expect(page.get_by_text("Nothing was charged.")).to_be_visible()
    assert fits(page)
    event_id = page.locator("#event-id").inner_text()
    fill(page, name=name, comments=words)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    page.goto(f"{stack.backend}/membership")
    expect(page.get_by_role("cell", name="failed")).to_be_visible()
    assert fits(page)

    developer = visit(f"{stack.collector}/issues", viewport=size, storage_state=signed_in)
    developer.get_by_role("searchbox").fill(event_id)  # as the member quotes it
    developer.wait_for_url(f"**/issues/*?event={event_id}")
    expect(developer.get_by_text(words)).to_be_visible()
    seen = developer.locator("main").inner_text().lower()
    for told in (
        event_id,
        "carderror: your card was declined.",
        "warning",  # the member caused it alone, so it pages nobody
        "post /pay",
        "breadcrumbs",
        "payment started",
        "hmac:",  # of the e-mail address
        "chrome",
        "member",
        "basic",
        "domain",
        "expected",
    ):
        assert told in seen, f"{told!r} is missing"
    assert f"{name}@example.org" not in seen
    assert fits(developer)


def test_the_pictures_of_the_guide_can_be_taken_anew(stack: Stack, browser: Browser, tmp_path: Path) -> None:
    """A page that changes must not leave a script behind that nobody can run."""
    screenshots.take(stack, browser, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in screenshots.IMAGES.iterdir()}
