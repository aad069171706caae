"""What follows from a verdict, on both databases: who is told of it, who is not and why, and what people do about it."""

import threading
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pytest
import sqlalchemy as sa

from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.incidents import DIGEST_AFTER_US, Incidents
from ukemi.collector.core.change import ChangeDetail
from ukemi.collector.core.clock import SECOND_US, VirtualClock
from ukemi.collector.core.evaluate import Explanation, State, Verdict
from ukemi.collector.core.judge import Instance, Judgement
from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.core.rule import EventCondition, FailureRunCondition, RatioCondition, Rule, Step, aftermath_s
from ukemi.collector.core.silence import Silence
from ukemi.collector.core.suppression import BURST
from ukemi.collector.notify.channels.base import Telling
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.notify.worker import Notifier
from ukemi.collector.store import incidents, issues, notifications, rollups, rule_states, silences
from ukemi.collector.store.database import Database
from ukemi.collector.store.incidents import Incident

NEW_ERROR = Rule("new error type", "warning", EventCondition(changes=[]))
DOWN = Rule("API downtime", "critical", FailureRunCondition())
RATE = Rule(
    "high error rate",
    "high",
    RatioCondition(above=0.05),
    steps=[Step("urgent error rate", "critical", above=0.10)],
    cooldown_s=300,
    repeat_s=3600,
)
ONCE = msgspec.structs.replace(RATE, repeat_s=0)
FILE = """
version = 1
rule = []
fallback = ["chat", "pager"]
[severities]
warning = ["chat"]
high = ["chat"]
critical = ["chat", "pager"]
[channels.chat]
kind = "slack"
url_env = "CHAT"
[channels.pager]
kind = "pagerduty"
routing_key_env = "PAGER"
"""
BOTH = {"CHAT": "https://host/", "PAGER": "R" * 32}


class Recorder:
    """A channel that notes what it is told, and fails as often as it is asked to."""

    def __init__(self, key_id: str = "") -> None:
        self.key_id = key_id
        self.told: list[Telling] = []
        self.failures: list[Undeliverable] = []
        self.gate = threading.Event()
        self.gate.set()

    def send(self, telling: Telling, now_us: int) -> str:
        assert self.gate.wait(30)
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(telling)
        return "200"

    @property
    def contents(self) -> list[Content]:
        return [one.content for one in self.told]

    @property
    def reasons(self) -> list[str]:
        return [one.content.reason.value for one in self.told]


class Desk:
    """Incidents and notifier over one database, and two channels that note what they are told."""

    def __init__(self, database: Database, clock: VirtualClock, per_hour: Mapping[str, int]) -> None:
        self.database, self.clock = database, clock
        self.file = rules_file.parse(FILE)
        self.incidents = Incidents(self.file, BOTH, "https://errors.example.org")
        self.chat, self.pager = Recorder(), Recorder("first")
        self.notifier = Notifier(
            database, {"chat": self.chat, "pager": self.pager}, fallbacks=["chat", "pager"], per_hour=per_hour
        )

    def judge(
        self,
        rule: Rule,
        transition: str,
        *several: Mapping[str, str],
        tier: int = 0,
        detail: ChangeDetail | None = None,
    ) -> None:
        """A verdict came out so, for each of several labels; all in one transaction, as a batch is."""
        now_us = self.clock.now_us()
        state = State("ok" if transition == "closed" else "firing", now_us, now_us, tier)
        verdict = Verdict(state, transition, Explanation(f"{rule.name} {transition}"), now_us)
        judgements = [
            Judgement(
                rule,
                Instance(1, rule.name, tuple(sorted(labels.items()))),
                State(),
                verdict,
                environment=labels.get("environment", "production"),
                detail=detail,
            )
            for labels in several or [{"environment": "production"}]
        ]
        with self.database.write() as tx:
            self.incidents.follow(tx, judgements, now_us)

    def step(self, seconds: float = 0) -> None:
        """Let time pass, do what is due, and deliver."""
        self.clock.advance(seconds)
        with self.database.write() as tx:
            self.incidents.tick(tx, self.clock.now_us())
        while self.notifier.step(self.clock):
            self.notifier.settle()

    def all(self) -> list[Incident]:
        with self.database.read() as tx:
            return incidents.recent(tx, 1000)

    def only(self) -> Incident:
        (one,) = self.all()
        return one

    def story(self, incident: Incident) -> list[tuple[str, str]]:
        with self.database.read() as tx:
            return [(one.kind.value, one.reason) for one in incidents.changes(tx, 1, incident.id)]

    def act(self, action: Callable[..., None]) -> None:
        incident = self.only()
        with self.database.write() as tx:
            action(tx, incident, self.clock.now_us(), actor="ann@example.org")

    def silence(self, seconds: float, **matchers: str) -> str:
        now_us = self.clock.now_us()
        one = Silence(
            "s1",
            "silence",
            matchers,
            now_us,
            now_us + round(seconds * SECOND_US),
            False,
            "UTC",
            "ann",
            "we know",
            now_us,
        )
        with self.database.write() as tx:
            silences.add(tx, one)
        return one.id


