"""Alerts and notify on both databases, telling a local server that plays Slack, PagerDuty and a webhook."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.rules_file import RulesError
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import SECOND_US, SystemClock, VirtualClock
from ukemi.collector.core.issue import Wish
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.notify.http import OutgoingClient
from ukemi.collector.notify.worker import Notifier
from ukemi.collector.store import changes, incidents, issues, notifications, requests, schema
from ukemi.collector.store.database import Database
from ukemi.collector.store.incidents import Incident
from ukemi.collector.worker_process import open_channels
from ukemi.protocol.request_counts import Instance, RequestCounts

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = [ip_network("127.0.0.0/8")]
DEFAULT_RULES = rules_file.load(None)
ISSUE_ID = f"{1:016x}"
IssueBuilder = Callable[..., issues.IssueRow]


class Received(msgspec.Struct, frozen=True):
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class Inbox:
    """A web server that notes what it is told, and answers as `answers` says: per path a list of (status, headers)."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, list[tuple[int, dict[str, str]]]] = {}
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                inbox.received.append(Received(self.path, headers, body))
                planned = inbox.answers.get(self.path)
                status, extra = planned.pop(0) if planned else (200, {})
                self.send_response(status)
                for name, value in {"Content-Length": "0", **extra}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def told(self, path: str) -> list[dict]:
        return [one.json for one in self.received if one.path == path]

    def paths(self) -> list[str]:
        return sorted(one.path for one in self.received)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    yield server
    server.stop()


@pytest.fixture
def client() -> Iterator[OutgoingClient]:
    """A client that may reach this machine."""
    opened = OutgoingClient(LOOPBACK)
    yield opened
    opened.close()


class Stage:
    """Alerts and Notifier as a worker wires them."""

    def __init__(
        self, database: Database, client: OutgoingClient, environment: Mapping[str, str], clock: VirtualClock
    ) -> None:
        self.database, self.clock = database, clock
        self.alerts = Alerts(database, DEFAULT_RULES, environment, "https://errors.example.org")
        self.notifier = Notifier(
            database, open_channels(DEFAULT_RULES, environment, client), fallbacks=DEFAULT_RULES.fallbacks(environment)
        )

    def step(self, seconds: float = 0) -> None:
        """Let time pass, judge, and deliver what is due."""
        self.clock.advance(seconds)
        self.alerts.step(self.clock)
        self.notifier.step(self.clock)
        self.notifier.settle()

    def happened(self, kind: ChangeKind = ChangeKind.NEW, **detail: object) -> None:
        """Digest found a change of issue 1."""
        now_us = self.clock.now_us()
        fields = {"title": "ValueError: number 1", "environment": "production", "received_us": now_us, **detail}
        with self.database.write() as tx:
            changes.add(tx, [changes.NewChange(1, ISSUE_ID, kind, now_us, ChangeDetail(**fields))])

    def wish(self, status: str) -> None:
        with self.database.write() as tx:
            issues.set_status(tx, 1, [ISSUE_ID], Wish(status), now_us=self.clock.now_us(), actor="owner@example.org")

    def reported(self, failures: int, *, since_success_s: float | None = None, instance: str = "ab") -> None:
        """A process of the app told of its latest failures, and when it succeeded last."""
        since_ms = None if since_success_s is None else round(since_success_s * 1000)
        counts = RequestCounts(
            version=1,
            instance=Instance(instance * 16),
            buckets=[],
            since_request_ms=10,
            since_success_ms=since_ms,
            failures_ms=[10 * number for number in range(failures, 0, -1)],
            failure_count=failures,
        )
        with self.database.write() as tx:
            requests.add(tx, [requests.Report(1, self.clock.now_us(), "production", "1.0", counts)])

    def incidents(self) -> list[Incident]:
        with self.database.read() as tx:
            return incidents.recent(tx, 50)

    def ledger(self) -> list[notifications.Delivery]:
        with self.database.read() as tx:
            return notifications.ledger(tx, 50)

    def close(self) -> None:
        self.notifier.close()


