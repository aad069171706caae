"""No page asks the database more than twelve times, however much it shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

MOST = 12


@contextmanager
def counted() -> Iterator[list[str]]:
    """Every statement that is sent to a database meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("events", [1, 60])
def test_no_page_takes_more_than_twelve_queries(
    app: Starlette, owner: TestClient, digest_event: Callable[..., str], make_failure: Callable[..., dict], events: int
) -> None:
    for number in range(events):
        event = make_failure(kind=f"Problem{number % 55}", value=f"number {number}")
        latest = digest_event({**event, "user": {"id": str(number)}, "tags": {f"key{number}": "value"}})
    (issue, *_) = owner.get("/issues.json?q=Problem0").json()["issues"]
    values = {"project_id": "1", "issue_id": issue["id"], "event_id": latest}
    paths = [
        route.path.replace(":project}", "}").replace(":issue}", "}").replace(":str}", "}")
        for route in app.routes
        if isinstance(route, Route) and "GET" in (route.methods or ())
    ]
    asked: dict[str, int] = {}
    for path in paths:
        if {part.split("}")[0] for part in path.split("{")[1:]} <= values.keys():
            with counted() as sent:
                owner.get(path.format(**values))
            asked[path] = len(sent)
    for query in ("is:any card", "level:error key0:value", "user.id:0"):
        with counted() as sent:
            assert owner.get("/issues", params={"q": query}).status_code == 200
        asked[query] = len(sent)
    assert len(asked) > 8
    assert {path: number for path, number in asked.items() if number > MOST} == {}