@pytest.fixture
def open_desk(database: Database, project: object, clock: VirtualClock) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def open_(**per_hour: int) -> Desk:
        opened.append(Desk(database, clock, per_hour))
        return opened[-1]

    yield open_
    for desk in opened:
        for channel in (desk.chat, desk.pager):
            channel.gate.set()
        desk.notifier.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


def new_issues(desk: Desk, issue_row: Callable[..., issues.IssueRow], count: int, release: str = "shop@2") -> None:
    """So many issues appear at once, each with more events than the one before."""
    now_us = desk.clock.now_us()
    with desk.database.write() as tx:
        rows = [
            issue_row(number, first_seen_us=now_us, event_count=number, first_release=release)
            for number in range(1, count + 1)
        ]
        issues.insert(tx, rows)
    labels = [{"issue": row.id} for row in rows]
    desk.judge(NEW_ERROR, "opened", *labels, detail=ChangeDetail(release=release))


# --- what people do ---------------------------------------------------------------------------------------------------


def test_who_takes_an_incident_on_is_named_and_it_is_not_repeated(desk: Desk) -> None:
    desk.judge(RATE, "opened")
    desk.step()
    desk.step(3600)
    desk.act(incidents.acknowledge)
    desk.step(1)
    desk.step(7200)
    assert desk.chat.reasons == ["opened", "still_open", "acknowledged"]
    assert desk.chat.contents[-1].actor == "ann@example.org"
    desk.judge(RATE, "closed")
    desk.step()
    assert desk.chat.reasons[-1] == "closed"


def test_who_resolves_lets_the_rule_start_anew_and_who_reopens_is_told_of(desk: Desk) -> None:
    desk.judge(DOWN, "opened")
    desk.step()
    desk.act(incidents.resolve)
    desk.step(1)
    with desk.database.read() as tx:
        assert rule_states.all_instances(tx, 10) == []
    desk.act(incidents.reopen)
    desk.step(1)
    assert desk.pager.reasons == ["opened", "closed", "reopened"]
    assert desk.only().closed_us is None
    assert [kind for kind, _ in desk.story(desk.only())] == ["opened", "closed", "reopened"]


def test_an_incident_that_gets_worse_is_upgraded_and_reaches_those_of_its_severity(desk: Desk) -> None:
    desk.judge(RATE, "opened")
    desk.step()
    desk.judge(RATE, "upgraded", tier=1)
    desk.step(1)
    assert desk.chat.reasons == ["opened", "upgraded"]
    assert [(one.reason, one.severity) for one in desk.pager.contents] == [(Reason.OPENED, "critical")]
    assert {one.content.incident_id for one in [*desk.chat.told, *desk.pager.told]} == {desk.only().id}


