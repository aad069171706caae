"""Projects: their DSNs, and the way to what became of everything they sent."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.store import outcomes, projects
from ukemi.collector.store.errors import NameTaken
from ukemi.collector.web.context import account_of, respond, web_of
from ukemi.protocol.dsn import write_dsn


class ShownKey(msgspec.Struct, frozen=True):
    kind: str
    is_enabled: bool
    dsn: str


class ShownProject(msgspec.Struct, frozen=True):
    project: projects.Project
    keys: list[ShownKey]
    has_sent: bool
    """Whether anything arrived in the last 24 hours."""


class ProjectsPage(msgspec.Struct, frozen=True):
    """All that `projects.html` may see."""

    projects: list[ShownProject]
    may_create: bool
    complaint: str = ""


def show(request: Request) -> Response:
    return respond(request, "projects.html", _page(request))


async def create(request: Request) -> Response:
    if account_of(request).role != "owner":
        raise HTTPException(403, "Only owners create projects. Ask one of them.")
    form = await request.form(max_files=0, max_fields=10)
    name = str(form.get("name", "")).strip()[:60]
    complaint = await run_in_threadpool(_create, request, name) if name else "Give the project a name."
    if complaint:
        page = await run_in_threadpool(_page, request)
        return respond(request, "projects.html", msgspec.structs.replace(page, complaint=complaint), 400)
    return RedirectResponse("/projects", 303)


def _create(request: Request, name: str) -> str:
    """Create a project with a key of each kind; returns what is wrong, or nothing."""
    web = web_of(request)
    now_us = web.clock.now_us()
    try:
        with web.database.write() as tx:
            settings = web.settings
            project = projects.create(tx, name, now_us, settings.keep_errors_days, settings.keep_performance_days)
            for kind in ("server", "browser"):
                projects.create_key(tx, project.id, kind, now_us)
    except NameTaken as error:
        return str(error)
    return ""


def _page(request: Request) -> ProjectsPage:
    web = web_of(request)
    with web.database.read() as tx:
        keys = projects.keys(tx)
        shown = [
            ShownProject(
                project,
                [
                    ShownKey(
                        key.kind, key.is_enabled, write_dsn(web.settings.public_url, key.public_key, key.project_id)
                    )
                    for key in keys
                    if key.project_id == project.id
                ],
                bool(outcomes.totals(tx, project.id, web.clock.now_us() - DAY_US)),
            )
            for project in projects.list_projects(tx)
        ]
    return ProjectsPage(shown, account_of(request).role == "owner")
