"""The guide of the WWMAA backend: a reader who does what it says sees what it says."""

import json
import os
import re
import subprocess
import sys

import pytest

import backend.middleware
import backend.observability
from backend.config import Settings
from tests.docs.pages import ROOT, Page
from tests.docs.terminal import reading

PAGE = Page.read("docs/observability/error-tracking-guide.md")
IMAGES = PAGE.path.parent / "images"
SEEN = """
import sentry_sdk
left = []
start = sentry_sdk.init
def recording(**options):
    start(**options)
    sentry_sdk.get_client().transport.capture_envelope = left.append
sentry_sdk.init = recording
"""
TOLD = """
import asyncio, contextlib, json, httpx

async def call(*paths):
    asgi = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=asgi, base_url="http://app") as client:
        return [(await client.get(path)).status_code for path in paths]

def events():
    return [item.payload.json for envelope in left for item in envelope.items if item.type == "event"]
"""


def run(code, folder):
    """Run a program as the backend's developer would, with nobody listening where errors go."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SENTRY_DSN": "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1",
        "SENTRY_PROFILES_SAMPLE_RATE": "0",
        "DATABASE_URL": f"sqlite:///{folder / 'wwmaa.db'}",
    }
    command = [sys.executable, "-c", SEEN + code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "ukemi:" not in done.stderr


THEN = {
    "/api/grading": """
assert asyncio.run(call("/api/belts/1", "/api/belts/9", "/api/grading")) == [200, 500, 503]
assert [e["transaction"] for e in events()] == ["GET /api/belts/{number}", "GET /api/grading"]
""",
    "the printer": 'assert [e["level"] for e in events()] == ["warning", "info"]',
    "clear_user_context()": 'assert events()[0]["user"]["role"] == "instructor"',
    "examiners chosen": """
assert [c["message"] for c in events()[0]["breadcrumbs"]["values"]] == ["examiners chosen"]
assert events()[0]["tags"]["dojo"] == "main"
""",
    'card == "empty"': """
assert [(e["level"], "expected" in e["tags"]) for e in events()] == [("warning", True), ("error", False)]
""",
    '"seat booked"': 'assert len(events()[0]["breadcrumbs"]["values"]) == 4',
    "def process_payment": """
with contextlib.suppress(stripe.StripeError):
    asyncio.run(process_payment("cus_1", 20.0))
assert [(e["level"], e["tags"]["domain"]) for e in events()] == [("error", "payment")]
""",
    "def authenticate_user": """
from backend.database import upgrade
upgrade()
with contextlib.suppress(AuthenticationError):
    asyncio.run(authenticate_user("kiyoshi", "mistyped"))
assert [(e["level"], e["tags"]) for e in events()] == [("warning", {"domain": "auth", "expected": "yes"})]
assert "kiyoshi" not in json.dumps(events())
""",
}
"""What must hold after a snippet, by a text that stands in that one alone. Those not listed check themselves."""


def test_each_check_belongs_to_one_snippet():
    assert all(sum(text in code for code in PAGE.snippets("python")) == 1 for text in THEN)


@pytest.mark.parametrize("code", [pytest.param(code, id=str(n)) for n, code in enumerate(PAGE.snippets("python"), 1)])
def test_a_snippet_runs_and_sends_what_the_guide_says(code, tmp_path):
    then = "".join(check for text, check in THEN.items() if text in code)
    run(code + TOLD + then, tmp_path)


def test_the_quick_start_ends_with_an_event_that_is_found_by_its_id(tmp_path):
    """The first commands, which download, are done by `make soak`."""
    install, serve, run_app, mistype, *_ = PAGE.snippets("sh")
    assert "pip install -r requirements.txt" in install
    with reading(tmp_path, "http://127.0.0.1:9/") as reader:
        (reader.folder / "backend").symlink_to(ROOT / "backend")
        dsn = re.search(r"server key: (\S+)", reader.type(serve))[1]
        reader.instead["http://KEY@127.0.0.1:8790/1"] = dsn
        reader.instead = dict(sorted(reader.instead.items(), key=lambda one: -len(one[0])))  # longest first
        assert "Error tracking is on" in reader.type(run_app)
        answer = json.loads(reader.type(mistype))
        [shown] = map(json.loads, PAGE.snippets("json"))
        assert (answer.keys(), answer["detail"]) == (shown.keys(), shown["detail"])
        assert re.fullmatch("[0-9a-f]{32}", answer["event_id"])


def test_the_guide_has_all_its_parts():
    parts = """Quick start, Configuration, Capturing, The user, Breadcrumbs, Errors of a domain, The middleware, Alerts, Privacy,
        Performance, Troubleshooting, Best practices, Examples"""
    assert {part.strip() for part in parts.split(",")} <= set(PAGE.headings())


def test_the_guide_lists_the_settings_of_error_tracking_with_their_defaults():
    def shown_default(name):
        if name == "SENTRY_ENVIRONMENT":
            return "the value of `PYTHON_ENV`"
        if name == "SENTRY_RELEASE":
            return "found"
        value = Settings.model_fields[name].default
        return f"`{value}`" if value != "" else "empty"

    listed = {row["variable"].strip("`"): row["default"] for row in PAGE.section("Configuration").table()}
    names = [name for name in Settings.model_fields if name.startswith("SENTRY_")]
    assert listed == {name: shown_default(name) for name in names}


def test_each_domain_helper_is_called_where_the_guide_says():
    for row in PAGE.section("Errors of a domain").table():
        source = (ROOT / "backend" / re.search(r"`([^`]+\.py)`", row["called in"])[1]).read_text("utf-8")
        assert f"{row['helper'].strip('`')}(" in source


def test_the_backend_calls_every_helper_that_it_offers():
    """A helper that is only defined helps nobody."""
    calling = [*(ROOT / "backend").glob("*.py"), *(ROOT / "backend/routes").glob("*.py")]
    called = set(re.findall(r"\b(track_\w+)\(", "".join(path.read_text("utf-8") for path in calling)))
    offered = {*backend.observability.__all__, *backend.middleware.__all__}
    assert {name for name in offered if name.startswith("track_")} <= called


def test_tracking_is_set_up_in_at_most_150_lines():
    """Whoever copies from the backend copies these: what they need of metrics and tracing stands in files of its own."""
    files = ["observability/__init__.py", "observability/errors.py", "observability/error_utils.py"]
    files += ["middleware/__init__.py", "middleware/error_tracking_middleware.py"]
    assert sum(len((ROOT / "backend" / name).read_text("utf-8").splitlines()) for name in files) <= 150


def test_the_guide_shows_every_picture_that_there_is():
    shown = set(re.findall(r"\(images/([\w.]+)\)", PAGE.text))
    assert shown == {path.name for path in IMAGES.iterdir()}
    assert all(path.stat().st_size < 150_000 for path in IMAGES.iterdir()), "pictures are kept small"
