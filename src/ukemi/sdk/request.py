"""What an event says of its request, read from the ASGI scope. Bodies are never taken: forms hold what must not leave."""

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
    """Template of the matched route, such as `/members/{id}`; None before matching, or when nothing matched."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if not isinstance(path, str):
        return None
    return f"{scope.get('app_root_path', '')}{path}"


def client_address(scope: Scope) -> str | None:
    client = scope.get("client")
    return str(client[0]) if client else None
