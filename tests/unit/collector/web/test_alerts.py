"""Alerts: incidents with their reasons, notifications with their fate."""

from collections.abc import Callable

from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock

DigestEvent = Callable[..., str]
MakeFailure = Callable[..., dict[str, object]]


def words(page: str) -> str:
    return " ".join(page.split())


def test_before_anything_happened_the_page_says_what_will_stand_there(owner: TestClient) -> None:
    assert "None so far. An incident opens when one of the" in words(owner.get("/alerts").text)
    assert "Configured: slack." in words(owner.get("/notifications").text)


def test_an_open_incident_leads_to_its_issue_and_says_why(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure())
    (incident,) = owner.get("/alerts.json").json()["incidents"]
    page = owner.get("/alerts").text
    assert f"/projects/1/issues/{incident['issue_id']}" in page
    assert "An error of a new kind happened" in page
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