@pytest.fixture
def start_stage(
    database: Database,
    project: object,
    issue_row: IssueBuilder,
    client: OutgoingClient,
    inbox: Inbox,
    clock: VirtualClock,
) -> Iterator[Callable[..., Stage]]:
    """Wire a stage whose named channels are configured."""
    with database.write() as tx:
        issues.insert(tx, [issue_row(1)])
    settings = {
        "slack": {"UKEMI_SLACK_URL": f"{inbox.url}/slack"},
        "pagerduty": {"UKEMI_PAGERDUTY_ROUTING_KEY": "R" * 32, "UKEMI_PAGERDUTY_URL": f"{inbox.url}/pagerduty"},
        "webhook": {"UKEMI_WEBHOOK_URL": f"{inbox.url}/webhook", "UKEMI_WEBHOOK_SECRET": SECRET},
    }
    started: list[Stage] = []

    def start(*channels: str, **more: str) -> Stage:
        environment = {name: value for channel in channels for name, value in settings[channel].items()} | more
        started.append(Stage(database, client, environment, clock))
        return started[-1]

    yield start
    for stage in started:
        stage.close()


@pytest.fixture
def stage(start_stage: Callable[..., Stage]) -> Stage:
    return start_stage("slack", "pagerduty", "webhook")


# --- the rules that ship with ukemi -----------------------------------------------------------------------------------


def test_a_new_error_type_is_told_once_and_so_is_its_end(stage: Stage, inbox: Inbox) -> None:
    """It is a warning, which goes to Slack alone; the end comes when a person resolves the issue."""
    stage.happened()
    stage.step()
    stage.step(60)
    assert inbox.paths() == ["/slack"]
    assert [(one.rule, one.closed_us) for one in stage.incidents()] == [("new error type", None)]
    stage.wish("resolved")
    stage.step(1)
    stage.step(60)
    opened, closed = inbox.told("/slack")
    assert "warning: SHOP-1: ValueError: number 1" in opened["text"]
    assert "resolved: SHOP-1: ValueError: number 1" in closed["text"]
    assert [one.closed_reason for one in stage.incidents()] == ["The issue was resolved."]
    assert {one.state for one in stage.ledger()} == {"delivered"}


def test_more_events_of_a_known_error_are_no_news(stage: Stage, inbox: Inbox) -> None:
    for _ in range(3):
        stage.happened(ChangeKind.EVENT)
        stage.step(60)
    assert stage.incidents() == []
    assert inbox.received == []


def test_a_regression_is_told(stage: Stage, inbox: Inbox) -> None:
    stage.happened(ChangeKind.REGRESSED)
    stage.step()
    (message,) = inbox.told("/slack")
    assert "A resolved issue came back" in json.dumps(message)


def test_muting_an_issue_ends_its_incidents(stage: Stage, inbox: Inbox) -> None:
    stage.happened(tags={"domain": "payment"})
    stage.step()
    stage.wish("muted")
    stage.step(1)
    assert [one.closed_reason for one in stage.incidents()] == ["The issue was muted."] * 2
    assert inbox.paths() == sorted(2 * ["/pagerduty", "/slack", "/slack", "/webhook"])


def test_an_incident_of_an_error_closes_after_half_an_hour_of_quiet(stage: Stage) -> None:
    stage.happened()
    stage.step()
    stage.step(1799)
    assert [one.closed_us for one in stage.incidents()] == [None]
    stage.step(1)
    assert [one.closed_us for one in stage.incidents()] == [stage.clock.now_us()]


def test_an_error_on_a_critical_path_is_told_to_every_channel_once(stage: Stage, inbox: Inbox) -> None:
    """Every event counts there, not only the first; while the incident is open, none is told again."""
    for _ in range(3):
        stage.happened(ChangeKind.EVENT, tags={"domain": "payment"})
        stage.step(5)
    assert inbox.paths() == ["/pagerduty", "/slack", "/webhook"]
    stage.step(1800)
    stage.step(5)  # the end of a quiet is judged with each tick of ten seconds
    assert inbox.paths() == sorted(2 * ["/pagerduty", "/slack", "/webhook"])
    (one,) = stage.incidents()
    assert (one.rule, one.severity, one.closed_us) == ("critical path", "critical", stage.clock.now_us())


def test_a_new_error_on_a_critical_path_opens_an_incident_of_each_rule(stage: Stage, inbox: Inbox) -> None:
    stage.happened(tags={"domain": "auth"})
    stage.step()
    assert sorted(one.rule for one in stage.incidents()) == ["critical path", "new error type"]
    assert inbox.paths() == ["/pagerduty", "/slack", "/slack", "/webhook"]


