"""Silences and maintenance windows: those that run or are to come, those that are over, and a new one."""

import secrets
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ukemi.collector.core.clock import DAY_US, HOUR_US
from ukemi.collector.core.silence import FIELDS, MAX_TEXT, WEEK_US, Silence, is_active, why_wrong
from ukemi.collector.store import silences
from ukemi.collector.web.context import account_of, respond, web_of

PAST: Final = 50
LENGTHS: Final = {"1h": HOUR_US, "4h": 4 * HOUR_US, "1d": DAY_US, "3d": 3 * DAY_US, "1w": WEEK_US}


class SilencesPage(msgspec.Struct, frozen=True):
    """All that `silences.html` may see."""

    current: list[Silence]
    active: list[str]
    """Ids of those that run now."""
    past: list[Silence]
    wished: dict[str, str]
    """What stands in the form."""
    complaint: str = ""


def show(request: Request) -> Response:
    wished = {name: request.query_params.get(name, "")[:MAX_TEXT] for name in FIELDS}
    return respond(request, "silences.html", _page(request, wished, ""))


async def create(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=20)
    wished = {name: str(form.get(name, "")).strip() for name in (*FIELDS, "length", "kind", "comment")}
    now_us = web_of(request).clock.now_us()
    silence = Silence(
        id=secrets.token_hex(6),
        kind="maintenance" if wished["kind"] == "maintenance" else "silence",
        matchers={name: wished[name] for name in FIELDS if wished[name]},
        starts_us=now_us,
        ends_us=now_us + LENGTHS.get(wished["length"], HOUR_US),
        weekly=False,
        zone="UTC",
        author=account_of(request).email,
        comment=wished["comment"][:500],
        created_us=now_us,
    )
    if wrong := why_wrong(silence):
        page = await run_in_threadpool(_page, request, wished, wrong)
        return respond(request, "silences.html", page, 400)
    await run_in_threadpool(_add, request, silence)
    return RedirectResponse("/silences", 303)


def end(request: Request) -> Response:
    web = web_of(request)
    with web.database.write() as tx:
        silences.end(tx, request.path_params["silence_id"], web.clock.now_us(), actor=account_of(request).email)
    return RedirectResponse("/silences", 303)


def _add(request: Request, silence: Silence) -> None:
    with web_of(request).database.write() as tx:
        silences.add(tx, silence)


def _page(request: Request, wished: dict[str, str], complaint: str) -> SilencesPage:
    web = web_of(request)
    now_us = web.clock.now_us()
    with web.database.read() as tx:
        current, past = silences.current(tx, now_us), silences.past(tx, now_us, PAST)
    return SilencesPage(current, [one.id for one in current if is_active(one, now_us)], past, wished, complaint)
