"""Rules: which watch, and how each stands."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.core.rule import Rule
from ukemi.collector.store import projects, rule_states
from ukemi.collector.store.rule_states import RuleInstance
from ukemi.collector.web.context import respond, web_of

SHOWN = 100


class RulesPage(msgspec.Struct, frozen=True):
    """All that `rules.html` may see."""

    rules: list[Rule]
    firing: dict[str, int]
    """How many instances of each rule fire now."""
    instances: list[RuleInstance]
    projects: dict[int, str]


def show(request: Request) -> Response:
    web = web_of(request)
    with web.database.read() as tx:
        page = RulesPage(
            rules=list(web.rules),
            firing={rule.name: rule_states.firing(tx, rule.name) for rule in web.rules},
            instances=rule_states.all_instances(tx, SHOWN),
            projects={project.id: project.name for project in projects.list_projects(tx)},
        )
    return respond(request, "rules.html", page)
