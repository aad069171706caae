"""Errors of pages: from the real browser SDK in a real Chromium, through the backend's tunnel, to an issue. They page nobody."""

import json
import uuid

import httpx

from demo import page_error

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def test_a_page_error_in_chromium_becomes_an_issue_with_browser_and_system(collector, start_backend, eventually):
    backend = start_backend(collector.dsn("server"), collector.dsn("browser"))
    assert page_error.cause(backend) == "a real page in headless Chromium"

    query = "SELECT title, key_kind, platform, project_id FROM issue"
    eventually(lambda: collector.rows(query), "the page error is an issue")
    [(title, key_kind, platform, project)] = collector.rows(query)
    assert title.startswith("TypeError: ")
    assert (key_kind, platform, project) == ("browser", "javascript", 1)
    tags = dict(collector.rows("SELECT key, value FROM issue_tag"))
    assert "Chrome" in tags["browser"]
    assert "Linux" in tags["os"]
    assert tags["environment"] == "staging"


def test_what_is_sent_with_a_browser_key_pages_nobody(start_collector, receiver, eventually):
    """A browser key is public: neither a tag nor forged request counts may wake anybody."""
    collector = start_collector(
        slack_url=f"{receiver.url}/slack",
        pagerduty_url=f"{receiver.url}/pagerduty",
        pagerduty_routing_key="0" * 32,
        outgoing_allow='["127.0.0.0/8"]',
    )
    key = collector.dsn("browser").removeprefix("http://").split("@")[0]

    def send(kind: str, payload: dict) -> int:
        item = json.dumps({"type": kind})
        body = "\n".join([json.dumps({"event_id": uuid.uuid4().hex}), item, json.dumps(payload), ""])
        url = f"{collector.url}/api/1/envelope/"
        return httpx.post(url, params={"sentry_key": key}, content=body, headers={"User-Agent": BROWSER}).status_code

    payment = {"level": "fatal", "message": "forged", "tags": {"domain": "payment"}, "platform": "javascript"}
    failures = {
        "version": 1,
        "instance": {"id": uuid.uuid4().hex, "pid": 1},
        "environment": "production",
        "since_request_ms": 10,
        "failures_ms": [10] * 20,
        "failure_count": 20,
        "buckets": [
            {"sequence": 0, "age_ms": 100, "routes": [{"method": "GET", "route": "/", "status": 500, "count": 20}]}
        ],
    }
    assert send("event", payment) == 200
    assert send("ukemi_request_counts", failures) == 200

    eventually(lambda: receiver.json("/slack"), "the team hears of the new issue")
    refused = "SELECT 1 FROM outcome WHERE outcome = 'invalid' AND reason = 'browser_key'"
    eventually(lambda: collector.rows(refused), "the request counts are refused, and that is counted")
    waiting = "SELECT 1 FROM change WHERE claimed_us IS NULL"
    eventually(lambda: not collector.rows(waiting), "the rules have judged what came")
    assert collector.rows("SELECT rule FROM incident") == [("new error type",)]
    assert collector.rows("SELECT count(*) FROM instance") == [(0,)]
    assert receiver.json("/pagerduty") == []
