"""Alerts about ukemi itself, and the outgoing heartbeat, on a real database and a local server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import pytest

from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.incidents import Incidents
from ukemi.collector.alerts.own_health import OwnHealth
from ukemi.collector.core.clock import MINUTE_US, VirtualClock
from ukemi.collector.notify.heartbeat import OutgoingHeartbeat
from ukemi.collector.notify.http import OutgoingClient
from ukemi.collector.spool.item import Lane
from ukemi.collector.store import channels, incidents, notifications, outcomes, projects
from ukemi.collector.store.channels import ChannelState
from ukemi.collector.store.database import Database

CONFIGURED = {
    "UKEMI_SLACK_URL": "https://host/",
    "UKEMI_WEBHOOK_URL": "https://host/",
    "UKEMI_WEBHOOK_SECRET": "whsec_MfKQ",
}


@pytest.fixture
def watch(database: Database, spool_writer: object, spool_path: Path, tmp_path: Path) -> OwnHealth:
    rules = rules_file.load(None)
    told = Incidents(rules, CONFIGURED, "https://errors.example.org")
    return OwnHealth(database, told, tmp_path, spool_path, list(rules.configured(CONFIGURED)))


def story(database: Database) -> list[tuple[str, bool]]:
    with database.read() as tx:
        return sorted((one.rule, one.closed_us is None) for one in incidents.recent(tx, 50))


def test_a_channel_that_fails_is_told_through_the_others_once_and_so_is_its_recovery(
    database: Database, watch: OwnHealth, clock: VirtualClock
) -> None:
    with database.write() as tx:
        failing = ChannelState("slack", 1, clock.now_us(), is_refusing=True, last_error="It answered 404.")
        channels.put(tx, failing)
    for _ in range(3):
        clock.advance(10)
        watch.step(clock)
    assert story(database) == [("ukemi: channel failed", True)]
    with database.read() as tx:
        (incident,) = incidents.recent(tx, 50)
        told = notifications.ledger(tx, 50)
    assert incident.title == "The channel slack does not work"
    assert "webhook" in {one.channel for one in told}
    assert len(told) == len({one.channel for one in told})
    with database.write() as tx:
        channels.put(tx, ChannelState("slack", delivered_us=clock.now_us(), tried_us=clock.now_us()))
    clock.advance(10)
    watch.step(clock)
    assert story(database) == [("ukemi: channel failed", False)]


@pytest.mark.usefixtures("project")
def test_a_quota_that_is_reached_opens_one_incident_until_it_was_quiet(
    database: Database, watch: OwnHealth, clock: VirtualClock
) -> None:
    minute_us = clock.now_us()
    with database.write() as tx:
        outcomes.add(tx, {(1, minute_us, "error", "rate_limited", "project_minute"): 7})
    for _ in range(80):
        clock.advance(10)
        watch.step(clock)
    assert story(database) == [("ukemi: quota reached", True)]
    clock.advance(900)
    watch.step(clock)
    assert story(database) == [("ukemi: quota reached", False)]


def test_the_project_of_ukemi_itself_is_none_that_anybody_chooses(
    database: Database, watch: OwnHealth, clock: VirtualClock
) -> None:
    with database.write() as tx:
        channels.put(tx, ChannelState("slack", 1, clock.now_us(), is_refusing=True))
    watch.step(clock)
    with database.read() as tx:
        assert projects.list_projects(tx) == []
        assert [one.name for one in projects.own(tx)] == ["ukemi itself"]


def test_items_that_wait_are_told_of(
    database: Database, watch: OwnHealth, clock: VirtualClock, spool_writer: object, spool_item: object
) -> None:
    import asyncio

    asyncio.run(spool_writer.append([spool_item("event", {}, lane=Lane.EVENTS)]))
    watch.step(clock)
    assert story(database) == []
    clock.advance(61)
    watch.step(clock)
    assert story(database) == [("ukemi: spool ageing", True)]


class Ears:
    """Answers /ready with `ready`, and notes every call."""

    def __init__(self) -> None:
        self.ready, self.calls = 200, []
        ears = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ears.calls.append(self.path)
                self.send_response(ears.ready if self.path == "/ready" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}).start()


@pytest.fixture
def ears() -> Iterator[Ears]:
    listening = Ears()
    yield listening
    listening.server.shutdown()
    listening.server.server_close()


def test_the_heartbeat_beats_every_minute_and_only_while_all_is_well(ears: Ears, clock: VirtualClock) -> None:
    client = OutgoingClient([ip_network("127.0.0.0/8")])
    stages = [True]
    heart = OutgoingHeartbeat(client, f"{ears.url}/beat", client, f"{ears.url}/ready", lambda: stages[0])
    for _ in range(120):
        heart.step(clock)
        clock.advance(1)
    assert ears.calls.count("/beat") == 2
    ears.ready = 503
    clock.advance(MINUTE_US / 1e6)
    heart.step(clock)
    assert ears.calls.count("/beat") == 2
    ears.ready, stages[0] = 200, False
    clock.advance(60)
    heart.step(clock)
    assert ears.calls.count("/beat") == 2
    stages[0] = True
    clock.advance(60)
    heart.step(clock)
    assert ears.calls.count("/beat") == 3
    client.close()
