"""The application put together. Run it with `uvicorn backend.app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles

from backend import stripe_api
from backend.config import APP_NAME, get_settings
from backend.database import upgrade
from backend.observability import init_sentry
from backend.polite import answer_politely
from backend.routes import admin, auth, events, health, members, pages, payments, search, subscriptions
from backend.show import HERE, TUNNEL_PATH
from ukemi.sdk import tunnel


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    await run_in_threadpool(upgrade)
    yield
    if spans := app.state.spans:
        await run_in_threadpool(spans.shutdown)


def create_app() -> FastAPI:
    settings = get_settings()
    stripe_api.configure()
    app = FastAPI(title="WWMAA", lifespan=_life, docs_url=None, redoc_url=None)
    answer_politely(app)
    for part in (auth, members, events, payments, subscriptions, search, admin, health, pages):
        app.include_router(part.router)
    app.add_route(TUNNEL_PATH, tunnel(settings.SENTRY_BROWSER_DSN), methods=["POST"])
    app.add_api_route("/docs", _describe_api, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    if settings.METRICS:
        from backend.observability.metrics import measure

        measure(app)
    app.state.spans = None
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from backend.observability.tracing import trace

        app.state.spans = trace(
            app,
            settings.OTEL_EXPORTER_OTLP_ENDPOINT,
            service=APP_NAME,
            release=settings.release,
            environment=settings.environment,
        )
    init_sentry(app)  # last, so that it stands around all else
    return app


def _describe_api() -> Response:
    """The API's page, from our own server and not from somebody else's, as FastAPI would."""
    vendor = "/static/vendor"
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="WWMAA: API",
        swagger_js_url=f"{vendor}/swagger-ui-bundle.js",
        swagger_css_url=f"{vendor}/swagger-ui.css",
        swagger_favicon_url="/static/icon.svg",
    )


app = create_app()
