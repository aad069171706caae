"""Alerts: what came true, which rules watch, and how every notification went."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.core.rule import Rule
from ukemi.collector.store import incidents, notifications, projects, rule_states
from ukemi.collector.store.incidents import Incident
from ukemi.collector.store.notifications import Delivery
from ukemi.collector.store.rule_states import RuleInstance
from ukemi.collector.web.context import respond, web_of

SHOWN = 100


class AlertsPage(msgspec.Struct, frozen=True):
    """All that `alerts.html` may see."""

    rules: list[Rule]
    firing: dict[str, int]
    """How many instances of each rule fire now."""
    incidents: list[Incident]
    instances: list[RuleInstance]
    deliveries: list[Delivery]
    projects: dict[int, str]
    channels: list[str]


def show(request: Request) -> Response:
    web = web_of(request)
    with web.database.read() as tx:
        instances = rule_states.all_instances(tx, SHOWN)
        page = AlertsPage(
            rules=list(web.rules),
            firing={rule.name: len(rule_states.firing(tx, rule.name)) for rule in web.rules},
            incidents=incidents.recent(tx, SHOWN),
            instances=instances,
            deliveries=notifications.ledger(tx, SHOWN),
            projects={project.id: project.name for project in projects.list_projects(tx)},
            channels=list(web.channels),
        )
    return respond(request, "alerts.html", page)
