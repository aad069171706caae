"""The pages over a database of their own, people who look at them, and events that got there on the real way."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import count
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette

from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.worker import Digest
from ukemi.collector.settings import Settings
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import accounts, projects
from ukemi.collector.store.database import Database
from ukemi.collector.store.projects import Project
from ukemi.collector.web.app import create_app
from ukemi.collector.web.security import COOKIE

with warnings.catch_warnings():
    # It works with httpx, which the collector has anyway, and wishes for another package.
    warnings.filterwarnings("ignore", message="Using `httpx` with", category=UserWarning)
    from starlette.testclient import TestClient

NOW_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z"""


@pytest.fixture
def database_kind() -> str:
    """What the pages ask of the store is the same on both databases, and the store's own tests run on both."""
    return "sqlite"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_US)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, base_url="http://testserver")


@pytest.fixture
def project(database: Database) -> Project:
    """The first project with a key of each kind; its short name is `shop`."""
    with database.write() as tx:
        created = projects.create(tx, "Shop", NOW_US, 90, 30)
        for kind in ("server", "browser"):
            projects.create_key(tx, created.id, kind, NOW_US)
    return created


@pytest.fixture
def app(database: Database, settings: Settings, clock: VirtualClock) -> Starlette:
    return create_app(database, settings, clock, rules_file.load(None).rules, ["slack"])


@pytest.fixture
def visitor(app: Starlette) -> TestClient:
    """Somebody without a session, who is not led on by redirects."""
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def signed_in(app: Starlette, database: Database, clock: VirtualClock) -> Callable[..., TestClient]:
    """Somebody with an account and a session of their own: `signed_in("a@example.org", role="member")`."""

    def enter(email: str, role: str = "owner") -> TestClient:
        with database.write() as tx:
            account_id = accounts.ensure_account(tx, email, role, clock.now_us())
            token = accounts.start_session(tx, account_id, clock.now_us())
        return TestClient(app, follow_redirects=False, cookies={COOKIE: token})

    return enter


@pytest.fixture
def owner(signed_in: Callable[..., TestClient]) -> TestClient:
    return signed_in("owner@example.org")


@pytest.fixture
def member(signed_in: Callable[..., TestClient]) -> TestClient:
    return signed_in("member@example.org", role="member")


@pytest.fixture
def digest_event(database: Database, tmp_path: Path, clock: VirtualClock, project: Project) -> Iterator[Callable]:
    """Let one event pass spool, digest and alerts: `digest_event({...}, key_kind="browser")` returns its id."""
    path = tmp_path / "spool" / "spool.db"
    writer, reader = SpoolWriter(path, max_bytes=1 << 30), SpoolReader(path)
    digest = Digest(database, reader, b"k" * 32, batch_s=60)
    alerts = Alerts(database, rules_file.load(None), {}, "http://testserver")
    numbers = count(1)

    def pass_through(event: dict[str, object], key_kind: str = "server", user_agent: str = "") -> str:
        event_id = f"{next(numbers):032x}"
        item = SpoolItem(
            position=0,
            lane=Lane.EVENTS,
            received_us=clock.now_us(),
            project_id=project.id,
            key_kind=key_kind,
            item_type="event",
            event_id=event_id,
            context=msgspec.json.encode(ItemContext(user_agent=user_agent, client_ip="203.0.113.7")),
            payload=msgspec.json.encode(event),
        )
        asyncio.run(writer.append([item]))
        while digest.step(clock):
            pass
        alerts.step(clock)
        return event_id

    yield pass_through
    writer.close()
    reader.close()


def failure(kind: str = "ValueError", value: str = "card declined", function: str = "pay") -> dict[str, object]:
    """An event with one exception that was raised in `function`."""
    frame = {
        "module": "shop.checkout",
        "function": function,
        "filename": "shop/checkout.py",
        "lineno": 12,
        "in_app": True,
        "context_line": "    raise ValueError",
        "vars": {"total": 14900},
    }
    thrown = {"type": kind, "value": value, "stacktrace": {"frames": [frame]}}
    return {"exception": {"values": [thrown]}, "platform": "python"}


@pytest.fixture
def make_failure() -> Callable[..., dict[str, object]]:
    return failure


@pytest.fixture
def issue_path(owner: TestClient, digest_event: Callable[..., str]) -> str:
    """Path of the page of one issue with one event."""
    digest_event(failure())
    (issue,) = owner.get("/issues.json").json()["issues"]
    return f"/projects/{issue['project_id']}/issues/{issue['id']}"


class Html(HTMLParser):
    """What a browser would see: elements with their attributes, and the text between them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inline: dict[str, str] = {}
        """Text inside of <script> and <style>."""
        self._inside = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside:
            self.inline[self._inside] = self.inline.get(self._inside, "") + data.strip()

    def shapes(self) -> set[tuple[str, frozenset[str]]]:
        """Each kind of element with the names of its attributes."""
        return {(tag, frozenset(attributes)) for tag, attributes in self.elements}

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


@pytest.fixture
def read_html() -> type[Html]:
    return Html
