"""What `ukemi send-test` asks: is my event an issue yet?"""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from ukemi.collector.store import projects
from ukemi.collector.store.database import Database
from ukemi.collector.store.projects import Project

STORED = f"{1:032x}"


@pytest.fixture
def key_of(database: Database, project: Project) -> Callable[[str], str]:
    def find(kind: str) -> str:
        with database.read() as tx:
            return next(key.public_key for key in projects.keys(tx, project.id) if key.kind == kind)

    return find


def ask(client: TestClient, key: str | None, event_id: str = STORED, project_id: object = 1) -> object:
    headers = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={key}"} if key else {}
    return client.get(f"/api/{project_id}/ukemi/events/{event_id}/", headers=headers)


def test_a_stored_event_is_answered_with_its_issue(
    visitor: TestClient,
    owner: TestClient,
    key_of: Callable[[str], str],
    digest_event: Callable[..., str],
    make_failure: Callable[..., dict[str, object]],
) -> None:
    assert digest_event(make_failure()) == STORED
    answer = ask(visitor, key_of("server"))
    assert answer.status_code == 200
    assert answer.json()["issue"] == "SHOP-1"
    page = answer.json()["url"].removeprefix("http://testserver")
    assert owner.get(page).status_code == 200


def test_an_event_under_way_is_to_be_asked_for_again(visitor: TestClient, key_of: Callable[[str], str]) -> None:
    assert ask(visitor, key_of("server")).status_code == 202


@pytest.mark.parametrize("event_id", ["x" * 32, "0" * 31, "0" * 33, "A" * 32])
def test_what_is_no_event_id_is_refused(visitor: TestClient, key_of: Callable[[str], str], event_id: str) -> None:
    assert ask(visitor, key_of("server"), event_id).status_code == 400


def test_without_a_server_key_of_the_project_nothing_is_told(
    visitor: TestClient, key_of: Callable[[str], str], database: Database
) -> None:
    """A browser key is public, so it must not tell what happens on the server."""
    with database.write() as tx:
        other = projects.create(tx, "Cinema", 0, 90, 30)
        foreign = projects.create_key(tx, other.id, "server", 0).public_key
    for key in (None, "0" * 32, "nonsense", key_of("browser"), foreign):
        assert ask(visitor, key).status_code == 403


def test_a_disabled_key_is_told_nothing(visitor: TestClient, key_of: Callable[[str], str], database: Database) -> None:
    key = key_of("server")
    with database.write() as tx:
        projects.disable_key(tx, 1, key)
    assert ask(visitor, key).status_code == 403