# --- what keeps people from being told --------------------------------------------------------------------------------


def test_what_is_silenced_is_told_when_the_silence_ends_and_it_is_still_open(desk: Desk) -> None:
    desk.silence(600, rule="high error rate", environment="production")
    desk.judge(RATE, "opened")
    desk.judge(DOWN, "opened", {"environment": "staging"})
    desk.step()
    assert [one.rule for one in desk.chat.contents] == ["API downtime"]
    rate = next(one for one in desk.all() if one.rule == RATE.name)
    assert (rate.held, rate.held_by) == ("silenced", "s1")
    for _ in range(59):
        desk.step(10)
    assert len(desk.chat.told) == 1
    desk.step(20)
    assert [(one.rule, one.reason) for one in desk.chat.contents[1:]] == [("high error rate", Reason.OPENED)]
    assert desk.story(rate) == [("opened", ""), ("suppressed", "silenced"), ("released", "silenced")]


def test_what_opened_and_ended_in_silence_is_told_to_nobody(desk: Desk) -> None:
    desk.silence(600, rule="high error rate")
    desk.judge(RATE, "opened")
    desk.step(5)
    desk.judge(RATE, "closed")
    desk.step(1000)
    assert desk.chat.told == []
    assert desk.only().held == ""


def test_a_silence_that_somebody_ends_is_over_at_once(desk: Desk) -> None:
    silence_id = desk.silence(600, rule="high error rate")
    desk.judge(RATE, "opened")
    desk.step()
    with desk.database.write() as tx:
        silences.end(tx, silence_id, desk.clock.now_us(), actor="bob")
    desk.step(2)
    assert desk.chat.reasons == ["opened"]


def test_an_outage_keeps_back_what_it_causes_and_names_the_new_issue_that_caused_it(
    desk: Desk, issue_row: Callable[..., issues.IssueRow]
) -> None:
    now_us = desk.clock.now_us()
    cause = issue_row(7, first_seen_us=now_us, title="OperationalError: no connection")
    old = issue_row(8, first_seen_us=now_us - 86_400 * SECOND_US)
    with desk.database.write() as tx:
        issues.insert(tx, [cause, old])
        rollups.add(tx, {(1, cause.id, "production", "", now_us): 30, (1, old.id, "production", "", now_us): 90})
    desk.judge(DOWN, "opened")
    desk.judge(RATE, "opened")
    desk.step(5)
    assert [one.rule for one in desk.chat.contents] == ["API downtime"]
    assert desk.pager.contents[0].cause.text == "SHOP-7: OperationalError: no connection"
    down, rate = (next(one for one in desk.all() if one.rule == rule.name) for rule in (DOWN, RATE))
    assert (down.cause_issue_id, rate.held, rate.held_by) == (cause.id, "inhibited", down.id)
    desk.judge(DOWN, "closed")
    desk.step(aftermath_s(RATE) - 10)
    assert desk.chat.reasons == ["opened", "closed"]
    desk.step(20)
    assert [(one.rule, one.reason) for one in desk.chat.contents[2:]] == [("high error rate", Reason.OPENED)]


def test_a_rate_names_the_new_issue_as_its_cause_else_the_one_with_most_errors(
    desk: Desk, issue_row: Callable[..., issues.IssueRow]
) -> None:
    now_us = desk.clock.now_us()
    rare, frequent = (issue_row(n, first_seen_us=now_us - 86_400 * SECOND_US, title=f"Old {n}") for n in (7, 8))
    noise = issue_row(9, first_seen_us=now_us, level="warning")
    with desk.database.write() as tx:
        issues.insert(tx, [rare, frequent, noise])
        counts = {rare: 10, frequent: 50, noise: 99}
        rollups.add(tx, {(1, one.id, "production", "", now_us): count for one, count in counts.items()})
    desk.judge(RATE, "opened")
    assert desk.only().cause_issue_id == frequent.id
    desk.step(5)
    assert desk.chat.contents[0].cause.text == "SHOP-8: Old 8"
    desk.judge(RATE, "closed")
    new = issue_row(10, first_seen_us=now_us)
    with desk.database.write() as tx:
        issues.insert(tx, [new])
        rollups.add(tx, {(1, new.id, "production", "", now_us): 1})
    desk.judge(RATE, "opened")
    assert {one.cause_issue_id for one in desk.all()} == {frequent.id, new.id}


