"""What protects the pages: headers, requests from our own pages only, a session for everything that is not public."""

import json
from collections import deque
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ukemi.collector.core.clock import Clock
from ukemi.collector.store import accounts
from ukemi.collector.store.database import Database

COOKIE: Final = "ukemi_session"
MAX_BODY_BYTES: Final = 64 << 10
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


class SmallBodies:
    """Ends a request whose body is larger than any form of these pages, before it fills the memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0

        async def receive_bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise HTTPException(413, f"No form of these pages is larger than {MAX_BODY_BYTES >> 10} KiB.")
            return message

        await self._app(scope, receive_bounded, send)


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
    # What a button did cannot be done again by an address, so after signing in its user begins at the first page.
    sign_in = f"/sign-in?next={quote(wanted, safe='/')}" if scope["method"] in ("GET", "HEAD") else "/sign-in"
    if "hx-request" in Headers(scope=scope):  # else htmx would look for its piece of the page in the sign-in form
        return Response(status_code=401, headers={"hx-redirect": sign_in})
    return RedirectResponse(sign_in, 303)


def local_path(text: str) -> str:
    """A path on this site from what a form or a query said, else the first page: nobody is led elsewhere after signing in."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if is_local else "/"


class Throttle:
    """At most `limit` tries in `window_us` for each key; remembers few keys, and forgets all when there are too many."""

    def __init__(self, limit: int, window_us: int, max_keys: int = 10_000) -> None:
        self._limit, self._window_us, self._max_keys = limit, window_us, max_keys
        self._tries: dict[str, deque[int]] = {}

    def allows(self, key: str, now_us: int) -> bool:
        """Note a try, and say whether it may go on."""
        if key not in self._tries and len(self._tries) >= self._max_keys:
            self._tries.clear()
        tries = self._tries.setdefault(key, deque())
        while tries and now_us - tries[0] > self._window_us:
            tries.popleft()
        if len(tries) >= self._limit:
            return False
        tries.append(now_us)
        return True
