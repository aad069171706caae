"""Whether an event has become an issue: what `ukemi send-test` asks, with the client key it sent with."""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ukemi.collector.store import events, projects
from ukemi.collector.web.context import web_of
from ukemi.protocol.auth import read_auth
from ukemi.protocol.errors import AuthError


def show(request: Request) -> Response:
    """200 with the issue, 202 while the event is not stored, 403 without a key of the project."""
    web, project_id, event_id = web_of(request), request.path_params["project_id"], request.path_params["event_id"]
    if not re.fullmatch(r"[0-9a-f]{32}", event_id):
        return JSONResponse({"detail": "An event id has 32 hex digits."}, 400)
    try:
        auth = read_auth({name.lower(): value for name, value in request.headers.items()}, "")
    except AuthError as error:
        return JSONResponse({"detail": str(error)}, 403)
    with web.database.read() as tx:
        key = projects.key_by_public(tx, auth.public_key)
        if key is None or not key.is_enabled or key.project_id != project_id or key.kind != "server":
            return JSONResponse({"detail": "A server key of this project is needed."}, 403)
        found = events.issue_of(tx, project_id, event_id)
    if found is None:
        return JSONResponse({"detail": "The event is not stored yet."}, 202)
    issue_id, name = found
    url = f"{web.settings.public_url}/projects/{project_id}/issues/{issue_id}?event={event_id}"
    return JSONResponse({"issue": name, "url": url})
