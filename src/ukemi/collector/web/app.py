"""The pages put together: routes, and what stands before them."""

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ukemi.collector.core.clock import Clock
from ukemi.collector.core.rule import Rule, Severity
from ukemi.collector.settings import Settings
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import NotFound
from ukemi.collector.web.context import Web
from ukemi.collector.web.pages import (
    account,
    accounting,
    alerts,
    attachment,
    error,
    event_status,
    incident,
    issue,
    issues,
    notifications,
    performance,
    projects,
    sign_in,
    silences,
)
from ukemi.collector.web.pages import (
    rule as rule_page,
)
from ukemi.collector.web.pages import (
    rules as rules_page,
)
from ukemi.collector.web.security import SameOriginOnly, SecurityHeaders, SignedIn, SmallBodies

PUBLIC = ("/static/", "/sign-in", "/api/")
_STATIC = Path(__file__).parent / "static"


class ProjectNumber(IntegerConvertor):
    """A number that fits every database; a larger one is no page, where it would break one."""

    regex = "0|[1-9][0-9]{0,8}"  # 0 is ukemi itself


class HexId(StringConvertor):
    """Hex digits; so no database is asked for a text that it cannot hold."""

    regex = "[0-9a-f]{1,32}"


class EventId(StringConvertor):
    """32 hex digits, of an event or of something that came with it."""

    regex = "[0-9a-f]{32}"


register_url_convertor("event", EventId())
register_url_convertor("project", ProjectNumber())
register_url_convertor("issue", HexId())
register_url_convertor("incident", HexId())
register_url_convertor("silence", HexId())


class _Pages(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        """The headers stand on a broken page as well, which Starlette answers outside of all middleware that it is given."""
        return SecurityHeaders(super().build_middleware_stack())


def create_app(
    database: Database,
    settings: Settings,
    clock: Clock,
    rules: Sequence[Rule],
    channels: Sequence[str],
    untold: Sequence[Severity] = (),
) -> Starlette:
    """
    The web app.

    Args:
        rules: those that alerts judges, to be shown.
        channels: names of the configured ones; without any, every page says that nobody is being told.
        untold: severities whose incidents reach none of them; every page says so.
    """
    issue_path = "/projects/{project_id:project}/issues/{issue_id:issue}"
    incident_path = "/projects/{project_id:project}/incidents/{incident_id:incident}"
    routes = [
        Route("/", lambda _: RedirectResponse("/issues", 303)),
        Route("/sign-in", sign_in.show, methods=["GET"]),
        Route("/sign-in", sign_in.by_password, methods=["POST"]),
        Route("/sign-in/{token}", sign_in.show_link, methods=["GET"]),
        Route("/sign-in/{token}", sign_in.by_link, methods=["POST"]),
        Route("/sign-out", sign_in.sign_out, methods=["POST"]),
        Route("/account", account.show, methods=["GET"]),
        Route("/account", account.change_password, methods=["POST"]),
        *_page("/issues", issues.show),
        Route("/issues/status", issues.set_status, methods=["POST"]),
        Route("/issues/status.json", issues.set_status, methods=["POST"]),
        Route(f"{issue_path}/status", issue.set_status, methods=["POST"]),
        Route(f"{issue_path}/status.json", issue.set_status, methods=["POST"]),
        Route(f"{issue_path}/delete", issue.delete, methods=["POST"]),
        Route(f"{issue_path}/delete.json", issue.delete, methods=["POST"]),
        *_page(issue_path, issue.show),
        *_page("/alerts", alerts.show),
        *_page(incident_path, incident.show),
        Route(f"{incident_path}/acknowledge", incident.acknowledge, methods=["POST"]),
        Route(f"{incident_path}/resolve", incident.resolve, methods=["POST"]),
        Route(f"{incident_path}/reopen", incident.reopen, methods=["POST"]),
        *_page("/rules", rules_page.show),
        *_page("/rule", rule_page.show),
        Route("/rules/new", rule_page.new, methods=["GET"]),
        Route("/rules/new", rule_page.save, methods=["POST"]),
        Route("/rules/delete", rule_page.delete, methods=["POST"]),
        *_page("/notifications", notifications.show),
        *_page("/silences", silences.show),
        Route("/silences", silences.create, methods=["POST"]),
        Route("/silences/{silence_id:silence}/end", silences.end, methods=["POST"]),
        *_page("/projects", projects.show),
        Route("/projects", projects.create, methods=["POST"]),
        *_page("/projects/{project_id:project}/accounting", accounting.show),
        *_page("/projects/{project_id:project}/performance", performance.show),
        Route(
            "/projects/{project_id:project}/events/{event_id:event}/attachments/{attachment_id:event}",
            attachment.download,
        ),
        Route("/api/{project_id:project}/ukemi/events/{event_id:str}/", event_status.show),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    app = _Pages(
        routes=routes,
        middleware=[
            Middleware(SmallBodies),
            Middleware(SameOriginOnly),
            Middleware(SignedIn, database=database, clock=clock, public=PUBLIC),
        ],
        exception_handlers={NotFound: error.not_found, HTTPException: error.http_error, Exception: error.broken},
    )
    app.state.web = Web(database, settings, clock, rules, channels, untold)
    return app


def _page(path: str, endpoint: object) -> list[Route]:
    """A page and its JSON twin."""
    return [Route(path, endpoint), Route(f"{path}.json", endpoint)]  # type: ignore[arg-type]
