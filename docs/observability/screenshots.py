"""`make screenshots`: the guide's pictures, of the running demo's own pages. To be run when one of these pages has changed."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.browser import launch
from demo.stack import Stack, running

IMAGES = Path(__file__).parent / "images"
DECLINED = "pm_card_visa_chargeDeclined"


def take(stack: Stack, browser: Browser, folder: Path) -> None:
    """Be a member whose card is declined, then the developer who looks at it; leave the pictures in `folder`."""
    with browser.new_context(viewport={"width": 640, "height": 620}, color_scheme="light") as context:
        page = context.new_page()
        event_id = _meet_an_error(page, stack.backend)
        page.screenshot(path=folder / "declined.png")
        page.get_by_label("What did you do").fill("I renewed as every year. There is money on the card.")
        page.get_by_role("button", name="Send").click()
    with browser.new_context(viewport={"width": 900, "height": 1000}, color_scheme="light") as context:
        page = context.new_page()
        page.goto(stack.collector)
        context.add_cookies(
            [{"name": one.name, "value": one.value or "", "url": stack.collector} for one in stack.web.cookies.jar]
        )
        page.goto(f"{stack.collector}/issues?q=is:any")
        page.get_by_role("searchbox").fill(event_id)
        page.wait_for_url(f"**?event={event_id}")
        expect(page.get_by_text("There is money on the card").first).to_be_visible()
        page.screenshot(path=folder / "issue.png")
        page.set_viewport_size({"width": 900, "height": 280})
        page.goto(f"{stack.collector}/alerts")
        page.screenshot(path=folder / "alerts.png")


def _meet_an_error(page: Page, backend: str) -> str:
    """Register and pay with a declined card. Returns the id that the page names."""
    page.goto(f"{backend}/register")
    page.get_by_label("User name").fill("masako")
    page.get_by_label("E-mail address").fill("masako@example.org")
    page.get_by_label("Password").fill("a good password")
    page.get_by_role("button", name="Register").click()
    form = page.locator("form[action='/pay']")
    form.get_by_label("What for").fill("renewal")
    form.get_by_label("Card").select_option(DECLINED)
    form.get_by_role("button", name="Pay").click()
    return page.locator("#event-id").inner_text()


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "stack", fixed_ports=False) as stack,
        sync_playwright() as playwright,
    ):
        IMAGES.mkdir(exist_ok=True)
        take(stack, launch(playwright), IMAGES)
    print(f"{IMAGES}: {', '.join(sorted(path.name for path in IMAGES.iterdir()))}")


if __name__ == "__main__":
    main()
