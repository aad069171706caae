"""An error on the backend's page: from the real browser SDK in a real Chromium, else a recorded one that says so."""

import json
import time
import uuid

import httpx
from playwright.sync_api import sync_playwright

from demo.browser import find_chromium, launch


def cause(backend: str) -> str:
    """Have the page fail. Returns how it was done."""
    if find_chromium() is not None:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_page()
            page.goto(backend)
            page.route("**/api/events", lambda route: route.fulfill(json={}))  # an answer that the page does not expect
            # The SDK sends a session, too; the error has left when the envelope with the event is answered.
            with page.expect_response(lambda answer: '"type":"event"' in (answer.request.post_data or "")) as sent:
                page.click("#next-training")
            assert sent.value.status == 200
            browser.close()
        return "a real page in headless Chromium"
    _replay(backend)
    return "a recorded browser envelope, since no Chromium was found"


def _replay(backend: str) -> None:
    """Send what the browser SDK sends, through the same tunnel."""
    dsn = httpx.get(backend).text.split('data-dsn="', 1)[1].split('"', 1)[0]
    event = {
        "event_id": uuid.uuid4().hex,
        "platform": "javascript",
        "level": "error",
        "timestamp": time.time(),
        "exception": {
            "values": [
                {
                    "type": "TypeError",
                    "value": "object is not iterable (cannot read property Symbol(Symbol.iterator))",
                    "mechanism": {"type": "auto.browser.global_handlers.onunhandledrejection", "handled": False},
                    "stacktrace": {
                        "frames": [
                            {
                                "filename": f"{backend}/static/page.js",
                                "function": "HTMLButtonElement.<anonymous>",
                                "lineno": 9,
                                "colno": 17,
                                "in_app": True,
                            }
                        ]
                    },
                }
            ]
        },
        "request": {"url": f"{backend}/", "headers": {"User-Agent": _CHROME}},
    }
    payload = json.dumps(event)
    header = {"event_id": event["event_id"], "dsn": dsn}
    item = {"type": "event", "length": len(payload.encode())}
    body = f"{json.dumps(header)}\n{json.dumps(item)}\n{payload}\n"
    httpx.post(f"{backend}/monitoring", content=body, headers={"User-Agent": _CHROME}).raise_for_status()


_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
