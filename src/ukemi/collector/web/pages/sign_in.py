"""Signing in: with a password, or once with a link. Opening a link signs nobody in, for mail scanners open links too."""

from functools import cache

import msgspec
from pwdlib import PasswordHash
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ukemi.collector.store import accounts
from ukemi.collector.web.context import Web, respond, web_of
from ukemi.collector.web.security import COOKIE, local_path

hasher = PasswordHash.recommended()


class SignInPage(msgspec.Struct, frozen=True):
    next: str
    email: str = ""
    complaint: str = ""


class LinkPage(msgspec.Struct, frozen=True):
    complaint: str = ""


def show(request: Request) -> Response:
    return respond(request, "sign_in.html", SignInPage(local_path(request.query_params.get("next", "/"))))


async def by_password(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    email, password = str(form.get("email", "")), str(form.get("password", ""))
    page = SignInPage(local_path(str(form.get("next", "/"))), email[:200])
    web, address = web_of(request), request.client.host if request.client else ""
    now_us = web.clock.now_us()
    if not all(web.sign_in_tries.allows(key, now_us) for key in (address, email.strip().lower()[:200])):
        complaint = "Too many tries. Wait five minutes, or have a sign-in link made: ukemi user create EMAIL"
        return respond(request, "sign_in.html", msgspec.structs.replace(page, complaint=complaint), 429)
    token = await run_in_threadpool(_check_password, web, email, password[:1000])
    if token is None:
        complaint = "The address or the password is wrong."
        return respond(request, "sign_in.html", msgspec.structs.replace(page, complaint=complaint), 403)
    return _signed_in(request, token, page.next)


def show_link(request: Request) -> Response:
    return respond(request, "sign_in_link.html", LinkPage())


async def by_link(request: Request) -> Response:
    web, link = web_of(request), request.path_params["token"]

    def use() -> str | None:
        with web.database.write() as tx:
            now_us = web.clock.now_us()
            account_id = accounts.use_sign_in_link(tx, link, now_us)
            return accounts.start_session(tx, account_id, now_us) if account_id is not None else None

    token = await run_in_threadpool(use)
    if token is None:
        complaint = "This link was used before, or is older than a day. Make another: ukemi user create EMAIL"
        return respond(request, "sign_in_link.html", LinkPage(complaint), 403)
    return _signed_in(request, token, "/")


async def sign_out(request: Request) -> Response:
    web, token = web_of(request), request.cookies.get(COOKIE, "")

    def end() -> None:
        with web.database.write() as tx:
            accounts.end_session(tx, token)

    await run_in_threadpool(end)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE)
    return answer


def set_session(request: Request, answer: Response, token: str) -> None:
    """Hand a session's token to the browser."""
    is_https = web_of(request).settings.public_url.startswith("https://")
    max_age_s = accounts.SESSION_LIVES_US // 1_000_000
    answer.set_cookie(COOKIE, token, max_age=max_age_s, httponly=True, samesite="lax", secure=is_https)


def _signed_in(request: Request, token: str, to: str) -> Response:
    answer = RedirectResponse(to, 303)
    set_session(request, answer, token)
    return answer


def _check_password(web: Web, email: str, password: str) -> str | None:
    """The token of a new session, or None. An unknown address takes as long as a wrong password."""
    with web.database.read() as tx:
        account = accounts.by_email(tx, email)
    stored = account.password_hash if account and account.password_hash else _nobodys_hash()
    is_right = hasher.verify(password, stored)
    if account is None or account.password_hash is None or not is_right:
        return None
    with web.database.write() as tx:
        return accounts.start_session(tx, account.id, web.clock.now_us())


@cache
def _nobodys_hash() -> str:
    return hasher.hash("nobody's password")
