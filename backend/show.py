"""Server-rendered pages: one way to show any of them."""

from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from backend.access import visitor
from backend.config import get_settings

HERE = Path(__file__).parent
TUNNEL_PATH = "/monitoring"
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_templates = Jinja2Templates(HERE / "templates")


def show(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    settings = get_settings()
    tracking = {
        "dsn": settings.SENTRY_BROWSER_DSN,
        "tunnel": TUNNEL_PATH,
        "environment": settings.environment,
        "release": settings.release or "",
    }
    context = {**values, "status": status, "visitor": visitor(request), "tracking": tracking}
    return _templates.TemplateResponse(request, template, context, status_code=status, headers=_SECURITY)
