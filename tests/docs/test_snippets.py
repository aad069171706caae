"""What a reader copies works: each snippet by itself, in an interpreter of its own, without network."""

import os
import subprocess
import sys
import tomllib

import msgspec
import pytest

from tests.docs.pages import PAGES, Page
from ukemi.collector.core.notification import BlastRadius, Content, Reason
from ukemi.collector.notify.channels.webhook import render

NOWHERE = "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1"
"""A loopback port on which nothing listens."""
SECRET = "whsec_dWtlbWkgZG9jdW1lbnRhdGlvbiB0ZXN0cw=="
RUN = ["docs/how-to/channels.md", "docs/how-to/use-the-sdk.md"]

CALL = """
import asyncio, httpx, sentry_sdk

left = []
if (transport := sentry_sdk.get_client().transport) is not None:
    transport.capture_envelope = left.append

async def call(requests):
    asgi = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=asgi, base_url="http://app") as client:
        return [(await client.request(method, url)).status_code for method, url in requests]

def events():
    return [item.payload.json for envelope in left for item in envelope.items if item.type == "event"]
"""


def snippets(path):
    return [pytest.param(code, id=f"{path}-{n}") for n, code in enumerate(Page.read(path).snippets("python"), 1)]


def run(code):
    """Run a program; what it says on standard error comes back."""
    environment = {
        "PATH": os.environ["PATH"],
        "SENTRY_DSN": NOWHERE,
        "UKEMI_PII_KEY": "a key for tests",
        "JWT_SECRET": "a secret for tests, long enough for it",
        "UKEMI_WEBHOOK_SECRET": SECRET,
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def snippet_with(path, text):
    (code,) = [code for code in Page.read(path).snippets("python") if text in code]
    return code


@pytest.mark.parametrize("page", [*map(Page.read, PAGES)], ids=lambda page: page.name)
def test_every_snippet_can_be_read(page):
    for code in page.snippets("python"):
        compile(code, page.name, "exec")
    for code in page.snippets("json"):
        msgspec.json.decode(code)
    for code in page.snippets("toml"):
        tomllib.loads(code)


@pytest.mark.parametrize("code", [snippet for path in RUN for snippet in snippets(path)])
def test_a_snippet_runs_and_the_sdk_has_nothing_to_complain_about(code):
    assert "ukemi:" not in run(code)


def test_the_payment_snippet_makes_one_event_for_each_failure_and_only_the_unexpected_is_an_error():
    run(
        snippet_with("docs/how-to/use-the-sdk.md", "track_payment_error")
        + CALL
        + """
requests = [("POST", "/payments?amount=200"), ("POST", "/payments?amount=20"), ("POST", "/sign-in?username=bob")]
assert asyncio.run(call(requests)) == [402, 503, 401]
assert [(event["level"], event["tags"]) for event in events()] == [
    ("warning", {"domain": "payment", "expected": "yes"}),
    ("error", {"domain": "payment"}),
    ("warning", {"domain": "auth", "expected": "yes"}),
]
assert "bob" not in str(events())
"""
    )


def test_the_first_snippet_captures_the_error_of_its_route_once():
    run(
        snippet_with("docs/how-to/use-the-sdk.md", "/boom")
        + CALL
        + """
assert asyncio.run(call([("GET", "/boom")])) == [500]
(event,) = events()
assert event["transaction"] == "GET /boom"
"""
    )


def test_the_webhook_snippet_takes_what_the_collector_signs_and_refuses_the_rest():
    run(
        snippet_with("docs/how-to/channels.md", "standardwebhooks")
        + """
import asyncio, httpx
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.base import Telling
from ukemi.collector.notify.channels.webhook import SignedWebhook
from ukemi.collector.notify.http import Answer

class Post:
    def post(self, url, body, headers, *, now_us):
        self.body, self.headers = body, headers
        return Answer(200, b"", "200")

told = Post()
content = Content("4f9c1d2e8a7b6035", Reason.OPENED, "critical", "r", "t", "b", "p", "e", "c", "http://u/", 0)
SignedWebhook(told, "http://127.0.0.1/", os.environ["UKEMI_WEBHOOK_SECRET"]).send(Telling("n1", content), SystemClock().now_us())

async def post(body):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return (await client.post("/ukemi", content=body, headers=told.headers)).status_code

assert [asyncio.run(post(body)) for body in (told.body, told.body, told.body + b" ")] == [200, 200, 401]
assert seen == {"n1"}
"""
    )


def test_the_body_in_the_how_to_is_the_one_that_is_sent():
    (shown,) = map(msgspec.json.decode, Page.read("docs/how-to/channels.md").snippets("json"))
    noon_us = 1_769_860_800_000_000
    data = shown["data"]
    content = Content(
        incident_id=data["incident"],
        reason=Reason.OPENED,
        **{name: data[name] for name in ("severity", "rule", "title", "because", "project", "environment", "culprit")},
        link=data["link"],
        incident_link=data["incident_link"],
        blast_radius=msgspec.convert(data["blast_radius"], BlastRadius),
        opened_us=noon_us,
    )

    assert shown == msgspec.json.decode(msgspec.json.encode(render(content)))
