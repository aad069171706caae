"""Rules: which watch, and how each stands."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.core.rule import Rule
from ukemi.collector.core.rule_text import watch
from ukemi.collector.store import projects, rule_states, rules
from ukemi.collector.store.rule_states import RuleInstance
from ukemi.collector.web.context import account_of, respond, web_of

SHOWN = 100


class Listed(msgspec.Struct, frozen=True):
    rule: Rule
    project_id: int | None
    """None: a rule of the file."""
    firing: int
    """How many instances fire now."""


class RulesPage(msgspec.Struct, frozen=True):
    """All that `rules.html` may see."""

    rules: list[Listed]
    off: list[str]
    """Names of rules of the file that are switched off."""
    may_change: bool
    instances: list[RuleInstance]
    projects: dict[int, str]


def show(request: Request) -> Response:
    web = web_of(request)
    with web.database.read() as tx:
        listed = [
            Listed(one.rule, one.project_id, rule_states.firing(tx, one.rule.name, one.project_id))
            for one in watch(web.rules, rules.documents(tx))
        ]
        page = RulesPage(
            rules=listed,
            off=[rule.name for rule in web.rules if not rule.enabled],
            may_change=account_of(request).role == "owner",
            instances=rule_states.all_instances(tx, SHOWN),
            projects={project.id: project.name for project in projects.list_projects(tx)},
        )
    return respond(request, "rules.html", page)
