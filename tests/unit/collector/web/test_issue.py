"""One issue: its page, its events, and what its buttons do."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock

DigestEvent = Callable[..., str]
MakeFailure = Callable[..., dict[str, object]]


def only_issue(client: TestClient) -> str:
    """Path of the page of the one issue there is."""
    (issue,) = client.get("/issues.json?q=is:any").json()["issues"]
    return f"/projects/{issue['project_id']}/issues/{issue['id']}"


def test_the_page_says_why_its_events_are_one_issue(owner: TestClient, issue_path: str) -> None:
    grouping = owner.get(f"{issue_path}.json").json()["grouping"]
    assert grouping["because"] in owner.get(issue_path).text
    assert grouping["parts"]


def test_an_event_without_anything_has_a_page(owner: TestClient, digest_event: DigestEvent) -> None:
    digest_event({})
    page = owner.get(only_issue(owner))
    assert page.status_code == 200
    for note in ("None. Add them with", "Unknown: nobody was signed in"):
        assert note in page.text


def test_what_was_thrown_comes_first_and_its_cause_after_it(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    chained = make_failure("CheckoutFailed")
    chained["exception"]["values"].insert(0, {"type": "CardDeclined", "value": "code 51"})
    digest_event(chained)
    page = owner.get(only_issue(owner)).text
    assert page.index("<h2>CheckoutFailed") < page.index("Caused by") < page.index("<h2>CardDeclined")


def test_the_frame_of_the_app_that_failed_is_open_and_library_frames_are_folded(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, read_html: type
) -> None:
    """An ordinary FastAPI stack has forty frames of libraries around three of the app."""
    event = make_failure()
    (thrown,) = event["exception"]["values"]
    (own,) = thrown["stacktrace"]["frames"]
    library = own | {"in_app": False, "filename": "starlette/routing.py", "function": "app"}
    thrown["stacktrace"]["frames"] = [library] * 3 + [own] + [library]
    digest_event(event)
    shown = read_html(owner.get(only_issue(owner)).text)
    is_open = [
        (attributes["class"], "open" in attributes)
        for tag, attributes in shown.elements
        if tag == "details" and attributes.get("class", "menu") not in ("menu", "delete")
    ]
    assert is_open == [("frame", False), ("frame in-app", True), ("library", False)] + [("frame", False)] * 3
    assert "3 frames of libraries" in shown.text


def test_source_lines_carry_their_own_numbers(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, read_html: type
) -> None:
    event = make_failure()
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["pre_context"] = ["def pay():", "    total = 0"]
    digest_event(event)
    assert read_html(owner.get(only_issue(owner)).text).values("start") == ["10"]


def test_a_secret_is_shown_as_taken_out(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    event = make_failure()
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["vars"] = {"password": "hunter2"}
    digest_event(event)
    path = only_issue(owner)
    assert owner.get(f"{path}.json").json()["event"]["filtered"] == 1
    assert "hunter2" not in owner.get(path).text
    assert "1 value was taken out" in owner.get(path).text


def test_one_walks_from_event_to_event(owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure) -> None:
    """Events of one instant have an order too."""
    ids = [digest_event(make_failure()) for _ in range(3)]
    path = only_issue(owner)
    shown = [owner.get(f"{path}.json?event={event_id}").json()["event"] for event_id in ids]
    assert [event["line"]["id"] for event in shown] == ids
    assert [event["older"] for event in shown] == [None, ids[0], ids[1]]
    assert [event["newer"] for event in shown] == [ids[1], ids[2], None]
    assert owner.get(f"{path}.json").json()["event"]["line"]["id"] == ids[2]


@pytest.mark.parametrize("event_id", ["f" * 32, "F" * 32, "..", "'", "0" * 31])
def test_an_event_that_is_not_there_leaves_the_issue_standing(
    owner: TestClient, issue_path: str, event_id: str
) -> None:
    assert owner.get(issue_path, params={"event": event_id}).status_code == 200


def test_an_event_of_another_issue_is_not_shown_here(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, issue_path: str
) -> None:
    other = digest_event(make_failure("KeyError", "another", "elsewhere"))
    page = owner.get(f"{issue_path}?event={other}").text
    assert "No event is kept" in page
    assert "another" not in page


def test_resolve_and_reopen_move_the_issue_and_note_who_did_it(
    owner: TestClient, member: TestClient, issue_path: str
) -> None:
    assert member.post(f"{issue_path}/status", data={"status": "resolved"}).headers["location"] == issue_path
    assert owner.get(f"{issue_path}.json").json()["issue"]["status"] == "resolved"
    assert ">Reopen<" in owner.get(issue_path).text
    owner.post(f"{issue_path}/status", data={"status": "open"})
    detail = owner.get(f"{issue_path}.json").json()
    assert detail["issue"]["status"] == "open"
    done = [(one["kind"], one["actor"]) for one in detail["activity"]]
    assert done == [("reopened", "owner@example.org"), ("resolved", "member@example.org"), ("new", "")]


def test_a_resolved_issue_that_happens_again_is_open_again(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, issue_path: str, clock: VirtualClock
) -> None:
    owner.post(f"{issue_path}/status", data={"status": "resolved"})
    clock.advance(60)
    digest_event(make_failure())
    page = owner.get(issue_path).text
    assert "came back" in page
    assert ">Resolve<" in page


@pytest.mark.parametrize("data", [{"status": "deleted"}, {"status": ""}, {}])
def test_a_status_that_does_not_exist_is_refused(owner: TestClient, issue_path: str, data: dict[str, str]) -> None:
    answer = owner.post(f"{issue_path}/status", data=data)
    assert answer.status_code == 400
    assert "must be open, resolved" in answer.text
    assert owner.get(f"{issue_path}.json").json()["issue"]["status"] == "open"


def test_the_status_of_an_issue_that_is_not_there_cannot_be_set(owner: TestClient, issue_path: str) -> None:
    other = issue_path.replace("/projects/1/", "/projects/2/")
    assert owner.post(f"{other}/status", data={"status": "resolved"}).status_code == 404
    assert owner.get(f"{issue_path}.json").json()["issue"]["status"] == "open"


def test_a_browser_event_says_so(owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure) -> None:
    digest_event(
        make_failure() | {"platform": "javascript"}, key_kind="browser", user_agent="Mozilla/5.0 Firefox/140.0"
    )
    page = owner.get(only_issue(owner)).text
    assert '<span class="tag">browser</span>' in page
    assert "Firefox 140" in page


@pytest.mark.parametrize(("url", "is_link"), [("https://shop.example/pay", True), ("javascript:alert(1)", False)])
def test_the_address_of_the_request_is_a_link_where_that_is_safe(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, read_html: type, url: str, *, is_link: bool
) -> None:
    digest_event(make_failure() | {"request": {"url": url, "method": "GET"}})
    shown = read_html(owner.get(only_issue(owner)).text)
    assert url in shown.text
    assert (url in shown.values("href")) == is_link


@pytest.mark.parametrize(
    "data",
    [
        {"http.method": "POST", "url": "https://pay.example/v1", "http.response.status_code": 500, "http.query": ""},
        {"method": "POST", "url": "https://pay.example/v1", "status_code": 500},
    ],
    ids=["python", "browser"],
)
def test_a_request_to_somebody_else_is_one_line_whichever_sdk_tells_of_it(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, data: dict[str, object]
) -> None:
    digest_event(make_failure() | {"breadcrumbs": {"values": [{"category": "httplib", "data": data}]}})
    (crumb,) = owner.get(f"{only_issue(owner)}.json").json()["event"]["breadcrumbs"]
    assert (crumb["message"], crumb["data"]) == ("POST https://pay.example/v1 → 500", {})


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("resolved_in_next", "resolved in the release after shop@1.2"),
        ("resolved_in_current", "resolved in shop@1.2"),
        ("muted:hours=24", "muted until 2026-01-02 00:00:00 UTC"),
        ("muted:events=100", "muted for 100 more events"),
        ("muted:users=10", "muted until 11 more users meet it"),
    ],
)
def test_the_page_says_what_a_status_holds_on_to_and_who_chose_it(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, status: str, shown: str
) -> None:
    digest_event(make_failure() | {"release": "shop@1.2"})
    path = only_issue(owner)
    assert owner.post(f"{path}/status", data={"status": status}).status_code == 303
    page = owner.get(path).text
    assert f">{shown}</span>" in page
    assert f"{shown} by owner@example.org" in page


def test_the_status_can_be_set_by_a_script(owner: TestClient, issue_path: str) -> None:
    answer = owner.post(f"{issue_path}/status.json", data={"status": "muted"})
    assert answer.json() == {"status": "muted"}


def test_an_owner_deletes_an_issue_and_the_accounting_says_who_did(owner: TestClient, issue_path: str) -> None:
    assert "Delete SHOP-1 for good" in owner.get(issue_path).text
    answer = owner.post(f"{issue_path}/delete")
    assert (answer.status_code, answer.headers["location"]) == (303, "/issues")
    assert owner.get(issue_path).status_code == 404
    assert owner.get("/issues.json?q=is:any").json()["issues"] == []
    (deletion,) = owner.get("/projects/1/accounting.json").json()["deletions"]
    assert (deletion["number"], deletion["actor"], deletion["done_us"]) == (1, "owner@example.org", None)
    page = owner.get("/projects/1/accounting").text
    assert "Deleted issues" in page
    assert "SHOP-1" in page
    assert owner.post(f"{issue_path}/delete.json").status_code == 404


def test_a_member_is_not_offered_to_delete_and_may_not(member: TestClient, issue_path: str) -> None:
    assert "for good" not in member.get(issue_path).text
    answer = member.post(f"{issue_path}/delete.json")
    assert answer.status_code == 403
    assert "Only owners" in answer.text
    assert member.get(issue_path).status_code == 200
