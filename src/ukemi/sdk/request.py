"""What an event says of its request, read from the ASGI scope. Bodies are never taken: forms hold what must not leave."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

Scope = Mapping[str, Any]


def request_of(scope: Scope) -> dict[str, Any]:
    """URL, method, query and headers, as Sentry's protocol names them; scrubbed with the event, later."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
    query = bytes(scope.get("query_string") or b"").decode("latin-1")
    return {
        "url": url_of(scope, headers.get("host", "")),
        "method": scope.get("method", "WEBSOCKET"),
        **({"query_string": query} if query else {}),
        "headers": headers,
    }


def url_of(scope: Scope, host: str) -> str:
    if not host:
        server = scope.get("server") or ("localhost", None)
        host = str(server[0]) if server[1] is None else f"{server[0]}:{server[1]}"
    return f"{scope.get('scheme', 'http')}://{host}{quote(str(scope.get('path', '')), safe='/%:@')}"


def route_of(scope: Scope) -> str | None:
    """
    Template of the matched route, such as `/v1/members/{id}`; None before matching, or when nothing matched.

    The route object knows only its own part: what a router was included under, or an app mounted at, is found as the
    beginning of the path that the route's own pattern leaves over.
    """
    route = scope.get("route")
    template, pattern = getattr(route, "path", None), getattr(route, "path_regex", None)
    if not isinstance(template, str):
        return None
    path = str(scope.get("path", ""))
    if not isinstance(pattern, re.Pattern):
        return template
    if pattern.match(path):
        return template
    start = 0
    while not pattern.match(path[start:]):
        start = path.find("/", start + 1)
        if start < 0:
            return template
    own = set(pattern.groupindex)
    mounted = {str(value): name for name, value in (scope.get("path_params") or {}).items() if name not in own}
    prefix = "/".join(f"{{{mounted[part]}}}" if part in mounted else part for part in path[:start].split("/"))
    return prefix + template


def client_address(scope: Scope) -> str | None:
    client = scope.get("client")
    return str(client[0]) if client else None
