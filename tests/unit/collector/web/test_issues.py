"""The list of issues: search, pages, and what it says while there is nothing to show."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.store import projects
from ukemi.collector.store.database import Database
from ukemi.collector.store.issue_list import PAGE
from ukemi.collector.store.projects import Project

DigestEvent = Callable[..., str]
MakeFailure = Callable[..., dict[str, object]]


def titles(client: TestClient, query: str, **options: str) -> list[str]:
    answer = client.get(f"/issues.json?{urlencode({'q': query, **options})}")
    return [issue["title"] for issue in answer.json()["issues"]]


def test_while_nothing_has_arrived_the_page_says_what_to_do(owner: TestClient, project: Project) -> None:
    page = owner.get("/issues").text
    dsn = owner.get("/issues.json").json()["dsn"]
    assert "No error has arrived yet" in page
    assert dsn in page
    assert f"ukemi send-test {dsn}" in page


def test_the_dsn_to_begin_with_is_that_of_a_server_key_that_works(
    owner: TestClient, project: Project, database: Database
) -> None:
    """A disabled key would send the newcomer into silence."""
    with database.write() as tx:
        first = next(key for key in projects.keys(tx, project.id) if key.kind == "server")
        projects.disable_key(tx, project.id, first.public_key)
        second = projects.create_key(tx, project.id, "server", 0)
    assert second.public_key in owner.get("/issues.json").json()["dsn"]


def test_a_collector_without_a_project_says_so_little_but_works(owner: TestClient) -> None:
    assert "Nothing matches" in owner.get("/issues").text


def test_a_search_that_finds_nothing_tells_what_there_is(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure())
    page = owner.get("/issues?q=no-such-words").text
    assert "Nothing matches" in page
    assert "1 open, 0 resolved and 0 muted" in " ".join(page.split())
    assert "No error has arrived yet" not in page


def test_the_latest_issue_stands_first_with_its_numbers(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, clock: VirtualClock
) -> None:
    digest_event(make_failure("KeyError", "a"))
    clock.advance(60)
    for user in ("1", "2", "2"):
        digest_event(make_failure("ValueError", "b") | {"user": {"id": user}})
    first, second = owner.get("/issues.json").json()["issues"]
    assert (first["title"], first["event_count"], first["user_count"]) == ("ValueError: b", 3, 2)
    assert (second["name"], second["event_count"], second["user_count"]) == ("SHOP-1", 1, 0)
    assert sum(first["per_hour"]) == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["open"]),
        ("is:open", ["open"]),
        ("is:unresolved", ["open"]),
        ("is:resolved", ["resolved"]),
        ("is:muted", ["muted"]),
        ("is:any level:warning", ["muted"]),
        ("is:any domain:payment", ["open"]),
        ("is:any user.id:42", ["resolved"]),
        ("is:any user.id:4", []),
        ('is:any "about open"', ["open"]),
        ("is:any ABOUT", ["open", "muted", "resolved"]),
        ("is:any shop.checkout", ["open", "muted", "resolved"]),
        ("is:any about%", []),
        ("is:any about_open", []),
    ],
)
def test_search_finds_by_status_tag_user_and_words(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, query: str, found: list[str]
) -> None:
    digest_event(make_failure("Resolved", "about resolved", "a") | {"user": {"id": "42"}})
    digest_event(make_failure("Muted", "about muted", "b") | {"level": "warning"})
    digest_event(make_failure("Open", "about open", "c") | {"tags": {"domain": "payment"}})
    for issue in owner.get("/issues.json").json()["issues"]:
        kind = issue["title"].split(":")[0].lower()
        owner.post(f"/projects/1/issues/{issue['id']}/status", data={"status": kind})
    assert sorted(title.split(": about ")[1] for title in titles(owner, query)) == sorted(found)


def test_a_term_without_a_meaning_is_named(owner: TestClient, project: Project) -> None:
    assert owner.get("/issues.json?q=is:broken").json()["unknown"] == ["is:broken"]
    assert "is:broken" in owner.get("/issues?q=is:broken").text


@pytest.mark.parametrize(
    "query",
    [
        "project=²",
        f"project={10**30}",
        "project=-1",
        "project=x",
        "after=²³.ab",
        f"after={10**17}.ab",
        "after=1",
        "after=1.'",
        "q=%00",
        "q=%ff%fe",
        f"q={'x' * 5000}",
        "q=%22",
        "q=is:",
        "q=::::",
        "q=a:b:c:%5C",
    ],
)
def test_no_address_breaks_the_list(owner: TestClient, project: Project, query: str) -> None:
    assert owner.get(f"/issues?{query}").status_code == 200


def test_one_project_is_shown_alone(owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure) -> None:
    digest_event(make_failure())
    owner.post("/projects", data={"name": "Cinema"})
    assert len(titles(owner, "is:open", project="1")) == 1
    assert titles(owner, "is:open", project="2") == []
    assert "All projects" in owner.get("/issues").text


def test_pages_follow_each_other_without_gap_or_repetition(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, clock: VirtualClock
) -> None:
    for number in range(PAGE + 3):
        if number % 2:
            clock.advance(1)  # else two issues share their instant
        digest_event(make_failure(f"Kind{number}", "x", f"function_{number}"))
    first = owner.get("/issues.json?q=is:open").json()
    path, _, query = first["next_page"].partition("?")
    second = owner.get(f"{path}.json?{query}").json()
    names = [issue["name"] for page in (first, second) for issue in page["issues"]]
    assert len(names) == len(set(names)) == PAGE + 3
    assert second["next_page"] is None


def test_the_list_stays_fresh_but_an_older_page_stays_where_it_is(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure, clock: VirtualClock, read_html: type
) -> None:
    """A page of older issues that refreshed itself would become the first page under the reader's eyes."""
    digest_event(make_failure())
    first = read_html(owner.get("/issues?q=is:open+total&project=1").text)
    older = read_html(owner.get(f"/issues?q=is:open&after={clock.now_us() + 1}.ab").text)
    assert "/issues?q=is%3Aopen+total&project=1" in first.values("hx-get")
    assert older.values("hx-get") == ["/issues"]  # the search form alone


