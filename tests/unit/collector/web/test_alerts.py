"""Alerts: incidents with their reasons, notifications with their fate."""

from collections.abc import Callable

from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.core.notification import Reason
from ukemi.collector.notify.worker import test_content as what_a_test_tells
from ukemi.collector.store import notifications
from ukemi.collector.store.database import Database
from ukemi.collector.store.notifications import Queued
from ukemi.collector.store.projects import Project

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
    assert f"/projects/1/incidents/{incident['id']}" in page
    assert f"/projects/1/issues/{incident['issue_id']}" in owner.get(f"/projects/1/incidents/{incident['id']}").text
    assert "An error of a new kind happened" in page
    assert f"/projects/1/incidents/{incident['id']}" in owner.get(f"/projects/1/issues/{incident['issue_id']}").text


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


def test_what_a_channel_answered_is_told_in_words_and_all_of_it_behind_a_fold(
    owner: TestClient, database: Database, clock: VirtualClock, project: Project
) -> None:
    now_us = clock.now_us()
    answers = {"pagerduty": '202 {"status":"success","message":"Event <b>processed</b>"}', "slack": "200 ok"}
    with database.write() as tx:
        told = what_a_test_tells(Reason.TEST, 0, now_us)
        notifications.queue(tx, [Queued(project.id, name, name, told) for name in answers], now_us)
        for one in notifications.due(tx, now_us, 10):
            notifications.delivered(tx, one, answers[one.channel], now_us)
    page = owner.get("/notifications").text
    assert "202: Event &lt;b&gt;processed&lt;/b&gt;</p><details><summary>All of the answer</summary><pre>{&#34;" in page
    assert "200: ok</p>" in page
    assert page.count("<details>") == 1
    lines = {one["channel"]: one["answer"] for one in owner.get("/notifications.json").json()["deliveries"]}
    assert lines == answers


def test_an_incident_is_acknowledged_resolved_and_reopened_on_its_page(
    owner: TestClient, member: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure())
    (incident,) = owner.get("/alerts.json").json()["incidents"]
    path = f"/projects/1/incidents/{incident['id']}"
    for verb, actor, expected in (
        ("acknowledge", owner, "acknowledged by owner@example.org"),
        ("resolve", member, "Resolved by member@example.org."),
        ("reopen", owner, "Reopened by owner@example.org"),
    ):
        answer = actor.post(f"{path}/{verb}")
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        assert expected in words(owner.get(path).text)
    told = [one["what"] for one in owner.get(f"{path}.json").json()["time_line"]]
    assert [what for what in told if what in ("Opened", "Acknowledged", "Closed", "Reopened")] == [
        "Opened",
        "Acknowledged",
        "Closed",
        "Reopened",
    ]


def test_the_time_line_says_why_nobody_was_told(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    """The alerts of this test know no configured channel."""
    digest_event(make_failure())
    (incident,) = owner.get("/alerts.json").json()["incidents"]
    page = words(owner.get(f"/projects/1/incidents/{incident['id']}").text)
    assert "Nobody was told" in page
    assert "No channel for the severity warning is configured." in page


def test_a_silence_is_made_and_ended_by_whoever_is_signed_in(member: TestClient, owner: TestClient) -> None:
    wish = {"environment": "staging", "length": "4h", "comment": "load test"}
    assert member.post("/silences", data=wish).status_code == 303
    page = owner.get("/silences.json").json()
    (silence,) = page["current"]
    assert silence["matchers"] == {"environment": "staging"}
    assert silence["author"] == "member@example.org"
    assert silence["ends_us"] - silence["starts_us"] == 4 * 3600 * 1_000_000
    assert page["active"] == [silence["id"]]
    owner.post(f"/silences/{silence['id']}/end")
    page = owner.get("/silences.json").json()
    assert page["current"] == []
    assert page["past"][0]["ended_by"] == "owner@example.org"


def test_a_silence_of_nothing_is_refused_and_what_was_typed_stays(owner: TestClient) -> None:
    answer = owner.post("/silences", data={"comment": "so <loud>", "length": "1w"})
    assert answer.status_code == 400
    assert "Say what to silence" in answer.text
    assert "so &lt;loud&gt;" in answer.text
    assert owner.get("/silences.json").json()["current"] == []


def test_an_unknown_incident_or_silence_is_not_found(owner: TestClient) -> None:
    assert owner.get("/projects/1/incidents/ab").status_code == 404
    assert owner.post("/projects/1/incidents/ab/resolve").status_code == 404
    assert owner.post("/silences/ab/end").status_code == 404
