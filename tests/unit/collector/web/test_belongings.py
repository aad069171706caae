"""What belongs to an issue or a project beside its events: feedback, attachments, the accounting, performance."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from starlette.testclient import TestClient

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.worker import Digest
from ukemi.collector.ingest.admission import LANES
from ukemi.collector.spool.item import ItemContext, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store.database import Database
from ukemi.collector.store.projects import Project

EVENT_ID = f"{5:032x}"
HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture
def take(database: Database, tmp_path: Path, clock: VirtualClock, project: Project) -> Iterator[Callable[..., None]]:
    """Let one item pass spool and digest: `take("attachment", b"…", event_id=EVENT_ID, filename="a.txt")`."""
    path = tmp_path / "items" / "spool.db"
    writer, reader = SpoolWriter(path, max_bytes=1 << 30), SpoolReader(path)
    digest = Digest(database, reader, b"k" * 32)

    def pass_through(item_type: str, payload: object, event_id: str = "", **header: object) -> None:
        context = ItemContext(item_header=msgspec.Raw(msgspec.json.encode(header)))
        content = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        item = SpoolItem(
            position=0,
            lane=LANES[item_type],
            received_us=clock.now_us(),
            project_id=project.id,
            key_kind="server",
            item_type=item_type,
            event_id=event_id,
            context=msgspec.json.encode(context),
            payload=content,
        )
        asyncio.run(writer.append([item]))
        while digest.step(clock):
            pass

    yield pass_through
    writer.close()
    reader.close()


@pytest.fixture
def issue(owner: TestClient, take: Callable, make_failure: Callable) -> str:
    """Path of an issue with one event, EVENT_ID."""
    take("event", make_failure(), event_id=EVENT_ID)
    (found,) = owner.get("/issues.json").json()["issues"]
    return f"/projects/1/issues/{found['id']}"


def test_feedback_stands_on_its_issue_as_text(owner: TestClient, take: Callable, issue: str) -> None:
    take("user_report", {"event_id": EVENT_ID, "name": "Ann", "email": "ann@example.org", "comments": HOSTILE})
    page = owner.get(issue).text
    assert "What people said" in page
    assert "ann@example.org" in page
    assert HOSTILE not in page
    (said,) = owner.get(f"{issue}.json").json()["feedback"]
    assert (said["message"], said["event_id"]) == (HOSTILE, EVENT_ID)


def test_an_attachment_is_saved_and_never_shown(owner: TestClient, take: Callable, issue: str) -> None:
    """Whatever it calls itself, a browser gets bytes to save."""
    name = 'page"\r\nx: y.html'
    take("attachment", HOSTILE.encode(), event_id=EVENT_ID, filename=name, content_type="text/html")
    (file,) = owner.get(f"{issue}.json").json()["attachments"]
    answer = owner.get(f"/projects/1/events/{EVENT_ID}/attachments/{file['id']}")
    assert answer.text == HOSTILE
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "x" not in answer.headers
    assert "not searched for secrets" not in owner.get(issue).text


def test_a_picture_is_marked_as_not_searched(owner: TestClient, take: Callable, issue: str) -> None:
    take("attachment", b"\x89PNG\0", event_id=EVENT_ID, filename="screen.png")
    assert "not searched for secrets" in owner.get(issue).text


def test_a_visitor_gets_no_attachment(visitor: TestClient, owner: TestClient, take: Callable, issue: str) -> None:
    take("attachment", b"secret", event_id=EVENT_ID, filename="a.txt")
    (file,) = owner.get(f"{issue}.json").json()["attachments"]
    answer = visitor.get(f"/projects/1/events/{EVENT_ID}/attachments/{file['id']}")
    assert answer.status_code == 303
    assert "secret" not in answer.text


def test_the_accounting_adds_up_and_explains_itself(owner: TestClient, take: Callable, issue: str) -> None:
    take("event", {"message": "x"}, event_id=EVENT_ID)
    take("event", b"[]", event_id=f"{6:032x}")
    lost = {"reason": "queue_overflow", "category": "error", "quantity": 7}
    take("client_report", {"discarded_events": [lost]})
    answer = owner.get("/projects/1/accounting.json").json()
    (errors,) = [one for one in answer["categories"] if one["category"] == "error"]
    assert errors["sent"] == 10
    assert errors["by_outcome"] == {"accepted": 1, "duplicate": 1, "invalid": 1, "lost": 7}
    assert errors["sent"] == sum(fate["quantity"] for fate in errors["fates"])
    page = owner.get("/projects/1/accounting").text
    assert all(fate["happened"].split("(")[0] in page.replace("&#39;", "'") for fate in errors["fates"])


def test_a_project_that_sent_nothing_has_an_account_that_says_so(owner: TestClient, project: Project) -> None:
    assert "Nothing was sent" in owner.get("/projects/1/accounting?days=7").text
    assert "No transactions" in owner.get("/projects/1/performance").text


def test_performance_shows_rates_and_an_example(owner: TestClient, take: Callable, clock: VirtualClock) -> None:
    began_s = clock.now_us() / 1e6 - 10
    for number in range(1, 5):
        spans = [
            {
                "span_id": "1" * 16,
                "op": "db",
                "description": HOSTILE,
                "start_timestamp": began_s,
                "timestamp": began_s + 1,
            },
            {"span_id": "2" * 16, "parent_span_id": "1" * 16, "start_timestamp": began_s, "timestamp": began_s + 0.5},
            {"span_id": "3" * 16, "parent_span_id": "3" * 16, "start_timestamp": "x"},
        ]
        trace = {
            "trace_id": "a" * 32,
            "span_id": "b" * 16,
            "op": "http.server",
            "status": "ok" if number > 1 else "aborted",
        }
        take(
            "transaction",
            {
                "transaction": "/pay/{id}",
                "transaction_info": {"source": "route"},
                "start_timestamp": began_s,
                "timestamp": began_s + number,
                "contexts": {"trace": trace},
                "spans": spans,
            },
            event_id=f"{number:032x}",
        )
    query = "op=http.server&name=/pay/{id}"
    page = owner.get(f"/projects/1/performance.json?{query}").json()
    (line,) = page["lines"]
    assert (line["count"], line["failure_rate"]) == (4, 0.25)
    assert line["p50_ms"] == pytest.approx(2000, rel=0.02)
    assert line["p99_ms"] == pytest.approx(4000, rel=0.02)
    assert [round(one["duration_us"] / 1e6) for one in page["samples"]] == [4, 3, 2, 1]
    assert [(bar["op"], bar["depth"], round(bar["share"], 3)) for bar in page["example"]["spans"]] == [
        ("db", 0, 0.25),
        ("default", 1, 0.125),
    ]
    shown = owner.get(f"/projects/1/performance?{query}").text
    assert "/pay/{id}" in shown
    assert HOSTILE not in shown
