"""Alerts: incidents with their reasons, rules in words, notifications with their fate."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock

DigestEvent = Callable[..., str]
MakeFailure = Callable[..., dict[str, object]]


def words(page: str) -> str:
    return " ".join(page.split())


def test_before_anything_happened_the_rules_stand_there(owner: TestClient) -> None:
    page = words(owner.get("/alerts").text)
    assert "None so far. An incident opens when one of the rules below comes true." in page
    assert "Configured: slack." in page
    for name in ("new error type", "critical path", "API downtime"):
        assert name in page


@pytest.mark.parametrize(
    "sentence",
    [
        "an issue is new or regressed; closes when the issue is resolved, or after 30 min of quiet.",
        "an issue is new or regressed or seen in payment or auth, at level error or fatal",
        "10 requests in a row fail with a status of 500 or above",
        "nothing was heard of it for 30 s after traffic.",
    ],
)
def test_a_rule_is_told_as_a_sentence(owner: TestClient, sentence: str) -> None:
    assert sentence in words(owner.get("/alerts").text)


def test_an_open_incident_leads_to_its_issue_and_says_why(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure())
    (incident,) = owner.get("/alerts.json").json()["incidents"]
    page = owner.get("/alerts").text
    assert f"/projects/1/issues/{incident['issue_id']}" in page
    assert "An error of a new kind happened" in page
    assert "1 firing" in page
    assert f"/alerts#{incident['id']}" in owner.get(f"/projects/1/issues/{incident['issue_id']}").text


def test_a_closed_incident_says_after_how_long_and_why(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, clock: VirtualClock
) -> None:
    digest_event(make_failure())
    (incident,) = owner.get("/alerts.json").json()["incidents"]
    clock.advance(300)
    owner.post(f"/projects/1/issues/{incident['issue_id']}/status", data={"status": "resolved"})
    digest_event(make_failure("KeyError", "other", "elsewhere"))  # lets alerts look again
    closed = next(one for one in owner.get("/alerts.json").json()["incidents"] if one["id"] == incident["id"])
    page = words(owner.get("/alerts").text)
    assert closed["closed_us"] is not None
    assert "closed after 5 min" in page
    assert closed["closed_reason"] in page


def test_how_each_rule_stands_is_shown_with_its_reason(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure() | {"tags": {"domain": "payment"}})
    instances = owner.get("/alerts.json").json()["instances"]
    page = owner.get("/alerts").text
    assert {one["rule"] for one in instances} == {"new error type", "critical path"}
    assert all(one["because"] in page for one in instances)