@pytest.mark.parametrize(
    "detail",
    [
        {"key_kind": "browser", "tags": {"domain": "payment"}},
        {"level": "warning", "tags": {"domain": "payment"}},
        {"tags": {"domain": "search"}},
    ],
    ids=["a browser's word", "a warning", "another domain"],
)
def test_nobody_is_paged_without_need(stage: Stage, inbox: Inbox, detail: dict) -> None:
    """A browser key is public: whoever reads it in a page must not be able to wake anybody."""
    stage.happened(**detail)
    stage.step()
    assert [one.severity for one in stage.incidents()] == ["warning"]
    assert inbox.paths() == ["/slack"]


def test_ten_failures_in_a_row_are_downtime_and_a_success_ends_it(stage: Stage, inbox: Inbox) -> None:
    stage.reported(9)
    stage.step(0.5)
    assert stage.incidents() == []
    stage.reported(10)
    stage.step(0.5)
    stage.reported(20)
    stage.step(1)
    assert inbox.paths() == ["/pagerduty", "/slack", "/webhook"]
    assert "10 requests in a row failed" in inbox.told("/webhook")[0]["data"]["because"]
    stage.reported(0, since_success_s=0.01)
    stage.step(1)
    assert inbox.paths() == sorted(2 * ["/pagerduty", "/slack", "/webhook"])
    (one,) = stage.incidents()
    assert (one.rule, one.title, one.closed_reason) == (
        "API downtime",
        "API downtime in production",
        "A request succeeded.",
    )


def test_failures_are_looked_at_when_they_are_told_and_not_at_the_next_look(stage: Stage, inbox: Inbox) -> None:
    stage.reported(9)
    stage.step()
    stage.clock.advance(0.1)
    stage.reported(10)
    stage.step()
    assert inbox.paths() == ["/pagerduty", "/slack", "/webhook"]


def test_a_success_of_any_process_ends_the_run(stage: Stage) -> None:
    """Nine workers may be sick; while one answers, the service is up."""
    stage.reported(10, instance="ab")
    stage.reported(0, since_success_s=0, instance="cd")
    stage.step(0.5)
    assert stage.incidents() == []


def test_failures_of_several_processes_add_up(stage: Stage) -> None:
    stage.reported(5, instance="ab")
    stage.reported(5, instance="cd")
    stage.step(0.5)
    assert [one.rule for one in stage.incidents()] == ["API downtime"]


def test_silence_after_traffic_is_downtime_until_a_process_reports_again(stage: Stage, inbox: Inbox) -> None:
    stage.step()  # it has been listening since
    stage.reported(0, since_success_s=0.01)
    stage.step(29)
    assert stage.incidents() == []
    stage.step(1)
    assert [one.closed_us for one in stage.incidents()] == [None]
    assert "No process has reported" in inbox.told("/webhook")[0]["data"]["because"]
    stage.reported(0, since_success_s=40)
    stage.step(1)
    (one,) = stage.incidents()
    assert (one.closed_us, one.closed_reason) == (stage.clock.now_us(), "The service reports again.")


def test_a_silence_that_was_told_goes_on_when_the_collector_starts_anew(
    stage: Stage, start_stage: Callable[..., Stage], inbox: Inbox
) -> None:
    """Nothing was heard in between, so there is nothing to tell."""
    stage.step()
    stage.reported(0, since_success_s=0.01)
    stage.step(30)
    restarted = start_stage("slack", "pagerduty", "webhook")
    restarted.step(1)
    restarted.step(60)
    assert [one.closed_us for one in restarted.incidents()] == [None]
    assert inbox.paths() == ["/pagerduty", "/slack", "/webhook"]


def test_a_collector_that_was_down_itself_blames_nobody_for_silence(
    stage: Stage, start_stage: Callable[..., Stage]
) -> None:
    stage.reported(0, since_success_s=0.01)
    stage.clock.advance(3600)
    restarted = start_stage("slack")
    restarted.step()
    assert restarted.incidents() == []


