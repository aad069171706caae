"""A small page whose own errors are tracked too, by Sentry's browser SDK through our tunnel."""

from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from backend.config import get_settings

HERE = Path(__file__).parent.parent
TUNNEL_PATH = "/monitoring"
router = APIRouter(include_in_schema=False)
_page = Template((HERE / "templates" / "index.html").read_text("utf-8"))


@router.get("/", response_class=HTMLResponse)
def index() -> str:
    settings = get_settings()
    values = {
        "dsn": settings.SENTRY_BROWSER_DSN,
        "tunnel": TUNNEL_PATH,
        "environment": settings.environment,
        "release": settings.release or "",
    }
    return _page.substitute({name: escape(value) for name, value in values.items()})
