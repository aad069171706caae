"""All routes at once, found by walking the app, so that a new one cannot be forgotten."""

import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from ukemi.collector.web.pages.accounting import AccountingPage
from ukemi.collector.web.pages.alerts import AlertsPage
from ukemi.collector.web.pages.incident import IncidentPage
from ukemi.collector.web.pages.issue import IssuePage
from ukemi.collector.web.pages.issues import IssuesPage
from ukemi.collector.web.pages.notifications import NotificationsPage
from ukemi.collector.web.pages.performance import PerformancePage
from ukemi.collector.web.pages.projects import ProjectsPage
from ukemi.collector.web.pages.rule import RulePage
from ukemi.collector.web.pages.rules import RulesPage
from ukemi.collector.web.pages.silences import SilencesPage

PUBLIC = {
    "/sign-in",
    "/sign-in/{token}",
    "/static/{file}",
    "/api/{project_id:project}/ukemi/events/{event_id:str}/",
}
INCIDENT = "/projects/{project_id:project}/incidents/{incident_id:incident}"
ISSUE = "/projects/{project_id:project}/issues/{issue_id:issue}"
TWINS = {
    "/issues.json": IssuesPage,
    f"{ISSUE}.json": IssuePage,
    "/alerts.json": AlertsPage,
    f"{INCIDENT}.json": IncidentPage,
    "/rules.json": RulesPage,
    "/rule.json": RulePage,
    "/notifications.json": NotificationsPage,
    "/silences.json": SilencesPage,
    "/projects.json": ProjectsPage,
    "/projects/{project_id:project}/accounting.json": AccountingPage,
    "/projects/{project_id:project}/performance.json": PerformancePage,
}


def routes_of(app: Starlette) -> list[tuple[str, str]]:
    """Method and path template of everything the app answers."""
    found = []
    for route in app.routes:
        assert isinstance(route, Route | Mount)
        if isinstance(route, Mount):
            found.append(("GET", f"{route.path}/{{file}}"))
        else:
            found += [(method, route.path) for method in sorted((route.methods or {"GET"}) - {"HEAD"})]
    return found


def filled(template: str) -> str:
    """An address of the route, by made-up values."""
    values = {
        "project_id": "1",
        "issue_id": "ab",
        "incident_id": "ab",
        "silence_id": "ab",
        "event_id": "0" * 32,
        "attachment_id": "0" * 32,
        "token": "some-token",
        "file": "style.css",
    }
    return re.sub(r"\{(\w+)[^}]*\}", lambda hole: values[hole[1]], template)


def test_everything_but_the_public_routes_asks_for_a_session(app: Starlette, visitor: TestClient) -> None:
    guarded = [(method, path) for method, path in routes_of(app) if path not in PUBLIC]
    assert len(guarded) > 10
    for method, path in guarded:
        answer = visitor.request(method, filled(path))
        if path.endswith(".json"):
            assert (path, answer.status_code) == (path, 401)
        else:
            assert (path, answer.status_code) == (path, 303)
            assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.usefixtures("project")
def test_public_routes_answer_without_a_session(app: Starlette, visitor: TestClient) -> None:
    assert {path for _, path in routes_of(app)} >= PUBLIC
    for method, path in routes_of(app):
        if path in PUBLIC:
            assert "/sign-in" not in visitor.request(method, filled(path)).headers.get("location", "")


@pytest.mark.parametrize("path", ["/healthy", "/api/1/secrets", "/sign-in-as", "/static/%2e%2e/issues"])
def test_a_path_that_begins_like_a_public_one_shows_nothing(visitor: TestClient, path: str) -> None:
    assert visitor.get(path).status_code in (303, 404)


def test_every_page_has_a_json_twin_with_the_fields_of_its_struct(
    app: Starlette, owner: TestClient, issue_path: str
) -> None:
    assert {path for method, path in routes_of(app) if method == "GET" and path.endswith(".json")} == set(TWINS)
    (incident,) = owner.get("/alerts.json").json()["incidents"]
    real = {
        "/rule.json": "/rule.json?name=slow",
        f"{ISSUE}.json": f"{issue_path}.json",
        f"{INCIDENT}.json": f"/projects/1/incidents/{incident['id']}.json",
    }
    for template, struct in TWINS.items():
        answer = owner.get(real.get(template, filled(template)))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == set(struct.__struct_fields__)


def test_the_json_twin_of_an_error_is_json(owner: TestClient) -> None:
    answer = owner.get("/projects/1/issues/ab.json")
    assert answer.status_code == 404
    assert answer.json()["title"] == "Not found"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/projects/1/issues/ab",
        "/projects/0/issues/ab",
        f"/projects/{10**30}/issues/ab",
        "/issues/ab",
        "/projects/-1/issues/ab",
        "/projects/1/issues/%00",
        "/projects/9/accounting",
        "/projects/9/performance",
        f"/projects/1/events/{'0' * 32}/attachments/{'0' * 32}",
        "/projects/1/issues/..%2f..%2fetc",
    ],
)
def test_what_is_not_there_is_not_found(owner: TestClient, path: str) -> None:
    assert owner.get(path).status_code == 404


def test_the_first_page_is_the_list_of_issues(owner: TestClient) -> None:
    assert owner.get("/").headers["location"] == "/issues"