def test_a_restart_opens_and_tells_nothing_twice(stage: Stage, start_stage: Callable[..., Stage], inbox: Inbox) -> None:
    """All that alerts knows stands in the database."""
    stage.happened(tags={"domain": "payment"})
    stage.reported(10)
    stage.step(0.5)
    told = inbox.paths()
    restarted = start_stage("slack", "pagerduty", "webhook")
    restarted.happened(ChangeKind.EVENT, tags={"domain": "payment"})
    restarted.step(1)
    assert inbox.paths() == told
    assert len(restarted.incidents()) == 3


def test_two_workers_open_one_incident(stage: Stage, start_stage: Callable[..., Stage], inbox: Inbox) -> None:
    """A change goes to one of them, and the other finds the incident that is open."""
    other = start_stage("slack", "pagerduty", "webhook")
    stage.happened()
    stage.reported(10)
    stage.step(0.5)
    other.step()
    assert sorted(one.rule for one in stage.incidents()) == ["API downtime", "new error type"]
    assert inbox.paths() == ["/pagerduty", "/slack", "/slack", "/webhook"]


def test_without_any_channel_the_incident_stands_all_the_same(start_stage: Callable[..., Stage]) -> None:
    stage = start_stage()
    stage.happened(tags={"domain": "payment"})
    stage.step()
    assert len(stage.incidents()) == 2
    assert stage.ledger() == []
    stage.wish("resolved")
    stage.step(1)
    assert all(one.closed_us for one in stage.incidents())


def test_an_incident_says_where_its_delay_began(stage: Stage) -> None:
    """With the receipt of the event, however long it waited for digest."""
    received_us = stage.clock.now_us() - 3 * SECOND_US
    stage.happened(received_us=received_us)
    stage.step(1)
    (one,), (delivery,) = stage.incidents(), stage.ledger()
    assert one.cause_us == received_us
    assert delivery.delay_us == 4 * SECOND_US


# --- delivery ---------------------------------------------------------------------------------------------------------


def test_a_channel_that_asks_for_patience_gets_it(start_stage: Callable[..., Stage], inbox: Inbox) -> None:
    stage = start_stage("slack")
    inbox.answers["/slack"] = [(429, {"Retry-After": "120"})]
    stage.happened()
    stage.step()
    stage.step(119)
    assert len(inbox.received) == 1
    stage.step(1)
    assert len(inbox.received) == 2
    assert [(one.state, one.attempts) for one in stage.ledger()] == [("delivered", 2)]


def test_an_error_of_the_channel_is_tried_again_and_keeps_the_order(
    start_stage: Callable[..., Stage], inbox: Inbox
) -> None:
    """Meanwhile the issue is resolved: "closed" waits until "opened" is through."""
    stage = start_stage("webhook", "slack")
    inbox.answers["/slack"] = [(500, {}), (503, {})]
    stage.happened()
    stage.step()
    stage.wish("resolved")
    stage.step(0.5)
    assert [one.state for one in stage.ledger()] == ["queued", "queued"]
    for _ in range(3):
        stage.step(10)
    assert ["resolved" in message["text"] for message in inbox.told("/slack")] == [False, False, False, True]
    assert inbox.told("/webhook") == []
    assert {one.state for one in stage.ledger()} == {"delivered"}


def test_a_channel_that_cannot_be_reached_is_tried_again(start_stage: Callable[..., Stage], inbox: Inbox) -> None:
    stage = start_stage("slack")
    stage.happened()
    inbox.stop()
    stage.step()
    (one,) = stage.ledger()
    assert (one.state, one.attempts) == ("queued", 1)
    assert one.last_error == "The channel could not be reached: ConnectError."


def test_what_a_channel_refuses_for_good_goes_to_another(stage: Stage, inbox: Inbox) -> None:
    """Its URL may have been revoked; somebody must hear of the incident, and later of its end."""
    inbox.answers["/slack"] = [(404, {}), (404, {})]
    stage.happened()
    stage.step()
    stage.step(1)
    assert inbox.paths() == ["/slack", "/webhook"]
    assert sorted((one.channel, one.state, one.stands_in_for) for one in stage.ledger()) == [
        ("slack", "failed", ""),
        ("webhook", "delivered", "slack"),
    ]
    stage.wish("resolved")
    stage.step(1)
    stage.step(1)
    assert [told["type"] for told in inbox.told("/webhook")] == ["incident.opened", "incident.closed"]


