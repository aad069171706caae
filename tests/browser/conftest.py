"""A real browser, and a real collector with errors in it that sentry-sdk sent."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sentry_sdk
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from demo.browser import launch

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
UKEMI = [sys.executable, "-m", "ukemi.cli.main"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: as long as playwright runs, no test in this process can run a loop of its own.
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@dataclass
class Collector:
    """A running `ukemi serve`, and a client that sends to it."""

    url: str
    data_dir: Path
    environment: dict[str, str]
    client: sentry_sdk.Client

    def sign_in_link(self) -> str:
        command = [
            *UKEMI,
            "user",
            "create",
            "owner@localhost",
            "--role",
            "owner",
            "--json",
            "--data-dir",
            self.data_dir,
        ]
        answer = json.loads(subprocess.check_output(command, env=self.environment, text=True))
        return self.url + re.sub(r"^https?://[^/]+", "", answer["sign_in"])

    def send(self, error: Exception, **tags: str) -> None:
        """Raise `error` among a few variables, and send it."""
        order = {"id": 81723, "note": HOSTILE * 20}
        with sentry_sdk.new_scope() as scope:
            scope.set_client(self.client)
            scope.set_user({"id": "42", "role": "member", "tier": "premium"})
            scope.set_tags(tags)
            for number in range(40):
                scope.add_breadcrumb(category="db.query", message=f"SELECT {number}", data={"rows": number})
            try:
                try:
                    raise error  # noqa: TRY301
                except Exception as cause:
                    scope.capture_exception(cause)
                    raise ValueError(f"order {order['id']} was declined") from cause
            except ValueError as chained:
                scope.capture_exception(chained)
        self.client.flush(timeout=10)

    def trace(self) -> None:
        """Send a transaction with spans, of which one has a long text."""
        with sentry_sdk.new_scope() as scope:
            scope.set_client(self.client)
            with sentry_sdk.start_transaction(op="http.server", name="/orders/{id}", source="route") as transaction:
                query = sentry_sdk.start_span(op="db.query", name="SELECT " + "column, " * 60)
                with query, sentry_sdk.start_span(op="db.connect", name="pool"):
                    pass
                transaction.set_status("internal_error")
        self.client.flush(timeout=10)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    data_dir = tmp_path_factory.mktemp("collector")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UKEMI_")}
    with (data_dir / "log").open("w") as log:
        process = subprocess.Popen(
            [*UKEMI, "serve", "--data-dir", data_dir, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    greeting = ""
    for line in process.stdout:
        greeting += line
        if "listening on" in line:
            break
    else:
        pytest.fail(f"ukemi serve ended: {greeting}\n{(data_dir / 'log').read_text()}")
    url = re.search(r"listening on (http://\S+)", greeting)[1]
    dsn = re.search(r"server key: (\S+)", greeting)[1]
    client = sentry_sdk.Client(
        dsn,
        traces_sample_rate=1.0,
        default_integrations=False,
        release="shop@2.14.0",
        in_app_include=["tests", "conftest"],
    )
    yield Collector(url, data_dir, environment, client)
    client.close()
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="module")
def filled(collector: Collector, browser: Browser) -> Collector:
    """The collector with a few issues, all of them stored."""
    collector.send(LookupError(HOSTILE), domain="payment")
    collector.send(KeyError("a title without any place to break it: " + "x" * 300))
    collector.send(TimeoutError("the database did not answer"))
    collector.trace()
    return collector


@pytest.fixture(scope="module")
def session(collector: Collector, browser: Browser) -> dict:
    """Cookies of somebody who is signed in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(collector.sign_in_link())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/issues")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, collector: Collector) -> Iterator[Callable[..., Page]]:
    """
    Open a page of the collector in a window of its own: `open_page("/issues", width=390, storage_state=session)`.

    Whatever the browser complains about on it, be it on the console, an exception or the content policy, fails the test,
    unless it contains what is `expected`.
    """
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def note(said: str, expected: str) -> None:
        if not expected or expected not in said:
            complaints.append(said)

    def open_(path: str, width: int = 1280, height: int = 900, expected: str = "", **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))"
        )
        page = context.new_page()
        page.on("console", lambda said: note(said.text, expected) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: note(str(error), expected))
        page.on("dialog", lambda dialog: note(dialog.message, expected))
        page.goto(collector.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
