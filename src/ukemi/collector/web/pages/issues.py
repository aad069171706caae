"""The first page: issues, latest first, with search. The id of an event, as users quote it, leads to that event."""

import re
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ukemi.collector.core.search import parse_search
from ukemi.collector.store import events, issue_list, issues, projects
from ukemi.collector.store.issue_list import PAGE, Cursor, IssueListRow
from ukemi.collector.web.context import account_of, respond, web_of
from ukemi.collector.web.pages.issue import wish_of
from ukemi.protocol.dsn import write_dsn

DEFAULT_QUERY = "is:open"


class IssuesPage(msgspec.Struct, frozen=True):
    """All that `issues.html` may see."""

    query: str
    project_id: int | None
    projects: list[projects.Project]
    issues: list[IssueListRow]
    counts: dict[str, int]
    """Issues by status, whatever was searched for."""
    unknown: list[str]
    """Terms of the search that mean nothing."""
    address: str
    """Path and query string of the first page of this search: what the list asks for to stay fresh."""
    is_first: bool
    next_page: str | None
    """Path and query string of the next page."""
    dsn: str | None
    """Given while there is no issue at all: what to do first."""


def show(request: Request) -> Response:
    web, given = web_of(request), request.query_params
    query = given.get("q", DEFAULT_QUERY)[:500].replace("\0", "")  # PostgreSQL takes no NUL in a text
    project_id = int(given["project"]) if re.fullmatch("[1-9][0-9]{0,8}", given.get("project", "")) else None
    after = _cursor(given.get("after"))
    search = parse_search(query)
    with web.database.read() as tx:
        all_projects = projects.list_projects(tx)
        if re.fullmatch("[0-9a-fA-F]{32}", quoted := query.strip()):
            for project in all_projects:
                if found := events.issue_of(tx, project.id, quoted):
                    return _lead(request, f"/projects/{project.id}/issues/{found[0]}?event={quoted.lower()}")
        rows, more = issue_list.find(tx, search, web.clock.now_us(), project_id=project_id, after=after)
        counts = issue_list.count_by_status(tx, project_id)
        keys = [] if counts else projects.keys(tx, project_id)
    key = next((key for key in keys if key.kind == "server" and key.is_enabled), None)
    options = {"q": query} | ({"project": str(project_id)} if project_id else {})
    page = IssuesPage(
        query=query,
        project_id=project_id,
        projects=all_projects,
        issues=rows,
        counts=counts,
        unknown=search.unknown,
        address=f"/issues?{urlencode(options)}",
        is_first=after is None,
        next_page=f"/issues?{urlencode(options | {'after': f'{more.last_seen_us}.{more.id}'})}" if more else None,
        dsn=write_dsn(web.settings.public_url, key.public_key, key.project_id) if key else None,
    )
    return respond(request, "issues.html", page)


def _lead(request: Request, path: str) -> Response:
    if "hx-request" in request.headers:  # else htmx would look for its piece of the list on that page
        return Response(headers={"hx-redirect": path})
    return RedirectResponse(path, 303)


async def set_status(request: Request) -> Response:
    """Do one thing with all issues that were ticked, and show the same list again."""
    web, actor = web_of(request), account_of(request).email
    form = await request.form(max_files=0, max_fields=PAGE + 10)
    wish = wish_of(str(form.get("status", "")))
    ticked: dict[int, list[str]] = {}
    for text in form.getlist("issue"):
        match = re.fullmatch(r"([1-9][0-9]{0,8})\.([0-9a-f]{1,32})", str(text))
        if match is None:
            raise HTTPException(400, "An issue is named by the number of its project, a dot and its id.")
        ticked.setdefault(int(match[1]), []).append(match[2])

    def save() -> int:
        with web.database.write() as tx:
            return sum(
                issues.set_status(tx, project_id, ids, wish, now_us=web.clock.now_us(), actor=actor)
                for project_id, ids in sorted(ticked.items())
            )

    changed = await run_in_threadpool(save)
    if request.url.path.endswith(".json"):
        return JSONResponse({"changed": changed})
    back = str(form.get("back", ""))
    # Only to this list: what stands in the form may come from anywhere.
    return RedirectResponse(back if re.fullmatch(r"/issues(?:\?[!-~]*)?", back) else "/issues", 303)


def _cursor(text: str | None) -> Cursor | None:
    match = re.fullmatch(r"([0-9]{1,18})\.([0-9a-f]{1,32})", text or "")
    return Cursor(int(match[1]), match[2]) if match else None
