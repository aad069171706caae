"""`init` says in one line what it did; whatever it finds, the app works."""

import logging
import subprocess
import sys
import textwrap

import pytest
import sentry_sdk
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import ukemi.sdk
from ukemi.privacy import Rules
from ukemi.sdk import runtime


def shop() -> FastAPI:
    app = FastAPI()

    @app.get("/ok")
    async def ok():
        return {"ok": True}

    @app.get("/fail")
    async def fail():
        raise ValueError("broken")

    return app


def lines(caplog) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records if "Error tracking" in record.message]


@pytest.mark.parametrize(
    ("dsn", "is_on", "level", "said"),
    [
        ("", False, logging.INFO, "Error tracking is off: no DSN is set (SENTRY_DSN)."),
        ("nonsense", False, logging.ERROR, "Error tracking is off: the DSN cannot be read"),
        ("https://key@errors.example.org/", False, logging.ERROR, "Error tracking is off: the DSN cannot be read"),
        (
            "https://key@errors.example.org:port/1",
            False,
            logging.ERROR,
            "Error tracking is off: the DSN cannot be read",
        ),
        ("ftp://key@errors.example.org/1", False, logging.ERROR, "Error tracking is off: the DSN cannot be read"),
        (
            "https://key@errors.example.org/1",
            True,
            logging.INFO,
            "Error tracking is on: sends to https://errors.example.org, project 1; environment test, release shop@1.0.",
        ),
    ],
)
def test_init_says_what_it_did_and_the_app_works(init, serve, caplog, dsn, is_on, level, said):
    caplog.set_level(logging.INFO)
    app = shop()

    status = init(app, dsn=dsn)

    assert status.is_on is is_on
    assert said in status.message
    assert lines(caplog) == [(level, f"ukemi: {status.message}")]
    client = serve(app)
    assert client.get("/ok").json() == {"ok": True}
    assert client.get("/fail").status_code == 500


def test_no_line_of_the_log_holds_the_client_key(init, caplog):
    caplog.set_level(logging.DEBUG)
    for dsn in ("https://sesame@errors.example.org/1", "https://sesame@errors.example.org/", "https://sesame@:port/1"):
        init(dsn=dsn)
    assert "sesame" not in caplog.text


def test_without_arguments_the_environment_decides(monkeypatch):
    monkeypatch.setenv("SENTRY_DSN", "https://key@127.0.0.1:9/7")
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "staging")
    monkeypatch.setenv("SENTRY_RELEASE", "shop@2.0")
    status = ukemi.sdk.init()
    assert "project 7; environment staging, release shop@2.0" in status.message


def test_an_empty_dsn_wins_over_the_environment(monkeypatch):
    """Tests of an app switch tracking off like this."""
    monkeypatch.setenv("SENTRY_DSN", "https://key@127.0.0.1:9/7")
    assert ukemi.sdk.init(dsn="").is_on is False


def test_an_option_that_sentry_sdk_does_not_know_leaves_the_app_untracked_and_running(init, serve, caplog):
    app = shop()
    status = init(app, trace_sample_rate=1.0)
    assert status.is_on is False
    assert "trace_sample_rate" in caplog.text
    assert serve(app).get("/ok").status_code == 200


def test_without_a_key_the_log_says_what_is_missing(init, caplog):
    init(pii_key=None)
    assert "UKEMI_PII_KEY is not set" in caplog.text


def test_options_of_sentry_sdk_are_handed_on_but_ours_cannot_be_taken_away(init, sent):
    init(max_breadcrumbs=7, before_send=lambda event, hint: {**event, "extra": {"password": "hunter2"}})
    ukemi.sdk.capture_message("hello")
    assert sentry_sdk.get_client().options["max_breadcrumbs"] == 7
    assert sent.event()["extra"] == {"password": "[Filtered]"}


def test_further_rules_are_kept_beside_the_key(init, sent):
    init(rules=Rules(secret_keys=frozenset({"membership_number"})))
    ukemi.sdk.capture_message("hello", context={"member": {"MembershipNumber": "M-77", "email": "a@example.org"}})
    assert sent.event()["contexts"]["member"]["MembershipNumber"] == "[Filtered]"
    assert sent.event()["contexts"]["member"]["email"].startswith("hmac:")


def test_setting_up_twice_wraps_the_app_once_and_ends_the_first_count(init, sent, serve):
    app = shop()
    init(app)
    serve(app).get("/ok")
    init(app)
    serve(app).get("/fail")
    assert len(sent.events()) == 1
    reports = sent.items("ukemi_request_counts")
    assert reports[-1]["ended"] is True


def test_setting_up_in_the_apps_own_start_is_not_too_late(init, sent, serve):
    """Starlette has built its stack by then."""
    app = shop()
    serve(app).get("/ok")
    init(app)
    serve(app).get("/fail")
    assert len(sent.events()) == 1


@pytest.mark.parametrize("app", [object(), lambda scope, receive, send: None])
def test_something_that_is_no_starlette_app_is_said_and_not_raised(init, caplog, app):
    init(app)
    assert "UkemiMiddleware" in caplog.text


def test_any_asgi_app_can_be_wrapped_by_hand(init, sent, serve):
    async def bare(scope, receive, send):
        raise ValueError("bare")

    init()
    serve(ukemi.sdk.UkemiMiddleware(ukemi.sdk.UkemiMiddleware(bare))).get("/")
    assert sent.event()["exception"]["values"][0]["value"] == "bare"


def test_switching_off_leaves_nothing_on(init, sent, serve):
    app = shop()
    init(app)
    init(app, dsn="")
    logging.getLogger("shop").error("after it was switched off")
    serve(app).get("/fail")
    assert sent.events() == []
    assert runtime.current().is_on is False


def test_importing_the_sdk_loads_no_server_package():
    program = """
        import sys
        import ukemi.sdk
        servers = {"starlette", "fastapi", "uvicorn", "httptools", "uvloop", "msgspec", "sqlalchemy", "alembic", "psycopg",
            "jinja2", "typer", "rich", "structlog", "pydantic", "pydantic_settings", "pwdlib", "argon2", "zstandard",
            "tomli_w", "ua_parser", "standardwebhooks", "multipart", "httpx", "platformdirs"}
        print(sorted(servers & {name.partition(".")[0] for name in sys.modules}))
        print(sorted(name for name in sys.modules if name.startswith(("ukemi.collector", "ukemi.cli"))))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.split("\n") == ["[]", "[]", ""]


@pytest.mark.parametrize("is_first", [True, False], ids=["ukemi first", "OpenTelemetry first"])
def test_beside_opentelemetry_either_may_be_set_up_first(init, sent, serve, is_first):
    """OpenTelemetry passes over an app whose stack it does not know, and says so in the log alone."""
    app, kept = shop(), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    steps = [lambda: init(app), lambda: FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)]
    for step in steps if is_first else reversed(steps):
        step()
    assert serve(app).get("/fail").status_code == 500
    FastAPIInstrumentor.uninstrument_app(app)
    assert sent.event()["transaction"] == "GET /fail"
    [span] = [span for span in kept.get_finished_spans() if span.kind is SpanKind.SERVER]
    assert (span.name, span.status.status_code) == ("GET /fail", StatusCode.ERROR)