def test_nobody_being_told_is_said_on_every_page(app: object, owner: TestClient) -> None:
    assert "Nobody is being told" not in owner.get("/issues").text
    app.state.web = type(app.state.web)(**{**vars(app.state.web), "channels": []})
    for path in ("/issues", "/alerts", "/projects", "/account"):
        assert "Nobody is being told" in owner.get(path).text


def test_what_is_chosen_in_the_list_is_done_with_all_of_it_and_the_search_stays(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    for function in ("pay", "refund", "ship"):
        digest_event(make_failure(value=function, function=function))
    listed = owner.get("/issues.json").json()["issues"]
    chosen = [f"{issue['project_id']}.{issue['id']}" for issue in listed if "ship" not in issue["title"]]
    back = "/issues?q=is%3Aopen+pay&project=1"

    answer = owner.post("/issues/status", data={"issue": chosen, "status": "resolved", "back": back})

    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert titles(owner, "is:open") == ["ValueError: ship"]
    assert sorted(titles(owner, "is:resolved")) == ["ValueError: pay", "ValueError: refund"]
    again = owner.post("/issues/status.json", data={"issue": chosen, "status": "open"})
    assert again.json() == {"changed": 2}


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/issues\r\nX: y", "/issuesx", "/sign-out"]
)
def test_a_choice_leads_back_to_the_list_only(owner: TestClient, issue_path: str, back: str) -> None:
    answer = owner.post("/issues/status", data={"status": "muted", "back": back})
    assert answer.headers["location"] == "/issues"


@pytest.mark.parametrize("issue", ["1", "1.", "x.ab", "1.zz", "1.ab' OR 1", "0.ab"])
def test_a_choice_that_names_no_issue_is_refused(owner: TestClient, issue_path: str, issue: str) -> None:
    assert owner.post("/issues/status", data={"status": "muted", "issue": issue}).status_code == 400


def test_the_id_that_a_user_quotes_leads_to_its_event(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    event_id = digest_event(make_failure())
    (issue,) = owner.get("/issues.json").json()["issues"]
    place = f"/projects/{issue['project_id']}/issues/{issue['id']}?event={event_id}"
    quoted = f" {event_id.upper()} "
    assert owner.get("/issues", params={"q": quoted}, follow_redirects=False).headers["location"] == place
    assert owner.get("/issues", params={"q": quoted}, headers={"HX-Request": "true"}).headers["hx-redirect"] == place
    assert titles(owner, "f" * 32) == []
