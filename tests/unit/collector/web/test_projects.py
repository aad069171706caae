"""Projects: made by owners, shown to all with what became of everything they sent."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from ukemi.collector.store.projects import Project


def names(client: TestClient) -> list[str]:
    return [shown["project"]["name"] for shown in client.get("/projects.json").json()["projects"]]


def test_an_owner_makes_a_project_with_a_key_of_each_kind(owner: TestClient) -> None:
    assert owner.post("/projects", data={"name": "  Cinema "}).headers["location"] == "/projects"
    (shown,) = owner.get("/projects.json").json()["projects"]
    assert shown["project"]["name"] == "Cinema"
    assert sorted(key["kind"] for key in shown["keys"]) == ["browser", "server"]
    assert all(key["dsn"] in owner.get("/projects").text for key in shown["keys"])


def test_a_member_makes_none(owner: TestClient, member: TestClient, project: Project) -> None:
    assert "New project" not in member.get("/projects").text
    answer = member.post("/projects", data={"name": "Cinema"})
    assert answer.status_code == 403
    assert "Only owners create projects" in answer.text
    assert names(owner) == ["Shop"]


@pytest.mark.parametrize("name", ["", "   ", "Shop", "shop", " SHOP! "])
def test_a_name_that_is_missing_or_taken_is_refused_with_a_reason(
    owner: TestClient, project: Project, name: str
) -> None:
    answer = owner.post("/projects", data={"name": name})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert names(owner) == ["Shop"]


def test_a_project_that_sent_nothing_says_what_to_try(
    owner: TestClient, digest_event: Callable[..., str], make_failure: Callable[..., dict[str, object]]
) -> None:
    assert "Nothing has arrived" in owner.get("/projects").text
    digest_event(make_failure())
    assert "Nothing has arrived" not in owner.get("/projects").text
    assert "/projects/1/accounting" in owner.get("/projects").text


def test_a_collector_without_projects_explains_them(owner: TestClient) -> None:
    assert "No project yet" in owner.get("/projects").text
