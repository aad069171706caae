"""The fixture `captured` as a project gets it: pytest in a process of its own, with the plugin that the wheel announces."""

import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
CARD = "4242424242424242"
SHOP = f"""
    import logging
    from fastapi import FastAPI
    import ukemi.sdk
    from ukemi.privacy import Rules

    def build(**options):
        app = FastAPI()
        if options.pop("is_tracked", True):
            ukemi.sdk.init(app, traces_sample_rate=1.0, **options)

        @app.get("/boom")
        async def boom():
            membership = "M-4711"
            ukemi.sdk.add_breadcrumb("shop", "opened")
            raise ValueError("broken")

        @app.get("/says")
        async def says():
            ukemi.sdk.capture_message("all well")

        @app.get("/pays")
        async def pays():
            card_number = "{CARD}"
            raise ValueError("paid")

        return app
"""
CLIENT = """
    import asyncio, httpx, pytest, sentry_sdk
    import ukemi.sdk
    from shop import build
    from ukemi.sdk.scrubbing import Scrubbed

    def get(app, path):
        async def ask():
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return (await client.get(path)).status_code
        return asyncio.run(ask())
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with the app `shop`; the plugin is announced there as by an installed wheel."""
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = pytester.mkdir("installed") / "announced-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 1\n")
    lines = [f"{name} = {value}" for name, value in entry_points["pytest11"].items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", str(installed.parent))
    for name in ("SENTRY_DSN", "SENTRY_SPOTLIGHT", "UKEMI_PII_KEY"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(shop=SHOP)
    return pytester


@pytest.fixture
def run(project):
    """Run tests of the project; the result is pytest's."""

    def go(tests, *, before=CLIENT):
        project.makepyfile(test_shop=dedent(before) + dedent(tests))
        return project.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")

    return go


def test_what_an_app_tells_is_there_by_kind(run):
    result = run("""
        def test_all(captured):
            app = build(release="shop@1")
            assert [get(app, path) for path in ("/boom", "/says")] == [500, 200]
            error, message = captured.events
            assert error["exception"]["values"][0]["value"] == "broken"
            assert captured.messages == [message]
            assert message["message"] == "all well"
            assert [one["transaction"] for one in captured.transactions] == ["GET /boom", "GET /says"]
            assert "opened" in [crumb.get("message") for crumb in captured.breadcrumbs]
            assert captured.request_counts == [
                {"method": "GET", "route": "/boom", "status": 500, "count": 1},
                {"method": "GET", "route": "/says", "status": 200, "count": 1},
            ]
            captured.assert_no_secrets("nowhere")

        def test_only(captured):
            get(build(), "/boom")
            assert captured.only["transaction"] == "GET /boom"
    """)

    result.assert_outcomes(passed=2)


def test_an_app_that_was_imported_before_without_a_dsn_is_recorded(run):
    """Most tests import the app at their top, where tracking is off."""
    result = run("""
        app = build()

        def test_one(captured):
            get(app, "/boom")
            assert captured.only["transaction"] == "GET /boom"

        def test_other(captured):
            assert captured.events == []
    """)

    result.assert_outcomes(passed=2)


def test_an_app_that_was_imported_before_without_a_dsn_is_recorded_with_its_own_settings(run):
    result = run("""
        from ukemi.privacy import Rules
        app = build(environment="staging", rules=Rules(secret_keys=frozenset({"membership"})))
        assert not ukemi.sdk.runtime.current().is_on

        @pytest.mark.parametrize("again", [False, True])
        def test_its_own(captured, again):
            get(app, "/boom")
            assert captured.only["environment"] == "staging"
            captured.assert_no_secrets("M-4711")

        def test_afterwards_it_is_off():
            assert not ukemi.sdk.runtime.current().is_on
    """)

    result.assert_outcomes(passed=3)


def test_an_app_that_was_imported_before_with_a_dsn_keeps_its_own_settings(run, monkeypatch):
    monkeypatch.setenv("SENTRY_DSN", "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/7")
    result = run("""
        from ukemi.privacy import Rules
        app = build(environment="staging", rules=Rules(secret_keys=frozenset({"membership"})))
        client = sentry_sdk.get_client()
        transport, runtime = client.transport, ukemi.sdk.runtime.current()

        @pytest.mark.parametrize("again", [False, True])
        def test_its_own(captured, again):
            if again:
                get(build(release="inner"), "/boom")
                assert captured.only["release"] == "inner"
            else:
                get(app, "/boom")
                assert captured.only["environment"] == "staging"
                assert captured.request_counts[0]["count"] == 1
                captured.assert_no_secrets("M-4711")

        def test_afterwards_everything_is_as_before():
            assert sentry_sdk.get_client() is client
            assert client.transport is transport
            assert "close" not in vars(client)
            assert ukemi.sdk.runtime.current() is runtime
    """)

    result.assert_outcomes(passed=3)


def test_afterwards_tracking_is_off_and_nothing_of_the_test_stays(run):
    result = run("""
        def test_leaves_traces(captured):
            build()
            ukemi.sdk.set_tag("left", "behind")
            sentry_sdk.get_global_scope().set_tag("left", "behind")

        def test_finds_none(captured):
            build()
            ukemi.sdk.capture_message("clean")
            assert "tags" not in captured.only

        def test_is_off():
            assert not sentry_sdk.get_client().is_active()
            assert not ukemi.sdk.runtime.current().is_on
            assert ukemi.sdk.capture_message("nobody hears") is None
    """)

    result.assert_outcomes(passed=3)


def test_a_given_text_that_leaves_fails_the_test_and_its_place_is_named(run):
    result = run("""
        def test_leak(captured):
            get(build(), "/boom")
            captured.assert_no_secrets("m-4711")
    """)

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [r".*event\.exception\.values\[0\]\.stacktrace\.frames\[\d+\]\.vars\.membership: holds 'm-4711'"]
    )


def test_something_that_a_rule_would_take_fails_the_test_and_is_not_repeated(run):
    """What changes an event after the filter, as this does, is what the check is for."""
    result = run("""
        def test_leak(captured):
            build()
            envelope = sentry_sdk.envelope.Envelope()
            envelope.add_event(Scrubbed({"extra": {"notes": ["fine", "card " + "42" * 8]}, "contexts": {"a": {"password": "x1"}}}))
            sentry_sdk.get_client().transport.capture_envelope(envelope)
            captured.assert_no_secrets()
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*event.contexts.a.password: matches the rule @password",
            "*event.extra.notes[[]1]: matches the rule @creditcard",
        ]
    )
    result.stdout.no_fnmatch_line(f"*{CARD}*")


def test_with_several_events_or_none_the_failure_says_what_there_is(run):
    result = run("""
        def test_several(captured):
            app = build()
            get(app, "/boom"), get(app, "/says")
            captured.only

        def test_none(captured):
            get(build(), "/nowhere")
            captured.only

        def test_held_back(captured):
            get(build(before_send=lambda event, hint: None), "/boom")
            captured.only

        def test_off(captured):
            get(build(dsn=""), "/boom")
            captured.only
    """)

    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "*One event was expected, and 2 were captured:",
            "*1. ValueError: broken (GET /boom)",
            "*2. all well (GET /says)",
            "*none was captured: nothing was raised*",
            "*none was captured: sentry-sdk or a hook of the app held back 1 (before_send).",
            "*none was captured: error tracking is off.*",
        ],
        consecutive=False,
    )


def test_logs_that_wait_for_company_are_captured(run):
    result = run("""
        def test_log(captured):
            build(enable_logs=True)
            sentry_sdk.logger.warning("stock is low")
            (batch,) = captured.of_type("log")
            assert batch["items"][-1]["body"] == "stock is low"
    """)

    result.assert_outcomes(passed=1)


def test_a_transport_of_the_apps_own_is_named_as_not_examined(run):
    result = run("""
        from sentry_sdk.transport import HttpTransport

        class OwnTransport(HttpTransport):
            pass

        def test_own(captured):
            build(transport=OwnTransport)
            assert captured.unexamined == ["OwnTransport"]
    """)

    result.assert_outcomes(passed=1)


def test_a_project_that_does_not_ask_for_the_fixture_loads_nothing_for_it(run):
    result = run(
        """
        import sys

        def test_nothing():
            assert "ukemi.cli.pytest_plugin" in sys.modules
            heavy = ("sentry_sdk", "ukemi.sdk", "ukemi.privacy", "ukemi.collector", "typer", "re2")
            assert [name for name in heavy if name in sys.modules] == []
        """,
        before="",
    )

    result.assert_outcomes(passed=1)
