"""One attachment, to be saved: never shown, since a stranger wrote it."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.store import attachments
from ukemi.collector.web.context import web_of


def download(request: Request) -> Response:
    parts = request.path_params
    with web_of(request).database.read() as tx:
        name, content = attachments.content(tx, parts["project_id"], parts["event_id"], parts["attachment_id"])
    plain = "".join(char if char.isascii() and (char.isalnum() or char in " ._-") else "_" for char in name)
    # With the headers of every page (nosniff, no script of others) nothing of it runs, whatever a browser makes of it.
    headers = {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}
    return Response(content, headers=headers, media_type="application/octet-stream")
