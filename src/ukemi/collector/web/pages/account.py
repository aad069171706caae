"""One's own account: choosing a password."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.store import accounts
from ukemi.collector.web.context import account_of, respond, web_of
from ukemi.collector.web.pages.sign_in import hasher, set_session

MIN_PASSWORD = 10


class AccountPage(msgspec.Struct, frozen=True):
    email: str
    role: str
    has_password: bool
    complaint: str = ""
    done: str = ""


def show(request: Request) -> Response:
    return respond(request, "account.html", _page(account_of(request)))


async def change_password(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    account, web = account_of(request), web_of(request)
    password, current = str(form.get("password", ""))[:1000], str(form.get("current", ""))[:1000]
    page = _page(account)
    if len(password) < MIN_PASSWORD:
        complaint = f"Choose a password of at least {MIN_PASSWORD} characters; a few words are easier to remember."
        return respond(request, "account.html", msgspec.structs.replace(page, complaint=complaint), 400)
    if account.password_hash and not await run_in_threadpool(hasher.verify, current, account.password_hash):
        complaint = "The present password is wrong."
        return respond(request, "account.html", msgspec.structs.replace(page, complaint=complaint), 403)

    def save() -> str:
        hashed = hasher.hash(password)
        with web.database.write() as tx:
            accounts.set_password(tx, account.id, hashed)
            return accounts.start_session(tx, account.id, web.clock.now_us())

    token = await run_in_threadpool(save)
    done = "The password is set. All other sessions of this account are signed out."
    answer = respond(request, "account.html", msgspec.structs.replace(page, has_password=True, done=done))
    set_session(request, answer, token)
    return answer


def _page(account: accounts.Account) -> AccountPage:
    return AccountPage(account.email, account.role, account.password_hash is not None)
