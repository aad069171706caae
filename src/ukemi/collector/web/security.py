"""What protects the pages: headers, requests from our own pages only, a session for everything that is not public."""

import json
import time
from collections import deque
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ukemi.collector.core.clock import Clock
from ukemi.collector.store import accounts
from ukemi.collector.store.database import Database

COOKIE: Final = "ukemi_session"
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if not scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SameOriginOnly:
    """
    Refuses what changes something and was sent by a page of somebody else.

    Browsers say where a request comes from (Sec-Fetch-Site, else Origin); programs send neither, and carry no cookie
    that a stranger could misuse. Source: owasp.org, Cross-Site Request Forgery Prevention, read 2026-11.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS") and not _is_ours(scope):
            answer = PlainTextResponse("Refused: this request was sent by a page of another site.\n", 403)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_ours(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc == headers.get("host")
    return True


class SignedIn:
    """Lets only people with a session pass, and says who they are in `request.state.account`."""

    def __init__(self, app: ASGIApp, database: Database, clock: Clock, public: Iterable[str]) -> None:
        """
        Args:
            public: beginnings of paths that need no session.
        """
        self._app, self._database, self._clock, self._public = app, database, clock, tuple(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._public):
            await self._app(scope, receive, send)
            return
        token = HTTPConnection(scope).cookies.get(COOKIE)
        account = await run_in_threadpool(self._account, token) if token else None
        if account is None:
            await _to_sign_in(scope)(scope, receive, send)
            return
        scope.setdefault("state", {})["account"] = account
        await self._app(scope, receive, send)

    def _account(self, token: str) -> accounts.Account | None:
        with self._database.read() as tx:
            return accounts.of_session(tx, token, self._clock.now_us())


def _to_sign_in(scope: Scope) -> Response:
    if scope["path"].endswith(".json"):
        body = json.dumps({"detail": "Sign in first: the cookie of a session is missing or too old."})
        return Response(body, 401, media_type="application/json")
    wanted = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    return RedirectResponse(f"/sign-in?next={quote(wanted, safe='/')}", 303)


def local_path(text: str) -> str:
    """A path on this site from what a form or a query said, else the first page: nobody is led elsewhere after signing in."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if is_local else "/"


class Throttle:
    """At most `limit` tries in `window_s` for each key; remembers few keys, and forgets all when there are too many."""

    def __init__(self, limit: int, window_s: float, max_keys: int = 10_000) -> None:
        self._limit, self._window_s, self._max_keys = limit, window_s, max_keys
        self._tries: dict[str, deque[float]] = {}

    def allows(self, key: str) -> bool:
        """Note a try, and say whether it may go on."""
        now_s = time.monotonic()
        if key not in self._tries and len(self._tries) >= self._max_keys:
            self._tries.clear()
        tries = self._tries.setdefault(key, deque())
        while tries and now_s - tries[0] > self._window_s:
            tries.popleft()
        if len(tries) >= self._limit:
            return False
        tries.append(now_s)
        return True
