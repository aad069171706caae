"""What `ukemi serve` says when something is set wrong: at its start, where somebody is looking."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import httpx
import pytest


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"UKEMI_WEBHOOK_URL": "https://example.org", "UKEMI_WEBHOOK_SECRET": "not base64!"}, "no base64"),
        ({"UKEMI_RULES_FILE": "/nowhere/rules.toml"}, "/nowhere/rules.toml cannot be read"),
        ({"UKEMI_PORT": "many"}, "UKEMI_PORT"),
        ({"UKEMI_DATABASE_URL": "sqlite:////nowhere/ukemi.db"}, "database"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(tmp_path, settings, said):
    done = subprocess.run(
        [sys.executable, "-m", "ukemi.cli.main", "serve", "--data-dir", str(tmp_path / "data")]
        + ([] if "UKEMI_PORT" in settings else ["--port", "0"]),
        env={name: value for name, value in os.environ.items() if not name.startswith("UKEMI_")} | settings,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_severities_that_reach_nobody_are_named_at_the_start_and_on_every_page(start_collector):
    collector = start_collector(pagerduty_routing_key="0" * 32)
    said = "Nobody is told of incidents of severity warning and high"
    assert said in collector.greeting
    sign_in = collector.ukemi("user", "create", "owner@localhost", "--role", "owner", "--json")["sign_in"]
    with httpx.Client(base_url=collector.url, follow_redirects=True) as web:
        web.post(urlsplit(sign_in).path).raise_for_status()
        for path in ("/issues", "/alerts", "/projects", "/account"):
            assert said in web.get(path).text
            assert "Nobody is being told" not in web.get(path).text


def test_nothing_is_said_when_every_severity_has_a_channel(start_collector):
    collector = start_collector(slack_url="https://hooks.slack.com/services/T/B/x")
    assert "Nobody" not in collector.greeting