def test_a_channel_that_keeps_failing_for_two_minutes_is_not_waited_for(
    start_stage: Callable[..., Stage], inbox: Inbox
) -> None:
    """Another one is told, while trying goes on: for the channel may come back, and is told then, too."""
    stage = start_stage("slack", "webhook")
    inbox.answers["/slack"] = [(500, {})] * 7
    stage.happened()
    for _ in range(11):
        stage.step(10)
    assert inbox.told("/webhook") == []
    for _ in range(3):
        stage.step(10)
    assert [told["type"] for told in inbox.told("/webhook")] == ["incident.opened"]
    for _ in range(100):
        stage.step(10)
    assert [(one.channel, one.state) for one in stage.ledger()] == [("webhook", "delivered"), ("slack", "delivered")]


def test_a_notification_is_given_up_after_a_day(start_stage: Callable[..., Stage], inbox: Inbox) -> None:
    stage = start_stage("slack")
    inbox.answers["/slack"] = [(500, {})] * 100
    stage.happened()
    stage.step()
    stage.step(23 * 3600)
    assert [one.state for one in stage.ledger()] == ["queued", "queued"]  # the incident has closed in quiet meanwhile
    stage.step(3601)
    assert [one.state for one in stage.ledger()] == ["queued", "failed"]


def test_a_channel_that_is_no_longer_configured_hands_over(start_stage: Callable[..., Stage], inbox: Inbox) -> None:
    before = start_stage("slack")
    before.happened()
    before.alerts.step(before.clock)
    after = start_stage("webhook")
    after.step(1)
    after.step(1)
    assert inbox.paths() == ["/webhook"]
    assert {(one.channel, one.state) for one in after.ledger()} == {("slack", "failed"), ("webhook", "delivered")}


def test_no_url_and_no_key_stands_in_the_ledger(stage: Stage, inbox: Inbox) -> None:
    for path in ("/slack", "/pagerduty", "/webhook"):
        inbox.answers[path] = [(403, {})] * 5
    stage.happened(tags={"domain": "payment"})
    for _ in range(3):
        stage.step(1)
    text = repr(stage.ledger())
    assert "failed" in text
    assert [secret for secret in (inbox.url, "R" * 32, SECRET) if secret in text] == []


# --- what the channels are told ---------------------------------------------------------------------------------------


def test_a_webhooks_signature_verifies_and_its_id_stays_on_every_try(stage: Stage, inbox: Inbox) -> None:
    """By the library that receivers use, which compares the time stamp with the real clock."""
    stage.clock = VirtualClock(SystemClock().now_us())
    inbox.answers["/webhook"] = [(500, {})]
    stage.reported(10)
    stage.step(1)
    stage.step(10)
    first, second = [one for one in inbox.received if one.path == "/webhook"]
    assert Webhook(SECRET).verify(first.body, first.headers)["type"] == "incident.opened"
    assert Webhook(SECRET).verify(second.body, second.headers) == first.json
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(first.body.replace(b"critical", b"harmless"), first.headers)


def test_pagerduty_knows_an_incident_by_its_id(stage: Stage, inbox: Inbox) -> None:
    """So a second delivery changes nothing, and the end resolves what the beginning triggered."""
    stage.reported(10)
    stage.step(0.5)
    stage.reported(0, since_success_s=0)
    stage.step(0.5)
    (incident,) = stage.incidents()
    trigger, resolve = inbox.told("/pagerduty")
    assert trigger["dedup_key"] == resolve["dedup_key"] == incident.id
    assert [trigger["event_action"], resolve["event_action"]] == ["trigger", "resolve"]
    assert trigger["payload"]["severity"] == "critical"
    assert trigger["payload"]["summary"] == "API downtime in production"
    assert {event["routing_key"] for event in (trigger, resolve)} == {"R" * 32}


def test_a_routing_key_can_be_replaced_while_an_incident_is_open(
    start_stage: Callable[..., Stage], inbox: Inbox
) -> None:
    """What began with the old key ends with it, as long as both are set."""
    before = start_stage("pagerduty")
    before.reported(10)
    before.step(0.5)
    after = start_stage("pagerduty", UKEMI_PAGERDUTY_ROUTING_KEY=f"{'S' * 32}, {'R' * 32}")
    after.reported(0, since_success_s=0)
    after.step(0.5)
    after.reported(10)
    after.step(0.5)
    told = [(event["event_action"], event["routing_key"]) for event in inbox.told("/pagerduty")]
    assert told == [("trigger", "R" * 32), ("resolve", "R" * 32), ("trigger", "S" * 32)]


