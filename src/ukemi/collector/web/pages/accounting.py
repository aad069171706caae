"""Accounting: what became of everything that a project's apps sent, with a sentence for each fate."""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.core.outcome import OutcomeKind
from ukemi.collector.core.reasons import KINDS, meaning
from ukemi.collector.store import deletions, outcomes, projects
from ukemi.collector.store.deletions import Deletion
from ukemi.collector.web.context import respond, web_of

DAYS: Final = (1, 7, 30)


class Fate(msgspec.Struct, frozen=True):
    outcome: OutcomeKind
    reason: str
    quantity: int
    happened: str
    to_do: str


class CategoryAccount(msgspec.Struct, frozen=True):
    category: str
    sent: int
    """The sum of all fates."""
    by_outcome: dict[str, int]
    """Those that occurred, in the order of the sum."""
    fates: list[Fate]
    """Largest first within an outcome."""


class AccountingPage(msgspec.Struct, frozen=True):
    """All that `accounting.html` may see."""

    project_id: int
    project: str
    days: int
    categories: list[CategoryAccount]
    slug: str
    deletions: list[Deletion]
    """Issues that owners deleted, the latest first."""


def show(request: Request) -> Response:
    web, project_id = web_of(request), request.path_params["project_id"]
    wanted = request.query_params.get("days", "")
    days = next((days for days in DAYS if str(days) == wanted), DAYS[0])
    with web.database.read() as tx:
        project = projects.get(tx, project_id)
        totals = outcomes.totals(tx, project_id, web.clock.now_us() - days * DAY_US)
        deleted = deletions.latest(tx, project_id)
    categories = [_account(category, totals) for category in sorted({category for category, _, _ in totals})]
    page = AccountingPage(project_id, project.name, days, categories, project.slug, deleted)
    return respond(request, "accounting.html", page)


def _account(category: str, totals: dict[tuple[str, str, str], int]) -> CategoryAccount:
    fates: list[Fate] = []
    by_outcome: dict[str, int] = {}
    for kind in KINDS:
        mine = [(reason, n) for (one, outcome, reason), n in totals.items() if one == category and outcome == kind]
        for reason, quantity in sorted(mine, key=lambda entry: (-entry[1], entry[0])):
            said = meaning(kind, reason)
            fates.append(Fate(kind, reason, quantity, said.happened, said.to_do))
            by_outcome[kind] = by_outcome.get(kind, 0) + quantity
    return CategoryAccount(category, sum(by_outcome.values()), by_outcome, fates)
