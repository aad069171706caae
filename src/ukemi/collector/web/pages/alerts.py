"""Alerts: the incidents, open ones first."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.store import incidents, projects
from ukemi.collector.store.incidents import Incident
from ukemi.collector.web.context import respond, web_of

SHOWN = 100


class AlertsPage(msgspec.Struct, frozen=True):
    """All that `alerts.html` may see."""

    incidents: list[Incident]
    projects: dict[int, str]


def show(request: Request) -> Response:
    with web_of(request).database.read() as tx:
        page = AlertsPage(
            incidents=incidents.recent(tx, SHOWN),
            projects={project.id: project.name for project in projects.list_projects(tx)},
        )
    return respond(request, "alerts.html", page)