def test_when_the_key_that_an_incident_began_with_is_gone_the_ledger_says_so(
    start_stage: Callable[..., Stage], inbox: Inbox
) -> None:
    before = start_stage("pagerduty")
    before.reported(10)
    before.step(0.5)
    after = start_stage("pagerduty", UKEMI_PAGERDUTY_ROUTING_KEY="S" * 32)
    after.reported(0, since_success_s=0)
    after.step(0.5)
    assert [event["routing_key"] for event in inbox.told("/pagerduty")] == ["R" * 32, "S" * 32]
    assert "in PagerDuty by hand" in after.ledger()[0].answer


def test_no_routing_key_stands_in_the_database(stage: Stage, inbox: Inbox, database: Database) -> None:
    stage.reported(10)
    stage.step(0.5)
    with database.read() as tx:
        texts = [repr(row) for table in schema.metadata.tables.values() for row in tx.execute(table.select())]
    assert inbox.told("/pagerduty")
    assert not any("R" * 32 in text for text in texts)


def test_what_a_stranger_wrote_is_plain_text_in_slack(
    database: Database, project: object, issue_row: IssueBuilder, stage: Stage, inbox: Inbox
) -> None:
    hostile = "<!channel> <@U024BE7LH> <https://evil.example|Sign in> *bold* `code` & @here"
    row = issue_row(2, title=f"ValueError: {hostile}", culprit=hostile)
    with database.write() as tx:
        issues.insert(tx, [row])
        changes.add(tx, [changes.NewChange(1, row.id, ChangeKind.NEW, stage.clock.now_us(), ChangeDetail())])
    stage.step()
    (message,) = inbox.told("/slack")
    markup = [message["text"], message["blocks"][1]["text"]["text"], message["blocks"][2]["elements"][0]["text"]]
    assert all(block["text"]["type"] == "plain_text" for block in message["blocks"] if block["type"] == "header")
    for text in markup:
        own = rf"<https://errors\.example\.org/projects/1/(issues/{row.id}|incidents/[0-9a-f]+)\|[A-Za-z ]+>"
        assert "<" not in re.sub(own, "", text)
        assert "@here" not in text
        assert "*bold*" not in text
        assert "`code`" not in text
    assert "&lt;!channel&gt;" in markup[0]


def test_the_link_leads_to_the_issue(stage: Stage, inbox: Inbox) -> None:
    stage.happened(tags={"domain": "payment"})
    stage.step()
    (told,) = inbox.told("/webhook")
    assert told["data"]["link"] == f"https://errors.example.org/projects/1/issues/{ISSUE_ID}"


# --- the client for outgoing requests ---------------------------------------------------------------------------------


@pytest.fixture
def strict_client() -> Iterator[OutgoingClient]:
    opened = OutgoingClient()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
        "224.0.0.1",
    ],
)
def test_a_private_address_is_refused(strict_client: OutgoingClient, inbox: Inbox, now_us: int, host: str) -> None:
    """Whoever may type a channel's URL must not thereby reach what only this machine can reach."""
    port = inbox.url.rpartition(":")[2]
    with pytest.raises(Undeliverable) as refusal:
        strict_client.post(f"http://{host}:{port}/x", b"{}", {}, now_us=now_us)
    assert not refusal.value.retry
    assert inbox.received == []


def test_a_private_network_is_reached_when_it_is_allowed(client: OutgoingClient, inbox: Inbox, now_us: int) -> None:
    client.post(f"{inbox.url}/x?y=1", b"{}", {"X-Own": "1"}, now_us=now_us)
    (one,) = inbox.received
    assert (one.path, one.headers["x-own"], one.headers["host"]) == ("/x?y=1", "1", inbox.url.removeprefix("http://"))


