"""One issue: what happened, to whom, how often, why it is one issue, and what to do with it."""

import re
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.grouping_v1 import Part
from ukemi.collector.core.issue import Condition, Standing, Wish, note_of, read_wish
from ukemi.collector.core.release import newest
from ukemi.collector.store import attachments, deletions, feedback, issue_detail, issues, releases
from ukemi.collector.store.attachments import AttachmentLine
from ukemi.collector.store.feedback import FeedbackRow
from ukemi.collector.store.incidents import Incident
from ukemi.collector.store.issue_detail import Activity, EventLine, IssueDetail, StoredEvent, TagValue
from ukemi.collector.store.issues import IssueRow
from ukemi.collector.web.context import account_of, respond, web_of
from ukemi.protocol.event import Breadcrumb, ExceptionValue, User, decode_event, read_event
from ukemi.protocol.event import Request as EventRequest

_HIDDEN_CONTEXTS = {"trace"}


class Grouping(msgspec.Struct, frozen=True):
    """Why its events are one issue."""

    version: int
    because: str
    parts: list[Part]


class ShownEvent(msgspec.Struct, frozen=True):
    line: EventLine
    older: str | None
    newer: str | None
    message: str
    exceptions: list[ExceptionValue]
    """What was thrown first, its causes behind it."""
    breadcrumbs: list[Breadcrumb]
    request: EventRequest
    user: User
    tags: dict[str, str]
    contexts: dict[str, dict[str, Any]]
    extra: dict[str, Any]
    transaction: str
    server_name: str
    sdk: str
    trace_id: str
    defects: list[str]
    filtered: int
    """How many values were taken out by scrubbing."""


class Feedback(msgspec.Struct, frozen=True):
    """What a person who met the issue has to say."""

    received_us: int
    name: str
    email: str
    message: str
    url: str
    event_id: str | None


class IssuePage(msgspec.Struct, frozen=True):
    """All that `issue.html` may see."""

    issue: IssueRow
    name: str
    project: str
    status_note: str
    """What the status holds on to, in words: `in the release after shop@1.2`; "" when it does not."""
    muted_until_us: int | None
    current_release: str
    """The newest release of the project, "" when none was ever named."""
    grouping: Grouping
    event: ShownEvent | None
    events: list[EventLine]
    per_hour: list[int]
    per_day: list[int]
    tags: dict[str, list[TagValue]]
    activity: list[Activity]
    incidents: list[Incident]
    feedback: list[Feedback]
    """What people said about it, newest first."""
    attachments: list[AttachmentLine]
    """Of the event that is shown."""
    may_delete: bool


def show(request: Request) -> Response:
    web, project_id, issue_id = web_of(request), request.path_params["project_id"], request.path_params["issue_id"]
    wanted = request.query_params.get("event", "")
    with web.database.read() as tx:
        detail = issue_detail.get(tx, project_id, issue_id, web.clock.now_us())
        event_id = wanted if re.fullmatch(r"[0-9a-f]{32}", wanted) else None
        stored = issue_detail.event(tx, project_id, issue_id, event_id)
        current = newest(releases.latest(tx, project_id))
        said = feedback.of_issue(tx, project_id, issue_id)
        files = attachments.of_event(tx, project_id, stored.line.id) if stored else []
    may_delete = account_of(request).role == "owner"
    page = _page(detail, stored, current.name if current else "", said, files, may_delete=may_delete)
    return respond(request, "issue.html", page)


async def set_status(request: Request) -> Response:
    web, project_id, issue_id = web_of(request), request.path_params["project_id"], request.path_params["issue_id"]
    form = await request.form(max_files=0, max_fields=10)
    wish = wish_of(str(form.get("status", "")))
    actor = account_of(request).email

    def save() -> str:
        with web.database.write() as tx:
            issues.set_status(tx, project_id, [issue_id], wish, now_us=web.clock.now_us(), actor=actor)
        return wish.status

    status = await run_in_threadpool(save)
    if request.url.path.endswith(".json"):
        return JSONResponse({"status": status})
    return RedirectResponse(f"/projects/{project_id}/issues/{issue_id}", 303)


