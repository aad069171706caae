"""The application put together. Run it with `uvicorn backend.app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stripe
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from backend.config import get_settings
from backend.database import create_tables
from backend.observability import init_sentry
from backend.routes import auth, health, members, page, payments, subscriptions
from ukemi.sdk import tunnel


@asynccontextmanager
async def _life(_app: FastAPI) -> AsyncIterator[None]:
    create_tables()
    yield


def create_app() -> FastAPI:
    settings = get_settings()
    stripe.api_key = settings.STRIPE_API_KEY.get_secret_value()
    stripe.api_base = settings.STRIPE_API_BASE
    stripe.default_http_client = stripe.RequestsClient(timeout=settings.STRIPE_TIMEOUT_S)
    app = FastAPI(title="WWMAA", lifespan=_life)
    init_sentry(app)
    for part in (auth, members, payments, subscriptions, health, page):
        app.include_router(part.router)
    app.add_route(page.TUNNEL_PATH, tunnel(settings.SENTRY_BROWSER_DSN), methods=["POST"])
    app.mount("/static", StaticFiles(directory=page.HERE / "static"))
    return app


app = create_app()