def test_the_cloud_providers_metadata_stay_out_of_reach_of_another_allowance(
    client: OutgoingClient, now_us: int
) -> None:
    with pytest.raises(Undeliverable, match="private"):
        client.post("http://169.254.169.254/latest", b"{}", {}, now_us=now_us)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: OutgoingClient, inbox: Inbox, now_us: int, status: int) -> None:
    """What was checked is what is reached."""
    inbox.answers["/x"] = [(status, {"Location": f"{inbox.url}/elsewhere"})]
    with pytest.raises(Undeliverable, match="redirect") as refusal:
        client.post(f"{inbox.url}/x", b"{}", {}, now_us=now_us)
    assert not refusal.value.retry
    assert inbox.paths() == ["/x"]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/x", "http:///x", "no url", "http://[", "http://h:x/"]
)
def test_an_unusable_url_is_refused_without_repeating_it(strict_client: OutgoingClient, now_us: int, url: str) -> None:
    with pytest.raises(Undeliverable) as refusal:
        strict_client.post(url, b"{}", {}, now_us=now_us)
    assert not refusal.value.retry
    assert url not in str(refusal.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("1e9", 3600.0),
        ("-5", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(
    client: OutgoingClient, inbox: Inbox, now_us: int, header: str, seconds: float | None
) -> None:
    inbox.answers["/x"] = [(503, {"Retry-After": header})]
    with pytest.raises(Undeliverable) as refusal:
        client.post(f"{inbox.url}/x", b"{}", {}, now_us=now_us)
    assert (refusal.value.retry, refusal.value.retry_after_s) == (True, seconds)


# --- the rules file ---------------------------------------------------------------------------------------------------

GOOD = rules_file.write(DEFAULT_RULES)
RULE = '[[rule]]\nname = "{}"\nseverity = "warning"\n[rule.when]\nkind = "event"\nchanges = ["new"]\n'
HEAD = 'version = 1\n[severities]\nwarning = ["slack"]\n[channels.slack]\nkind = "slack"\nurl_env = "U"\n'


def test_rules_that_are_written_are_read_back() -> None:
    assert rules_file.parse(GOOD) == DEFAULT_RULES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + RULE.format("a") + "quiet = 3\n", r"unknown field `quiet`.*\$\.rule\[0\]\.when"),
        ("colour = 1\n" + HEAD, "unknown field `colour`"),
        (HEAD.replace('url_env = "U"', 'url_env = "U"\nurl = "x"'), r"unknown field `url`.*\$\.channels"),
        (HEAD + RULE.format("a") + RULE.format("a"), "Two rules are called 'a'"),
        (
            HEAD.replace('["slack"]', '["slack", "pager"]') + RULE.format("a"),
            r"Severity 'warning' names the channel 'pager'.*\[channels.pager\]",
        ),
        (HEAD + RULE.format("a").replace("warning", "critical"), "Rule 'a' has severity 'critical'"),
        (HEAD + RULE.format("a").replace("warning", "loud"), r"loud.*\$\.rule\[0\]\.severity"),
        (HEAD + RULE.format("a").replace('"new"', '"never"'), r"never.*\$\.rule\[0\]\.when\.changes\[0\]"),
        (HEAD + RULE.format("a") + "quiet_s = 0\n", r"> 0\.0.*\$\.rule\[0\]\.when\.quiet_s"),
        (HEAD.replace('kind = "slack"', 'kind = "fax"'), r"fax.*\$\.channels"),
        (HEAD.replace("version = 1", "version = 2"), r"2.*\$\.version"),
        (HEAD + "[[rule]\n", "It is not TOML"),
        ("", r"missing required field `version`"),
    ],
)
def test_a_mistake_in_the_rules_file_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(RulesError, match=says):
        rules_file.parse(text)


def test_a_rules_file_that_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"none\.toml cannot be read.*UKEMI_RULES_FILE"):
        rules_file.load(tmp_path / "none.toml")
    (tmp_path / "wrong.toml").write_text("version = 3\n")
    with pytest.raises(RulesError, match=r"wrong\.toml is wrong"):
        rules_file.load(tmp_path / "wrong.toml")


def test_it_is_known_when_nobody_would_be_told() -> None:
    """The command says so at the start, before the first incident does."""
    assert DEFAULT_RULES.is_nobody_told({})
    assert DEFAULT_RULES.untold({"UKEMI_SLACK_URL": "https://host/"}) == []
    assert DEFAULT_RULES.untold({"UKEMI_PAGERDUTY_ROUTING_KEY": "x"}) == ["warning", "high"]
    assert DEFAULT_RULES.is_nobody_told({"UKEMI_WEBHOOK_URL": "https://host/"})
    assert not DEFAULT_RULES.is_nobody_told({"UKEMI_SLACK_URL": "https://host/"})