def test_a_rate_of_one_route_names_an_error_of_that_route_first(
    desk: Desk, issue_row: Callable[..., issues.IssueRow]
) -> None:
    """Else a new error elsewhere; a known one elsewhere did not break this route."""
    now_us = desk.clock.now_us()
    here = issue_row(7, first_seen_us=now_us - 86_400 * SECOND_US)
    elsewhere, known = issue_row(8, first_seen_us=now_us), issue_row(9, first_seen_us=now_us - 86_400 * SECOND_US)
    at = {here: "POST /pay", elsewhere: "GET /search", known: "GET /list"}
    with desk.database.write() as tx:
        issues.insert(tx, [*at])
        tag = {"project_id": 1, "key": "transaction", "event_count": 1, "last_seen_us": now_us}
        issues.add_tags(tx, [tag | {"issue_id": one.id, "value": route} for one, route in at.items()])
        counts = {(1, one.id, "production", "", now_us): count for one, count in zip(at, (3, 20, 90), strict=True)}
        rollups.add(tx, {**counts, (1, known.id, "staging", "", now_us): 5})
    places = [("production", "POST /pay"), ("production", "GET /other"), ("staging", "GET /other")]
    desk.judge(RATE, "opened", *({"environment": environment, "route": route} for environment, route in places))
    found = {(one.environment, rule_states.read_labels(one.labels)["route"]): one.cause_issue_id for one in desk.all()}
    assert found == dict(zip(places, (here.id, elsewhere.id, None), strict=True))


def test_a_cause_that_comes_after_the_outage_is_attached_then(
    desk: Desk, issue_row: Callable[..., issues.IssueRow]
) -> None:
    desk.judge(DOWN, "opened")
    desk.step(4)
    assert desk.only().cause_issue_id is None
    now_us = desk.clock.now_us()
    with desk.database.write() as tx:
        issues.insert(tx, [issue_row(7, first_seen_us=now_us)])
        rollups.add(tx, {(1, f"{7:016x}", "production", "", now_us): 1})
    desk.step(4)
    assert desk.only().cause_issue_id == f"{7:016x}"
    assert ("attached", "") in desk.story(desk.only())


def test_what_flaps_is_told_once_its_cooldown_is_over(desk: Desk) -> None:
    for transition in ("opened", "closed"):
        desk.judge(RATE, transition)
        desk.step(10)
    desk.judge(RATE, "opened")
    desk.step(10)
    assert desk.chat.reasons == ["opened", "closed"]
    assert [one.held for one in desk.all()] == ["cooldown", ""]
    desk.step(300)
    assert desk.chat.reasons == ["opened", "closed", "opened"]


def test_four_hundred_new_issues_in_a_minute_are_a_few_messages_and_one_digest(
    desk: Desk, issue_row: Callable[..., issues.IssueRow]
) -> None:
    new_issues(desk, issue_row, 400)
    desk.step()
    assert len(desk.chat.told) == BURST
    for _ in range(20):
        desk.step(DIGEST_AFTER_US / SECOND_US / 10)
    *_, digest = desk.chat.contents
    assert len(desk.chat.told) == BURST + 1
    assert digest.title == f"{400 - BURST} new issues in release shop@2: new error type"
    assert [line.text.split(":")[0] for line in digest.lines] == [f"SHOP-{n}" for n in (400, 399, 398, 397, 396)]
    assert all(line.link.startswith("https://errors.example.org/projects/1/issues/") for line in digest.lines)
    held = [one for one in desk.all() if one.held]
    assert {one.held for one in held} == {"digest"}
    assert {one.digest_id for one in held} == {digest.incident_id}
    assert len(held) == 400 - BURST
    for _ in range(12):
        desk.step(60)
    assert desk.chat.reasons[-1] == "closed"
    assert len(desk.chat.told) == BURST + 2


