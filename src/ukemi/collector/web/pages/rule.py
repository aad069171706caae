"""One rule: what it says, how it stands, its chart and back-test, and why it did or did not fire. And rules that a project makes."""

from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ukemi.collector.core.backtest import WouldBe, backtest
from ukemi.collector.core.chart import Chart, draw
from ukemi.collector.core.clock import DAY_US, HOUR_US
from ukemi.collector.core.explain import Explained, explain
from ukemi.collector.core.judge import Watched
from ukemi.collector.core.rule import CountCondition, PercentileCondition, RatioCondition, Rule, RuleError
from ukemi.collector.core.rule_text import Document, read_rule, watch, write_rule
from ukemi.collector.store import projects, rules
from ukemi.collector.store.errors import NotFound
from ukemi.collector.store.history import StoredHistory
from ukemi.collector.web.context import account_of, respond, web_of

SPANS_US = {"1h": HOUR_US, "24h": DAY_US, "7d": 7 * DAY_US}
SHOWN = 12
"""Instances with a chart."""
MAX_DOCUMENT = 10_000
EXAMPLE = """name = "checkout fails"
severity = "critical"
environments = ["production"]

[when]
kind = "ratio"
above = 0.02
window_s = 600
routes = ["/api/payments*"]
"""


class Shown(msgspec.Struct, frozen=True):
    """One instance of the rule."""

    explained: Explained
    chart: Chart | None


class RulePage(msgspec.Struct, frozen=True):
    """All that `rule.html` may see."""

    rule: Rule
    project_id: int | None
    """None: a rule of the file."""
    text: str
    unit: str
    """Of the chart's values: % | ms | ""."""
    span: str
    spans: list[str]
    instances: list[Shown]
    more: int
    """Instances that are not shown."""
    incidents: int
    """How many it would have opened in the span."""
    projects: dict[int, str]
    may_change: bool


class RuleForm(msgspec.Struct, frozen=True):
    """All that `rule_form.html` may see."""

    projects: dict[int, str]
    project_id: int
    text: str
    complaint: str = ""
    tried: list[WouldBe] | None = None
    """What the rule would have opened in the last day."""


def show(request: Request) -> Response:
    name = request.query_params.get("name", "")
    span = request.query_params.get("span", "24h")
    span = span if span in SPANS_US else "24h"
    project = request.query_params.get("project", "")
    web = web_of(request)
    until_us = web.clock.now_us()
    with web.database.read() as tx:
        known = [one for one in watch(web.rules, rules.documents(tx)) if one.rule.name == name]
        mine = [one for one in known if str(one.project_id or "") == project] or known
        if not mine:
            raise NotFound(f"There is no rule called {name!r}, or it is switched off. The rules: /rules")
        since_us = until_us - SPANS_US[span]
        explained = explain(mine[:1], StoredHistory(tx, mine), since_us, until_us)
        names = {one.id: one.name for one in projects.list_projects(tx)}
    one = mine[0]
    page = RulePage(
        rule=one.rule,
        project_id=one.project_id,
        text=write_rule(one.rule),
        unit=_unit(one.rule),
        span=span,
        spans=list(SPANS_US),
        instances=[Shown(e, draw(e.points, e.incidents, since_us, until_us)) for e in explained[:SHOWN]],
        more=max(0, len(explained) - SHOWN),
        incidents=sum(len(e.incidents) for e in explained),
        projects=names,
        may_change=account_of(request).role == "owner",
    )
    return respond(request, "rule.html", page)


def new(request: Request) -> Response:
    """The form, for a new rule or with the text of one that is there."""
    name, project = request.query_params.get("name", ""), request.query_params.get("project", "")
    web = web_of(request)
    with web.database.read() as tx:
        known = [one for one in watch(web.rules, rules.documents(tx)) if one.rule.name == name]
    known.sort(key=lambda one: str(one.project_id or "") != project)
    text = write_rule(known[0].rule) if known else EXAMPLE
    return respond(request, "rule_form.html", _form(request, _number(project), text))


async def save(request: Request) -> Response:
    """Check a rule and try it on the last day, or save it."""
    _owners_only(request)
    form = await request.form(max_files=0, max_fields=10)
    text = str(form.get("text", ""))[:MAX_DOCUMENT].replace("\r\n", "\n")
    project = str(form.get("project", ""))
    page = await run_in_threadpool(_form, request, _number(project), text)
    if page.project_id not in page.projects:
        raise NotFound(f"There is no project {page.project_id}. The projects: /projects")
    try:
        rule = read_rule(text)
    except RuleError as error:
        return respond(request, "rule_form.html", msgspec.structs.replace(page, complaint=str(error)), 400)
    if form.get("do") != "save":
        tried = await run_in_threadpool(_try, request, rule, page.project_id)
        return respond(request, "rule_form.html", msgspec.structs.replace(page, tried=tried))
    await run_in_threadpool(_save, request, Document(page.project_id, rule.name, text))
    if not rule.enabled:
        return RedirectResponse("/rules", 303)
    return RedirectResponse(f"/rule?{urlencode({'name': rule.name, 'project': page.project_id})}", 303)


async def delete(request: Request) -> Response:
    _owners_only(request)
    form = await request.form(max_files=0, max_fields=10)
    await run_in_threadpool(_delete, request, _number(str(form.get("project", ""))), str(form.get("name", "")))
    return RedirectResponse("/rules", 303)


def _number(text: str) -> int:
    """A project's number as it stands in an address or a form; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _owners_only(request: Request) -> None:
    if account_of(request).role != "owner":
        raise HTTPException(403, "Only owners change rules. Ask one of them.")


def _form(request: Request, project_id: int, text: str) -> RuleForm:
    with web_of(request).database.read() as tx:
        names = {one.id: one.name for one in projects.list_projects(tx)}
    return RuleForm(names, project_id or next(iter(names), 0), text)


def _try(request: Request, rule: Rule, project_id: int) -> list[WouldBe]:
    web = web_of(request)
    until_us = web.clock.now_us()
    with web.database.read() as tx:
        watched = [Watched(rule, project_id)]
        return backtest(watched, StoredHistory(tx, watched), until_us - DAY_US, until_us, warm_up_us=HOUR_US)


def _save(request: Request, document: Document) -> None:
    web = web_of(request)
    stamped = msgspec.structs.replace(document, updated_us=web.clock.now_us(), actor=account_of(request).email)
    with web.database.write() as tx:
        rules.put(tx, stamped)


def _delete(request: Request, project_id: int, name: str) -> None:
    with web_of(request).database.write() as tx:
        rules.delete(tx, project_id, name)


def _unit(rule: Rule) -> str:
    match rule.when:
        case RatioCondition():
            return "%"
        case PercentileCondition():
            return "ms"
        case CountCondition(of=of):
            return of
        case _:
            return ""
