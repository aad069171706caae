"""One incident: what befell it, whom it hits, who was told, and what to do with it."""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ukemi.collector.core.answer import read_answer
from ukemi.collector.core.incident import IncidentChangeKind
from ukemi.collector.core.notification import BlastRadius, Line
from ukemi.collector.store import blast_radius, incidents, notifications, observations, rule_states
from ukemi.collector.store.database import Tx
from ukemi.collector.store.incidents import Incident, IncidentChange
from ukemi.collector.store.notifications import Delivery
from ukemi.collector.web.context import account_of, respond, web_of

MEMBERS: Final = 100
DELIVERIES: Final = 200
_CHANGED: Final = {
    IncidentChangeKind.OPENED: "Opened",
    IncidentChangeKind.UPGRADED: "Upgraded",
    IncidentChangeKind.ACKNOWLEDGED: "Acknowledged",
    IncidentChangeKind.SUPPRESSED: "Nobody was told",
    IncidentChangeKind.RELEASED: "No longer kept back",
    IncidentChangeKind.ATTACHED: "Likely cause found",
    IncidentChangeKind.CLOSED: "Closed",
    IncidentChangeKind.REOPENED: "Reopened",
}
_TOLD: Final = {
    "delivered": "was told",
    "queued": "is being told",
    "failed": "could not be told",
    "held": "waits for the next hour",
    "digested": "was told in a digest",
}


class Moment(msgspec.Struct, frozen=True):
    """A line of the time line."""

    at_us: int
    what: str
    actor: str = ""
    because: str = ""
    is_bad: bool = False


class IncidentPage(msgspec.Struct, frozen=True):
    """All that `incident.html` may see."""

    incident: Incident
    project: str
    labels: dict[str, str]
    time_line: list[Moment]
    """Oldest first."""
    blast_radius: BlastRadius
    cause: Line | None
    digest: list[Incident]
    """What it tells of, when it is a digest."""


def show(request: Request) -> Response:
    web, project_id, incident_id = (
        web_of(request),
        request.path_params["project_id"],
        request.path_params["incident_id"],
    )
    with web.database.read() as tx:
        incident = incidents.get(tx, project_id, incident_id)
        page = _page(tx, incident, web.clock.now_us())
    return respond(request, "incident.html", page)


def acknowledge(request: Request) -> Response:
    return _change(request, incidents.acknowledge)


def resolve(request: Request) -> Response:
    return _change(request, incidents.resolve)


def reopen(request: Request) -> Response:
    return _change(request, incidents.reopen)


def _change(request: Request, act: Callable[..., None]) -> Response:
    web, project_id, incident_id = (
        web_of(request),
        request.path_params["project_id"],
        request.path_params["incident_id"],
    )
    with web.database.write() as tx:
        act(tx, incidents.get(tx, project_id, incident_id), web.clock.now_us(), actor=account_of(request).email)
    return RedirectResponse(f"/projects/{project_id}/incidents/{incident_id}", 303)


def _page(tx: Tx, incident: Incident, now_us: int) -> IncidentPage:
    changed = [_change_moment(one) for one in incidents.changes(tx, incident.project_id, incident.id)]
    told = [
        _delivery_moment(one)
        for one in notifications.ledger(tx, DELIVERIES, incident=(incident.project_id, incident.id))
    ]
    cause = None
    if incident.cause_issue_id and (subject := observations.subject(tx, incident.project_id, incident.cause_issue_id)):
        path = f"/projects/{incident.project_id}/issues/{incident.cause_issue_id}"
        cause = Line(f"{subject.name}: {subject.title}", path)
    return IncidentPage(
        incident=incident,
        project=observations.project_name(tx, incident.project_id),
        labels=rule_states.read_labels(incident.labels),
        time_line=sorted([*changed, *told], key=attrgetter("at_us")),
        blast_radius=blast_radius.of_incident(tx, incident, "", now_us),
        cause=cause,
        digest=incidents.members(tx, incident)[:MEMBERS],
    )


def _change_moment(one: IncidentChange) -> Moment:
    return Moment(one.at_us, _CHANGED[one.kind], one.actor, one.because, one.kind is IncidentChangeKind.SUPPRESSED)


def _delivery_moment(one: Delivery) -> Moment:
    tries = f" after {one.attempts} tries" if one.attempts > 1 else ""
    instead = f" in place of {one.stands_in_for}" if one.stands_in_for else ""
    what = f"{one.channel} {_TOLD.get(one.state, one.state)}: {one.reason.replace('_', ' ')}{instead}{tries}"
    answer = read_answer(one.answer)
    said = one.last_error or f"{answer.status} {answer.text}".strip()
    return Moment(one.delivered_us or one.created_us, what, "", said, one.state == "failed")