def test_a_hundred_incidents_at_once_cost_hardly_more_statements_than_one(desk: Desk) -> None:
    """What all of them need is read once, and their rows are written together."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        desk.judge(ONCE, "opened", {"environment": "production", "route": "GET /"})
        alone = len(statements)
        statements.clear()
        routes = [f"GET /{number}" for number in range(100)]
        desk.judge(ONCE, "opened", *({"environment": "production", "route": route} for route in routes))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(desk.all()) == 101
    # For each route the likely cause is looked for.
    assert len(statements) <= alone + 100, "\n".join(statements)


def test_an_end_is_told_whatever_is_suppressed(desk: Desk) -> None:
    desk.judge(RATE, "opened")
    desk.step()
    desk.silence(600, rule="high error rate")
    desk.judge(RATE, "closed")
    desk.step(1)
    assert desk.chat.reasons == ["opened", "closed"]


# --- channels ---------------------------------------------------------------------------------------------------------


def test_an_incident_keeps_the_key_that_it_was_told_with_first(desk: Desk) -> None:
    """PagerDuty drops a resolve that comes with another routing key than the trigger."""
    desk.judge(DOWN, "opened")
    desk.step()
    desk.pager.key_id = "second"
    desk.judge(DOWN, "closed")
    desk.step(1)
    assert [(one.content.reason, one.key_id) for one in desk.pager.told] == [
        (Reason.OPENED, "first"),
        (Reason.CLOSED, "first"),
    ]


def test_what_an_hourly_budget_keeps_back_comes_as_one_message_in_the_next_hour(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk(chat=3)
    for number in range(5):
        desk.judge(ONCE, "opened", {"environment": "production", "route": f"/{number}"})
        desk.step(1)
    assert desk.chat.reasons == ["opened"] * 3
    desk.step(3595)
    *_, held = desk.chat.contents
    assert (len(desk.chat.told), held.reason, len(held.lines)) == (4, Reason.HELD_BACK, 2)
    with desk.database.read() as tx:
        states = [one.state for one in notifications.ledger(tx, 50)]
    assert sorted(states) == ["delivered"] * 4 + ["digested"] * 2


def test_a_channel_that_hangs_makes_no_other_wait(desk: Desk) -> None:
    desk.chat.gate.clear()
    for number in range(20):
        desk.judge(RATE, "opened", {"environment": "production", "route": f"/{number}"})
    desk.judge(DOWN, "opened", {"environment": "staging"})
    for _ in range(20):
        desk.notifier.step(desk.clock)
        if desk.pager.told:
            break
        threading.Event().wait(0.05)
    assert desk.pager.reasons == ["opened"]
    assert desk.chat.told == []


def test_one_story_in_order_through_failures(desk: Desk) -> None:
    """Whatever fails, "closed" never comes before "opened", and every try of one notification has one id."""
    desk.chat.failures = [Undeliverable("The channel answered 500.", retry=True) for _ in range(3)]
    desk.judge(RATE, "opened")
    desk.step()
    desk.judge(RATE, "closed")
    for _ in range(20):
        desk.step(5)
    assert desk.chat.reasons == ["opened", "closed"]
    assert len({one.id for one in desk.chat.told}) == 2


def test_texts_of_a_told_incident_can_be_read_back(desk: Desk) -> None:
    desk.judge(DOWN, "opened")
    desk.step()
    (content,) = desk.pager.contents
    assert msgspec.json.decode(msgspec.json.encode(content), type=Content) == content
    assert content.link == f"https://errors.example.org/projects/1/incidents/{content.incident_id}"