def delete(request: Request) -> Response:
    """Delete the issue with its events. The page has asked; whoever posts here means it."""
    web, project_id, issue_id = web_of(request), request.path_params["project_id"], request.path_params["issue_id"]
    account = account_of(request)
    if account.role != "owner":
        raise HTTPException(403, "Only owners delete issues. Ask one of them, or mute the issue.")
    with web.database.write() as tx:
        deletions.ask(tx, project_id, issue_id, now_us=web.clock.now_us(), actor=account.email)
    if request.url.path.endswith(".json"):
        return JSONResponse({"status": "deleted"})
    return RedirectResponse("/issues", 303)


def wish_of(text: str) -> Wish:
    """
    Raises:
        HTTPException: the text is no wish.
    """
    if (wish := read_wish(text)) is None:
        raise HTTPException(
            400,
            "The status must be open, resolved, resolved_in_current, resolved_in_next, muted, "
            "muted:hours=24, muted:events=100 or muted:users=10.",
        )
    return wish


def _page(
    detail: IssueDetail,
    stored: StoredEvent | None,
    current_release: str,
    said: list[FeedbackRow],
    files: list[AttachmentLine],
    *,
    may_delete: bool,
) -> IssuePage:
    issue = detail.issue
    condition = msgspec.json.decode(issue.condition, type=Condition)
    standing = Standing(issue.status, condition, issue.event_count, issue.user_count)
    return IssuePage(
        issue=detail.issue,
        name=detail.name,
        project=detail.project,
        status_note=note_of(issue.status, condition, standing),
        muted_until_us=condition.until_us,
        current_release=current_release,
        grouping=msgspec.json.decode(detail.issue.grouping, type=Grouping),
        event=_event(stored) if stored else None,
        events=detail.events,
        per_hour=detail.per_hour,
        per_day=detail.per_day,
        tags=detail.tags,
        activity=detail.activity,
        incidents=detail.incidents,
        feedback=[
            Feedback(
                row.received_us, row.name, row.email, row.message, row.url, row.event_id.hex() if row.event_id else None
            )
            for row in said
        ],
        attachments=files,
        may_delete=may_delete,
    )


def _event(stored: StoredEvent) -> ShownEvent:
    tree = decode_event(stored.body)
    event = read_event(tree)
    trace = event.contexts.get("trace", {}).get("trace_id", "")
    # Breadcrumbs are on the clock of the event itself, and were not shifted with it.
    shift_s = stored.line.occurred_us / SECOND_US - event.at_s if event.at_s is not None else 0.0
    return ShownEvent(
        line=stored.line,
        older=stored.older,
        newer=stored.newer,
        message=event.message,
        exceptions=list(reversed(event.exceptions)),
        breadcrumbs=[_shown(crumb, shift_s if abs(shift_s) > 1 else 0.0) for crumb in event.breadcrumbs],
        request=event.request,
        user=event.user,
        tags=event.tags,
        contexts={name: content for name, content in event.contexts.items() if name not in _HIDDEN_CONTEXTS},
        extra={name: value for name, value in event.extra.items() if name != "sys.argv"},
        transaction=event.transaction,
        server_name=event.server_name,
        sdk=f"{event.sdk_name} {event.sdk_version}".strip(),
        trace_id=trace if isinstance(trace, str) else "",
        defects=event.defects,
        filtered=_remarks(tree.get("_meta")),
    )


def _shown(crumb: Breadcrumb, shift_s: float) -> Breadcrumb:
    """A request to somebody else as one line, `POST https://… → 500`, whichever SDK tells of it; nothing empty; on our clock."""
    if shift_s and crumb.at_s is not None:
        crumb = msgspec.structs.replace(crumb, at_s=crumb.at_s + shift_s)
    data = {key: value for key, value in crumb.data.items() if value not in (None, "", [], {})}
    method, url = data.get("http.method") or data.get("method"), data.get("url")
    if crumb.message or not (isinstance(method, str) and isinstance(url, str)):
        return msgspec.structs.replace(crumb, data=data)
    status = data.get("http.response.status_code") or data.get("status_code")
    told = {"http.method", "method", "url", "http.response.status_code", "status_code", "reason"}
    rest = {key: value for key, value in data.items() if key not in told}
    message = f"{method} {url}" + (f" → {status}" if status else "")
    return msgspec.structs.replace(crumb, message=message, data=rest)


def _remarks(meta: object) -> int:
    """Places that scrubbing changed."""
    if not isinstance(meta, dict):
        return 0
    own = meta.get("")
    here = 1 if isinstance(own, dict) and own.get("rem") else 0
    return here + sum(_remarks(inner) for key, inner in meta.items() if key != "")
