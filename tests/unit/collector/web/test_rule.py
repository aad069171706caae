"""One rule's page: its chart, its back-test, why it did or did not fire; and rules that a project makes of its own."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.contract.recorded import Life
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.store import rules
from ukemi.collector.store.database import Database

DigestEvent = Callable[..., str]
MakeFailure = Callable[..., dict[str, object]]
SignIn = Callable[..., TestClient]
OWN = 'name = "checkout"\nseverity = "high"\n[when]\nkind = "ratio"\nabove = 0.02\n'


def words(page: str) -> str:
    return " ".join(page.split())


@pytest.fixture
def life(database: Database, project: object, clock: VirtualClock) -> Life:
    """An hour of a service, judged as it went."""
    lived = Life(database, clock, seed=3)
    lived.live(hours=1)
    return lived


def test_the_page_has_a_chart_with_what_would_have_fired(owner: TestClient, life: Life) -> None:
    page = owner.get("/rule", params={"name": "high error rate", "span": "24h"}).text
    twin = owner.get("/rule.json", params={"name": "high error rate"}).json()

    lived = [opened_us for rule, _, opened_us, *_ in life.opened() if rule == "high error rate"]
    assert [one["opened_us"] for one in twin["instances"][0]["explained"]["incidents"]] == lived
    assert page.count('class="band"') == len(lived)
    assert "<polyline" in page
    assert "threshold 5 %" in words(page)


def test_it_says_why_a_rule_did_not_fire(owner: TestClient, life: Life) -> None:
    twin = owner.get("/rule.json", params={"name": "high error rate", "span": "1h"}).json()

    (shown,) = twin["instances"]
    assert shown["explained"]["evaluations"]
    assert all(
        one["because"] in owner.get("/rule?name=high error rate&span=1h").text.replace("&#39;", "'")
        for one in shown["explained"]["evaluations"][:1]
    )


def test_an_event_rule_says_which_of_its_wishes_was_not_met(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure() | {"level": "warning", "tags": {"domain": "payment"}})

    assert "The level is warning, not error or fatal." in owner.get("/rule?name=critical path").text


def test_before_anything_came_the_page_says_what_is_missing(owner: TestClient) -> None:
    assert "nothing came that this rule could be judged on" in words(owner.get("/rule?name=slow").text)


def test_an_unknown_rule_is_no_page(owner: TestClient) -> None:
    answer = owner.get("/rule?name=nothing of the kind")

    assert answer.status_code == 404
    assert "The rules: /rules" in answer.text


def test_a_rule_is_tried_before_it_is_saved(owner: TestClient, life: Life, database: Database) -> None:
    answer = owner.post("/rules/new", data={"project": "1", "text": OWN, "do": "check"})

    assert answer.status_code == 200
    assert "it would have opened" in words(answer.text)
    with database.read() as tx:
        assert rules.documents(tx) == []


def test_a_rule_of_a_projects_own_is_made_changed_and_deleted(
    owner: TestClient, project: object, database: Database
) -> None:
    owner.post("/rules/new", data={"project": "1", "text": OWN, "do": "save"})
    assert "only Shop" in owner.get("/rules").text
    assert 'name = "checkout"' in owner.get("/rules/new?name=checkout&project=1").text.replace("&#34;", '"')

    owner.post("/rules/new", data={"project": "1", "text": OWN.replace("0.02", "0.5"), "do": "save"})
    assert "more than 50 %" in owner.get("/rule?name=checkout&project=1").text

    owner.post("/rules/delete", data={"project": "1", "name": "checkout"})
    with database.read() as tx:
        assert rules.documents(tx) == []


def test_a_rule_that_is_wrong_is_kept_in_the_form_with_the_reason(owner: TestClient, project: object) -> None:
    answer = owner.post("/rules/new", data={"project": "1", "text": OWN.replace("0.02", "2"), "do": "save"})

    assert answer.status_code == 400
    assert "<= 1.0" in answer.text.replace("&lt;", "<") or "< 1.0" in answer.text.replace("&lt;", "<")
    assert "above = 2" in answer.text


def test_a_member_reads_rules_and_changes_none(signed_in: SignIn, project: object) -> None:
    member = signed_in("m@example.org", role="member")

    assert member.get("/rule?name=slow").status_code == 200
    assert member.post("/rules/new", data={"project": "1", "text": OWN, "do": "save"}).status_code == 403
    assert member.post("/rules/delete", data={"project": "1", "name": "checkout"}).status_code == 403
