"""The store, the same cases on SQLite and PostgreSQL."""

import random
import threading
import time
from collections.abc import Callable

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ukemi.collector.core.change import ChangeDetail, ChangeKind
from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from ukemi.collector.core.evaluate import Explanation, State, Verdict
from ukemi.collector.core.incident import IncidentChangeKind
from ukemi.collector.core.issue import Standing, Wish
from ukemi.collector.core.judge import Instance as RuleInstance
from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.core.search import Search, parse_search
from ukemi.collector.store import (
    accounts,
    bodies,
    changes,
    check,
    cursors,
    events,
    fingerprints,
    incidents,
    issue_detail,
    issue_list,
    issues,
    migrate,
    notifications,
    observations,
    outcomes,
    projects,
    requests,
    retention,
    rollups,
    rule_states,
    schema,
    space,
)
from ukemi.collector.store.database import Database, upsert
from ukemi.collector.store.errors import NameTaken, NotFound, TooNew
from ukemi.collector.store.incidents import IncidentChange
from ukemi.collector.store.notifications import Queued
from ukemi.collector.store.projects import Project
from ukemi.collector.store.rule_states import Judged
from ukemi.protocol.request_counts import Bucket, Instance, RequestCounts, RouteCount

IssueBuilder = Callable[..., issues.IssueRow]


def count_rows(database: Database, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    with database.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()


# --- the database and its migrations ----------------------------------------------------------------------------------


def test_migrations_add_up_to_the_schema(blank_database: Database) -> None:
    """Else an upgraded collector and a new one would differ."""
    migrate.upgrade(blank_database)
    with blank_database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx, {"compare_type": True}), schema.metadata) == []


def test_a_blank_database_has_no_version_and_a_migrated_one_stays_at_its_own(blank_database: Database) -> None:
    assert migrate.current(blank_database) is None
    migrate.upgrade(blank_database)
    version = migrate.current(blank_database)
    migrate.upgrade(blank_database)
    assert version is not None
    assert migrate.current(blank_database) == version


def test_a_database_of_a_newer_version_is_refused(blank_database: Database) -> None:
    """An old program must not write into tables whose meaning it does not know."""
    migrate.upgrade(blank_database)
    with blank_database.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(TooNew, match="version 9999"):
        migrate.upgrade(blank_database)


def test_a_transaction_that_fails_leaves_nothing(database: Database, now_us: int) -> None:
    def fail() -> None:
        with database.write() as tx:
            projects.create(tx, "Shop", now_us, 90, 30)
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert count_rows(database, schema.project) == 0


def test_upsert_adds_keeps_the_latest_and_replaces_as_asked(database: Database, project: Project) -> None:
    row = {"project_id": project.id, "issue_id": "a", "key": "browser", "value": "Firefox"}
    with database.write() as tx:
        upsert(tx, schema.issue_tag, [row | {"event_count": 2, "last_seen_us": 50}])
        upsert(
            tx,
            schema.issue_tag,
            [row | {"event_count": 3, "last_seen_us": 40}],
            add=["event_count"],
            latest=["last_seen_us"],
        )
    with database.read() as tx:
        stored = tx.execute(sa.select(schema.issue_tag.c.event_count, schema.issue_tag.c.last_seen_us)).one()
    assert tuple(stored) == (5, 50)


def test_upsert_without_columns_to_merge_keeps_the_old_row(database: Database, project: Project) -> None:
    with database.write() as tx:
        fingerprints.add(tx, [(project.id, b"\x01" * 16, "first")])
        fingerprints.add(tx, [(project.id, b"\x01" * 16, "second")])
        assert fingerprints.find(tx, {(project.id, b"\x01" * 16), (project.id, b"\x02" * 16)}) == {
            (project.id, b"\x01" * 16): "first"
        }


# --- projects and keys ------------------------------------------------------------------------------------------------


def test_a_project_comes_back_as_it_was_made(database: Database, now_us: int) -> None:
    with database.write() as tx:
        made = projects.create(tx, "  Shop & Café  ", now_us, 90, 30)
    with database.read() as tx:
        assert projects.list_projects(tx) == [made]
    assert made == Project(1, "Shop & Café", "shop-caf", now_us, 90, 30)


@pytest.mark.parametrize("name", ["Shop", " Shop ", "shop!"])
def test_two_projects_never_share_a_name_or_a_short_name(
    database: Database, project: Project, now_us: int, name: str
) -> None:
    """Issues are called SHOP-12: the short name must tell projects apart."""
    with database.write() as tx, pytest.raises(NameTaken, match="Choose another name"):
        projects.create(tx, name, now_us, 90, 30)


def test_a_key_is_found_by_its_public_part(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        server = projects.create_key(tx, project.id, "server", now_us)
        browser = projects.create_key(tx, project.id, "browser", now_us)
    with database.read() as tx:
        assert projects.key_by_public(tx, server.public_key) == server
        assert projects.key_by_public(tx, "0" * 32) is None
        assert projects.keys(tx, project.id) == [server, browser]
        assert projects.keys(tx) == [server, browser]
        assert projects.keys(tx, 99) == []


def test_a_rotated_key_has_the_same_kind_and_the_old_one_works_until_it_is_disabled(
    database: Database, project: Project, now_us: int
) -> None:
    with database.write() as tx:
        old = projects.create_key(tx, project.id, "browser", now_us)
        new = projects.rotate_key(tx, project.id, old.public_key, now_us + 1)
        assert (new.kind, new.is_enabled) == ("browser", True)
        assert projects.key_by_public(tx, old.public_key) == old
        projects.disable_key(tx, project.id, old.public_key)
        assert projects.key_by_public(tx, old.public_key) == msgspec.structs.replace(old, is_enabled=False)


def test_a_key_of_another_project_cannot_be_touched(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 90, 30)
        key = projects.create_key(tx, other.id, "server", now_us)
        with pytest.raises(NotFound):
            projects.disable_key(tx, project.id, key.public_key)
        with pytest.raises(NotFound):
            projects.rotate_key(tx, project.id, key.public_key, now_us)
        with pytest.raises(NotFound):
            projects.create_key(tx, 99, "server", now_us)
        assert projects.keys(tx) == [key]


# --- accounts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def account_id(database: Database, now_us: int) -> int:
    with database.write() as tx:
        return accounts.ensure_account(tx, "Owner@Example.org", "owner", now_us)


def test_an_account_is_made_once_whatever_the_case_of_its_address(
    database: Database, account_id: int, now_us: int
) -> None:
    with database.write() as tx:
        assert accounts.exist(tx)
        assert accounts.ensure_account(tx, " OWNER@example.org ", "member", now_us) == account_id
        assert accounts.by_email(tx, "owner@EXAMPLE.org") == accounts.Account(
            account_id, "owner@example.org", "member", None
        )
        assert accounts.by_email(tx, "nobody@example.org") is None


def test_without_accounts_nobody_exists(database: Database) -> None:
    with database.read() as tx:
        assert not accounts.exist(tx)


def test_a_sign_in_link_works_once(database: Database, account_id: int, now_us: int) -> None:
    with database.write() as tx:
        token = accounts.new_sign_in_link(tx, account_id, now_us)
        used = [accounts.use_sign_in_link(tx, token, now_us + 1) for _ in range(2)]
    assert used == [account_id, None]


def test_a_sign_in_link_expires_after_a_day(database: Database, account_id: int, now_us: int) -> None:
    with database.write() as tx:
        token = accounts.new_sign_in_link(tx, account_id, now_us)
        assert accounts.use_sign_in_link(tx, token, now_us + DAY_US) is None
        assert accounts.use_sign_in_link(tx, "no such token", now_us) is None
        assert accounts.use_sign_in_link(tx, token, now_us + DAY_US - 1) == account_id


def test_a_session_names_its_account_until_it_ends(database: Database, account_id: int, now_us: int) -> None:
    with database.write() as tx:
        token = accounts.start_session(tx, account_id, now_us)
        account = accounts.of_session(tx, token, now_us + 30 * DAY_US - 1)
        assert account is not None
        assert account.id == account_id
        assert accounts.of_session(tx, token, now_us + 30 * DAY_US) is None
        accounts.end_session(tx, token)
        assert accounts.of_session(tx, token, now_us + 1) is None


def test_changing_the_password_ends_the_accounts_sessions_and_no_others(
    database: Database, account_id: int, now_us: int
) -> None:
    with database.write() as tx:
        other_id = accounts.ensure_account(tx, "other@example.org", "member", now_us)
        mine = [accounts.start_session(tx, account_id, now_us) for _ in range(2)]
        theirs = accounts.start_session(tx, other_id, now_us)
        accounts.set_password(tx, account_id, "argon2-hash")
    with database.read() as tx:
        assert [accounts.of_session(tx, token, now_us) for token in mine] == [None, None]
        assert accounts.of_session(tx, theirs, now_us) is not None
        account = accounts.by_email(tx, "owner@example.org")
        assert account is not None
        assert account.password_hash == "argon2-hash"


def test_tokens_are_stored_as_hashes_only(database: Database, account_id: int, now_us: int) -> None:
    """A copied database signs nobody in."""
    with database.write() as tx:
        tokens = [accounts.new_sign_in_link(tx, account_id, now_us), accounts.start_session(tx, account_id, now_us)]
        stored = [
            bytes(row[0]) for table in (schema.sign_in_link, schema.session) for row in tx.execute(sa.select(table))
        ]
    assert not {token.encode() for token in tokens} & set(stored)


# --- issues and changes -----------------------------------------------------------------------------------------------


@pytest.fixture
def issue(database: Database, project: Project, issue_row: IssueBuilder) -> issues.IssueRow:
    row = issue_row(1)
    with database.write() as tx:
        issues.insert(tx, [row])
    return row


def test_a_persons_wish_becomes_a_status_and_one_change(
    database: Database, issue: issues.IssueRow, now_us: int
) -> None:
    wishes = ["resolved", "resolved", "muted", "open"]
    with database.write() as tx:
        for wish in wishes:
            issues.set_status(tx, 1, [issue.id], Wish(wish), now_us=now_us, actor="owner@example.org")
            assert issues.standings(tx, {(1, issue.id)})[1, issue.id].status == wish
        written = changes.claim(tx, 10, now_us)
        actors = tx.execute(sa.select(schema.change.c.actor).distinct()).scalars().all()
    assert [change.kind for change in written] == [ChangeKind.RESOLVED, ChangeKind.MUTED, ChangeKind.REOPENED]
    assert {change.detail.title for change in written} == {issue.title}
    assert actors == ["owner@example.org"]


def test_the_status_of_an_issue_of_another_project_cannot_be_set(
    database: Database, issue: issues.IssueRow, now_us: int
) -> None:
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 90, 30)
        with pytest.raises(NotFound):
            issues.set_status(tx, other.id, [issue.id], Wish("resolved"), now_us=now_us, actor="")
        assert issues.standings(tx, {(1, issue.id), (other.id, issue.id)}) == {(1, issue.id): Standing("open")}


def test_numbers_count_up_for_each_project(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 90, 30)
        given = [list(issues.next_numbers(tx, project_id, 2)) for project_id in (project.id, other.id, project.id)]
    assert given == [[1, 2], [1, 2], [3, 4]]


def test_a_bump_adds_to_the_totals_and_never_turns_time_back(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int
) -> None:
    with database.write() as tx:
        issues.insert(tx, [issue_row(1, event_count=5, user_count=1), issue_row(2)])
        issues.bump(tx, [issues.IssueDelta(1, issue_row(1).id, "fatal", "new title", now_us - 5, 2, 1)])
        rows = tx.execute(
            sa.select(
                *(schema.issue.c[n] for n in ("event_count", "user_count", "level", "title", "last_seen_us"))
            ).order_by(schema.issue.c.number)
        ).all()
    assert [tuple(row) for row in rows] == [
        (7, 2, "fatal", "new title", now_us),
        (0, 0, "error", "ValueError: number 2", now_us),
    ]


def test_reopening_concerns_the_named_issues_only(
    database: Database, project: Project, issue_row: IssueBuilder
) -> None:
    rows = [issue_row(1, status="resolved"), issue_row(2, status="resolved")]
    with database.write() as tx:
        issues.insert(tx, rows)
        issues.reopen(tx, {(1, rows[0].id)})
        statuses = {key: one.status for key, one in issues.standings(tx, {(1, row.id) for row in rows}).items()}
    assert statuses == {(1, rows[0].id): "open", (1, rows[1].id): "resolved"}


def test_a_user_counts_once_for_each_issue(database: Database, issue: issues.IssueRow, now_us: int) -> None:
    key = (1, issue.id)
    with database.write() as tx:
        first = issues.add_users(tx, {key: {"id:1", "id:2"}}, now_us)
        second = issues.add_users(tx, {key: {"id:2", "id:3"}}, now_us + 1)
    assert (first, second) == ({key: 2}, {key: 1})


def new_change(issue_id: str, kind: ChangeKind = ChangeKind.NEW, at_us: int = 0) -> changes.NewChange:
    return changes.NewChange(1, issue_id, kind, at_us, ChangeDetail(title="t", tags={"domain": "payment"}))


def test_a_change_is_claimed_once_and_in_order(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        assert not observations.are_changes_waiting(tx)
        changes.add(tx, [new_change(f"{number}") for number in range(5)])
        assert observations.are_changes_waiting(tx)
    claimed = []
    for _ in range(3):
        with database.write() as tx:
            claimed.append(changes.claim(tx, 3, now_us))
    assert [[change.issue_id for change in batch] for batch in claimed] == [["0", "1", "2"], ["3", "4"], []]
    assert claimed[0][0].detail == ChangeDetail(title="t", tags={"domain": "payment"})


def test_two_claimants_at_once_never_get_the_same_change(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        changes.add(tx, [new_change(f"{number:03}") for number in range(200)])
    start, taken = threading.Barrier(2), ([], [])

    def claim_all(mine: list[str]) -> None:
        start.wait(10)
        while True:
            with database.write() as tx:
                batch = changes.claim(tx, 7, now_us)
            if not batch:
                return
            mine.extend(change.issue_id for change in batch)

    threads = [threading.Thread(target=claim_all, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken[0] + taken[1]) == [f"{number:03}" for number in range(200)]


def test_a_claim_that_is_rolled_back_is_claimed_again(database: Database, project: Project, now_us: int) -> None:
    """A crash of alerts loses no change."""
    with database.write() as tx:
        changes.add(tx, [new_change("a")])

    def crash() -> None:
        with database.write() as tx:
            assert len(changes.claim(tx, 10, now_us)) == 1
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        crash()
    with database.write() as tx:
        assert [change.issue_id for change in changes.claim(tx, 10, now_us)] == ["a"]


# --- events, outcomes, rollups, cursors -------------------------------------------------------------------------------


def event_row(number: int, received_us: int, *, issue_id: str = "a", project_id: int = 1) -> events.EventRow:
    return events.EventRow(
        project_id=project_id,
        received_day=events.day_of(received_us),
        id=number.to_bytes(16),
        issue_id=issue_id,
        received_us=received_us,
        occurred_us=received_us - 1,
        key_kind="server",
        level="error",
        environment="production",
        release="1.0",
        title="t",
        user_key="id:1",
        body=bodies.compress(msgspec.json.encode({"number": number})),
    )


def test_an_event_id_is_known_within_its_project_on_its_day_and_the_next(
    database: Database, project: Project, now_us: int
) -> None:
    ids = {(1, (7).to_bytes(16)), (1, (8).to_bytes(16)), (2, (7).to_bytes(16))}
    with database.write() as tx:
        events.insert(tx, [event_row(7, now_us)])
        known = [events.known(tx, ids, [now_us + days * DAY_US]) for days in (0, 1, 2)]
    assert known == [{(1, (7).to_bytes(16))}, {(1, (7).to_bytes(16))}, set()]


def test_an_event_is_found_with_the_name_of_its_issue(database: Database, issue: issues.IssueRow, now_us: int) -> None:
    with database.write() as tx:
        events.insert(tx, [event_row(7, now_us, issue_id=issue.id)])
        assert events.issue_of(tx, 1, f"{7:032x}") == (issue.id, "SHOP-1")
        assert events.issue_of(tx, 1, f"{8:032x}") is None


def test_outcomes_add_up(database: Database, project: Project, now_us: int) -> None:
    key = (1, now_us, "error", "accepted", "")
    with database.write() as tx:
        outcomes.add(tx, {key: 2, (1, now_us, "error", "lost", "queue_overflow"): 4})
        outcomes.add(tx, {key: 3, (1, now_us - MINUTE_US, "error", "accepted", ""): 100})
        outcomes.add(tx, {})
        assert outcomes.totals(tx, 1, now_us) == {("error", "accepted", ""): 5, ("error", "lost", "queue_overflow"): 4}
        assert outcomes.totals(tx, 1, 0)["error", "accepted", ""] == 105
        assert outcomes.totals(tx, 2, 0) == {}


def test_rollups_of_every_width_hold_every_event(database: Database, project: Project, now_us: int) -> None:
    instants = [now_us, now_us + 59 * SECOND_US, now_us + HOUR_US]
    with database.write() as tx:
        for at_us in instants:
            rollups.add(tx, {(1, "a", "production", "1.0", at_us): 2})
        c = schema.rollup.c
        rows = tx.execute(sa.select(c.width_s, c.bucket_us, c.event_count).order_by(c.width_s, c.bucket_us)).all()
    assert [tuple(row) for row in rows] == [
        (60, now_us, 4),
        (60, now_us + HOUR_US, 2),
        (3600, now_us, 4),
        (3600, now_us + HOUR_US, 2),
        (86400, now_us, 6),
    ]


def test_a_cursor_only_goes_forward(database: Database) -> None:
    with database.write() as tx:
        assert cursors.position(tx, "spool", 1) == 0
        cursors.advance(tx, "spool", 1, 10)
        cursors.advance(tx, "spool", 1, 7)
        cursors.advance(tx, "spool", 0, 3)
        assert [cursors.position(tx, *key) for key in (("spool", 1), ("spool", 0), ("other", 1))] == [10, 3, 0]


# --- request counts ---------------------------------------------------------------------------------------------------

INSTANCE = "ab" * 16


def report(
    received_us: int, *buckets: tuple[int, int, dict[int, int]], instance: str = INSTANCE, release: str = "1.0"
) -> requests.Report:
    """A report with `buckets` of (sequence, age in ms, {status: count}) for one route."""
    counts = RequestCounts(
        version=1,
        instance=Instance(instance, pid=1),
        buckets=[
            Bucket(sequence, age_ms, [RouteCount("GET", "/pay", status, n, {"10": n}) for status, n in counts.items()])
            for sequence, age_ms, counts in buckets
        ],
        environment="production",
        release=release,
        since_request_ms=100,
        since_success_ms=2000,
        failures_ms=[300, 100],
        failure_count=2,
    )
    return requests.Report(1, received_us, "production", release, counts)


def stored_counts(database: Database, width_s: int) -> list[tuple[int, int, int, str]]:
    """bucket_us, status, count, latency"""
    c = schema.request_count.c
    with database.read() as tx:
        query = sa.select(c.bucket_us, c.status, c.request_count, c.latency).where(c.width_s == width_s)
        return [tuple(row) for row in tx.execute(query.order_by(c.bucket_us, c.status))]


def test_the_same_report_twice_changes_nothing(database: Database, project: Project, now_us: int) -> None:
    first = report(now_us + 5 * SECOND_US, (1, 5000, {200: 4, 500: 1}))
    with database.write() as tx:
        requests.add(tx, [first])
    with database.write() as tx:
        requests.add(tx, [first, first])
    expected = [(now_us, 200, 4, '{"10":4}'), (now_us, 500, 1, '{"10":1}')]
    assert [stored_counts(database, width_s) for width_s in (60, 3600)] == [expected] * 2


def test_a_later_report_heals_a_lost_one(database: Database, project: Project, now_us: int) -> None:
    """Counts are absolute: the second report holds the bucket that the lost one told of."""
    with database.write() as tx:
        requests.add(tx, [report(now_us + 5 * SECOND_US, (1, 5000, {200: 4}))])
        requests.add(tx, [report(now_us + 25 * SECOND_US, (1, 25_000, {200: 9}), (2, 15_000, {200: 7}))])
    assert stored_counts(database, 60) == [(now_us, 200, 16, '{"10":16}')]


def test_a_report_that_was_overtaken_takes_nothing_back(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        requests.add(tx, [report(now_us + 6 * SECOND_US, (1, 6000, {200: 9}))])
        requests.add(tx, [report(now_us + 7 * SECOND_US, (1, 5000, {200: 4}))])
    assert stored_counts(database, 60) == [(now_us, 200, 9, '{"10":9}')]


def test_a_bucket_keeps_the_place_that_its_first_report_gave_it(
    database: Database, project: Project, now_us: int
) -> None:
    """A slow network must not count its requests a second time in the next bucket."""
    with database.write() as tx:
        requests.add(tx, [report(now_us + 9 * SECOND_US, (1, 5000, {200: 4}))])
        requests.add(tx, [report(now_us + 19 * SECOND_US, (1, 5000, {200: 5}))])
    assert stored_counts(database, 60) == [(now_us, 200, 5, '{"10":5}')]


def test_processes_of_one_service_add_up(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        requests.add(tx, [report(now_us, (1, 0, {200: 4})), report(now_us, (1, 0, {200: 6}), instance="cd" * 16)])
    assert stored_counts(database, 60) == [(now_us, 200, 10, '{"10":10}')]


def test_the_latest_report_says_how_its_process_stands(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        requests.add(tx, [report(now_us), report(now_us + SECOND_US)])
        (instance,) = observations.services(tx)[1, "production"]
    at_us = now_us + SECOND_US
    assert instance == observations.InstanceSeen(
        last_report_us=at_us,
        last_request_us=at_us - 100_000,
        last_success_us=at_us - 2_000_000,
        failures_us=[at_us - 300_000, at_us - 100_000],
        ended_us=None,
    )


# --- the list of issues -----------------------------------------------------------------------------------------------


def names(database: Database, search: str, now_us: int) -> list[str]:
    with database.read() as tx:
        return [row.name for row in issue_list.find(tx, parse_search(search), now_us)[0]]


@pytest.fixture
def varied_issues(database: Database, project: Project, issue_row: IssueBuilder, now_us: int) -> None:
    rows = [
        issue_row(1, title="ValueError: 100% wrong", culprit="shop.cart in add"),
        issue_row(2, title="KeyError: snake_case", status="resolved", level="warning"),
        issue_row(3, title="TypeError: 100 times", status="muted"),
        issue_row(4, title="OSError: snakeXcase", culprit="Größe.ПРОВЕРИТЬ in straße"),
    ]
    tag = {"project_id": 1, "key": "browser", "value": "Firefox 130", "event_count": 1, "last_seen_us": now_us}
    with database.write() as tx:
        issues.insert(tx, rows)
        issues.add_tags(tx, [tag | {"issue_id": rows[0].id}, tag | {"issue_id": rows[1].id, "value": "Chrome 140"}])
        issues.add_users(tx, {(1, rows[0].id): {"id:42"}, (1, rows[3].id): {"id:4"}}, now_us)


def test_search_finds_an_issue_by_its_latest_title(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int
) -> None:
    with database.write() as tx:
        issues.insert(tx, [issue_row(1, title="old NAME")])
        issues.bump(tx, [issues.IssueDelta(1, f"{1:016x}", "error", "new Name: Ärger", now_us, 1, 0)])
    assert names(database, "is:any ärger", now_us) == ["SHOP-1"]
    assert names(database, "is:any old", now_us) == []


@pytest.mark.parametrize("letters", ["ΐΰΐῒῗΰὒῢὖῦ", "🤼🥋🦊🐉🐍", "ﬃﬄﬗ", "ẞ"])
def test_the_longest_names_of_any_script_fit_into_what_search_looks_in(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int, letters: str
) -> None:
    """PostgreSQL bounds what one entry of an index holds, and letters without case may be three where one was."""
    choose = random.Random(7)
    name = "".join(choose.choices(letters, k=256))
    with database.write() as tx:
        issues.insert(tx, [issue_row(1, title=name, culprit=name[:200])])
    assert names(database, name[-5:], now_us) == ["SHOP-1"]


@pytest.mark.usefixtures("varied_issues")
@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("is:any", ["SHOP-4", "SHOP-3", "SHOP-2", "SHOP-1"]),
        ("", ["SHOP-4", "SHOP-1"]),
        ("is:resolved", ["SHOP-2"]),
        ("is:muted", ["SHOP-3"]),
        ("is:any VALUEerror", ["SHOP-1"]),
        ("is:any shop.cart", ["SHOP-1"]),
        ("is:any 100 times", ["SHOP-3"]),
        ("is:any 100%", ["SHOP-1"]),
        ("is:any snake_case", ["SHOP-2"]),
        ("is:any %", ["SHOP-1"]),
        ("is:any GRÖSSE", ["SHOP-4"]),
        ("is:any проверить", ["SHOP-4"]),
        ("is:any STRASSE", ["SHOP-4"]),
        (r"is:any \\", []),
        ('is:any browser:"Firefox 130"', ["SHOP-1"]),
        ("is:any browser:Firefox", []),
        ("is:any user.id:42", ["SHOP-1"]),
        ("is:any user.id:4", ["SHOP-4"]),
        ("is:resolved user.id:42", []),
    ],
)
@pytest.mark.parametrize("few", [issue_list.FEW, 0], ids=["fetched by their ids", "found in their order"])
def test_search_finds_what_it_says(
    database: Database, now_us: int, search: str, found: list[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By text in every script, tag, user and status; % and _ are letters, not wildcards."""
    monkeypatch.setattr(issue_list, "FEW", few)
    assert names(database, search, now_us) == found


@pytest.mark.usefixtures("varied_issues")
def test_issues_are_counted_by_status(database: Database, now_us: int) -> None:
    with database.read() as tx:
        assert issue_list.count_by_status(tx, 1) == {"open": 2, "resolved": 1, "muted": 1}
        assert issue_list.count_by_status(tx, None) == {"open": 2, "resolved": 1, "muted": 1}
        assert issue_list.count_by_status(tx, 2) == {}


def test_paging_gives_every_issue_once(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int
) -> None:
    """Several issues share each instant, so the id must break the tie."""
    with database.write() as tx:
        issues.insert(tx, [issue_row(number, last_seen_us=now_us - number // 7) for number in range(1, 121)])
    pages, after = [], None
    with database.read() as tx:
        while True:
            rows, after = issue_list.find(tx, Search(), now_us, project_id=1, after=after)
            pages.append([row.id for row in rows])
            if after is None:
                break
    assert [len(page) for page in pages] == [50, 50, 20]
    assert sorted(issue_id for page in pages for issue_id in page) == [f"{number:016x}" for number in range(1, 121)]


def test_the_list_holds_one_projects_issues_with_their_trend(
    database: Database, issue: issues.IssueRow, issue_row: IssueBuilder, now_us: int
) -> None:
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 90, 30)
        issues.insert(tx, [issue_row(2, project_id=other.id)])
        hours_ago = {0: 3, 23: 2, 24: 7}
        rollups.add(
            tx, {(1, issue.id, "production", "", now_us - hours * HOUR_US): n for hours, n in hours_ago.items()}
        )
        rows, after = issue_list.find(tx, Search(), now_us, project_id=1)
    assert [row.name for row in rows] == ["SHOP-1"]
    assert rows[0].per_hour == [2, *[0] * 22, 3]
    assert after is None


# --- one issue --------------------------------------------------------------------------------------------------------


def test_an_issue_shows_its_events_tags_trends_and_activity(
    database: Database, issue: issues.IssueRow, now_us: int
) -> None:
    tag = {"project_id": 1, "issue_id": issue.id, "last_seen_us": now_us}
    with database.write() as tx:
        events.insert(tx, [event_row(number, now_us + number, issue_id=issue.id) for number in range(60)])
        values = [tag | {"key": "browser", "value": f"v{number}", "event_count": number} for number in range(8)]
        issues.add_tags(tx, [*values, tag | {"key": "os", "value": "Linux", "event_count": 1}])
        rollups.add(tx, {(1, issue.id, "production", "1.0", now_us): 4, (1, issue.id, "test", "", now_us - DAY_US): 2})
        changes.add(tx, [new_change(issue.id), new_change(issue.id, ChangeKind.EVENT)])
        issues.set_status(tx, 1, [issue.id], Wish("muted"), now_us=now_us, actor="owner@example.org")
        incidents.insert(tx, [incident("incident", now_us, issue_id=issue.id)])
        detail = issue_detail.get(tx, 1, issue.id, now_us)
    assert (detail.name, detail.project, detail.issue.status) == ("SHOP-1", "Shop", "muted")
    assert [line.id for line in detail.events] == [f"{number:032x}" for number in range(59, 9, -1)]
    assert [(value.value, value.event_count) for value in detail.tags["browser"]] == [
        (f"v{number}", number) for number in (7, 6, 5, 4, 3)
    ]
    assert list(detail.tags) == ["browser", "os"]
    assert (detail.per_hour[-1], sum(detail.per_hour)) == (4, 4)
    assert detail.per_day[-2:] == [2, 4]
    assert [(activity.kind, activity.actor) for activity in detail.activity] == [
        ("muted", "owner@example.org"),
        ("new", ""),
    ]
    assert [one.id for one in detail.incidents] == ["incident"]


def test_from_each_event_one_gets_to_the_older_and_the_newer(
    database: Database, issue: issues.IssueRow, now_us: int
) -> None:
    """Also where two came in the same microsecond."""
    at_us = {1: now_us, 2: now_us + 5, 3: now_us + 5, 4: now_us + 9}
    ids = {number: f"{number:032x}" for number in at_us}
    with database.write() as tx:
        events.insert(tx, [event_row(number, at, issue_id=issue.id) for number, at in at_us.items()])
        found = {number: issue_detail.event(tx, 1, issue.id, ids[number]) for number in at_us}
        latest = issue_detail.event(tx, 1, issue.id, None)
        missing = issue_detail.event(tx, 1, issue.id, "f" * 32)
    around = {number: (one.older, one.newer) for number, one in found.items() if one}
    assert around == {1: (None, ids[2]), 2: (ids[1], ids[3]), 3: (ids[2], ids[4]), 4: (ids[3], None)}
    assert latest == found[4]
    assert missing is None
    assert found[2] is not None
    assert msgspec.json.decode(found[2].body) == {"number": 2}


def test_an_issue_of_another_project_is_not_shown(database: Database, issue: issues.IssueRow, now_us: int) -> None:
    with database.write() as tx:
        events.insert(tx, [event_row(1, now_us, issue_id=issue.id)])
        with pytest.raises(NotFound):
            issue_detail.get(tx, 2, issue.id, now_us)
        assert issue_detail.event(tx, 2, issue.id, None) is None


# --- incidents and their notifications --------------------------------------------------------------------------------


def incident(incident_id: str, opened_us: int, **fields: object) -> incidents.Incident:
    row = incidents.Incident(
        project_id=1,
        id=incident_id,
        rule="new error type",
        condition="event",
        labels='{"issue":"a"}',
        severity="critical",
        title="SHOP-1: ValueError",
        issue_id=None,
        environment="production",
        culprit="pay",
        opened_us=opened_us,
        closed_us=None,
        closed_reason="",
        cause_us=opened_us - 100,
        explanation="{}",
    )
    return msgspec.structs.replace(row, **fields)


def content(incident_id: str, reason: Reason = Reason.OPENED) -> Content:
    return Content(incident_id, reason, "critical", "rule", "title", "because", "Shop", "production", "pay", "link", 1)


def test_an_open_incident_is_found_by_rule_and_labels_until_it_closes(
    database: Database, project: Project, now_us: int
) -> None:
    opened = incident("a", now_us)
    with database.write() as tx:
        incidents.insert(tx, [opened])
        key = (1, opened.rule, opened.labels)
        others = [(1, opened.rule, "{}"), (2, opened.rule, opened.labels)]
        assert incidents.find_open(tx, [*others, key]) == [opened]
        assert incidents.find_open(tx, others) == []
        closed = msgspec.structs.replace(opened, closed_us=now_us + 1, closed_reason="It was resolved.")
        incidents.update(tx, [(opened, closed)])
        assert incidents.find_open(tx, [key]) == []
        incidents.insert(tx, [incident("b", now_us - 5)])
        recent = incidents.recent(tx, 10)
    assert [(one.id, one.closed_us, one.closed_reason) for one in recent] == [
        ("b", None, ""),
        ("a", now_us + 1, "It was resolved."),
    ]


def test_notifications_of_one_incident_and_channel_keep_their_order(
    database: Database, project: Project, now_us: int
) -> None:
    """ "Closed" must not overtake the "opened" that waits for its second try."""
    with database.write() as tx:
        for number, (channel, reason) in enumerate(
            [("slack", Reason.OPENED), ("slack", Reason.CLOSED), ("webhook", Reason.OPENED)]
        ):
            notifications.queue(tx, [Queued(1, f"{number}", channel, content("a", reason))], now_us + number)
        due = notifications.due(tx, now_us + 10, 50)
        assert [one.id for one in due] == ["0", "2"]
        notifications.retry(tx, due[0], "The channel answered 500.", now_us + SECOND_US)
        notifications.delivered(tx, due[1], "200", now_us + 10)
        assert notifications.due(tx, now_us + 10, 50) == []
        (again,) = notifications.due(tx, now_us + SECOND_US, 50)
        assert (again.id, again.attempts, again.content) == ("0", 1, content("a"))
        notifications.delivered(tx, again, "200", now_us + SECOND_US)
        assert [one.id for one in notifications.due(tx, now_us + SECOND_US, 50)] == ["1"]


def test_a_failed_notification_is_not_tried_again_and_lets_the_next_go(
    database: Database, project: Project, now_us: int
) -> None:
    with database.write() as tx:
        notifications.queue(tx, [Queued(1, "0", "slack", content("a"))], now_us)
        notifications.queue(tx, [Queued(1, "1", "slack", content("a", Reason.CLOSED))], now_us)
        (first,) = notifications.due(tx, now_us, 50)
        notifications.failed(tx, first, "refused")
        assert [one.id for one in notifications.due(tx, now_us + DAY_US, 50)] == ["1"]


def test_the_limit_of_due_is_kept(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        for number in range(5):
            notifications.queue(tx, [Queued(1, f"{number}", "slack", content(f"{number}"))], now_us + number)
        assert [one.id for one in notifications.due(tx, now_us + 10, 2)] == ["0", "1"]


def test_the_outbox_knows_who_was_told_what(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        notifications.queue(tx, [Queued(1, "0", "slack", content("a"))], now_us)
        notifications.queue(tx, [Queued(1, "1", "webhook", content("a", Reason.CLOSED))], now_us)
        sent = notifications.last_sent(tx, 1, "a")
        assert {name: one.reason for name, one in sent.items()} == {"slack": Reason.OPENED, "webhook": Reason.CLOSED}
        assert notifications.last_sent(tx, 1, "b") == {}
        slack = next(one for one in notifications.due(tx, now_us, 50) if one.channel == "slack")
        assert notifications.other_channels(tx, slack, ["slack", "pagerduty", "webhook"]) == ["pagerduty"]


def test_the_ledger_tells_how_each_delivery_went(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        incidents.insert(tx, [incident("a", now_us)])
        notifications.queue(tx, [Queued(1, "0", "slack", content("a"))], now_us)
        notifications.queue(tx, [Queued(1, "1", "webhook", content("a"))], now_us + 1)
        slack, webhook = notifications.due(tx, now_us + 1, 50)
        notifications.delivered(tx, slack, "200", now_us + SECOND_US)
        notifications.failed(tx, webhook, "x" * 2000)
        ledger = notifications.ledger(tx, 10)
    assert [(one.id, one.state, one.attempts, one.delay_us, len(one.last_error)) for one in ledger] == [
        ("1", "failed", 1, None, 500),
        ("0", "delivered", 1, SECOND_US + 100, 0),
    ]
    assert {one.title for one in ledger} == {"title"}


def test_a_rules_state_is_remembered_and_only_what_changed_it_is_kept_as_evaluations(
    database: Database, project: Project, now_us: int
) -> None:
    labels = {"issue": "a", "environment": "production"}
    opened = Verdict(State("firing", now_us, now_us), "opened", Explanation("It happened."))
    still = Verdict(State("firing", now_us, now_us + 5), None, Explanation("Again."))
    with database.write() as tx:
        assert rule_states.awake(tx) == {}
        text = rule_states.write_labels(labels)
        rule_states.put(tx, [Judged(1, "rule", text, opened, "incident")], now_us)
        rule_states.put(tx, [Judged(1, "rule", text, still, "incident")], now_us + 5)
        instance = RuleInstance(1, "rule", tuple(sorted(labels.items())))
        assert rule_states.awake(tx) == {instance: still.state}
        assert rule_states.firing(tx, "rule") == 1
        assert rule_states.firing(tx, "other") == 0
        (instance,) = rule_states.all_instances(tx, 10)
    assert (instance.labels, instance.because, instance.incident_id) == (labels, "Again.", "incident")
    assert count_rows(database, schema.evaluation) == 1


# --- retention --------------------------------------------------------------------------------------------------------


def test_old_rows_go_in_steps_and_young_ones_stay_as_each_project_wants(
    database: Database, project: Project, now_us: int
) -> None:
    """More rows than one step deletes; the second project keeps its errors longer."""
    old_us = now_us - 92 * DAY_US
    with database.write() as tx:
        patient = projects.create(tx, "Patient", now_us, 365, 365)
        old = [event_row(number, old_us) for number in range(retention.STEP_ROWS * 2 + 1)]
        events.insert(tx, [*old, event_row(9001, now_us - 80 * DAY_US), event_row(1, old_us, project_id=patient.id)])
    deleted = retention.apply(database, now_us)
    assert deleted == {"event": retention.STEP_ROWS * 2 + 1}
    with database.read() as tx:
        left = tx.execute(sa.select(schema.event.c.project_id, schema.event.c.received_us)).all()
    assert sorted(tuple(row) for row in left) == [(1, now_us - 80 * DAY_US), (patient.id, old_us)]
    assert retention.apply(database, now_us) == {}


def test_an_issue_goes_with_all_that_belongs_to_it(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int
) -> None:
    old_us = now_us - 91 * DAY_US
    young, old = issue_row(1), issue_row(2, last_seen_us=old_us)
    with database.write() as tx:
        issues.insert(tx, [young, old])
        for row in (young, old):
            seen_us = row.last_seen_us
            fingerprints.add(tx, [(1, row.id.encode(), row.id)])
            issues.add_users(tx, {(1, row.id): {"id:1"}}, seen_us)
            tag = {"key": "os", "value": "Linux", "event_count": 1, "last_seen_us": seen_us}
            issues.add_tags(tx, [{"project_id": 1, "issue_id": row.id} | tag])
            rollups.add(tx, {(1, row.id, "production", "", seen_us): 1})
            changes.add(tx, [new_change(row.id, at_us=seen_us)])
            incidents.insert(tx, [incident(row.id, seen_us, closed_us=seen_us)])
            incidents.add_changes(tx, [IncidentChange(1, row.id, IncidentChangeKind.OPENED, seen_us)])
            notifications.queue(tx, [Queued(1, row.id, "slack", content(row.id))], seen_us)
            outcomes.add(tx, {(1, seen_us, "error", "accepted", ""): 1})
    deleted = retention.apply(database, now_us)
    once = (
        "issue",
        "fingerprint",
        "issue_user",
        "issue_tag",
        "change",
        "incident",
        "incident_change",
        "notification",
        "outcome",
    )
    assert deleted == {**dict.fromkeys(once, 1), "rollup": 2}, "the count of its day stays in the project's history"
    assert {table: count_rows(database, schema.metadata.tables[table]) for table in once} == dict.fromkeys(once, 1)


def test_a_muted_issue_stays_with_its_totals_when_its_events_are_too_old(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int
) -> None:
    """Else a problem that somebody wants to hear nothing of would come back as news."""
    old_us = now_us - 91 * DAY_US
    with database.write() as tx:
        issues.insert(tx, [issue_row(1, status="muted", last_seen_us=old_us, event_count=7)])
        fingerprints.add(tx, [(1, b"f" * 16, f"{1:016x}")])
    assert retention.apply(database, now_us) == {}
    with database.read() as tx:
        assert fingerprints.find(tx, {(1, b"f" * 16)}) == {(1, b"f" * 16): f"{1:016x}"}


def test_rollups_live_the_shorter_the_finer_they_are(database: Database, project: Project, now_us: int) -> None:
    ages_days = (1, 15, 91, 731)
    with database.write() as tx:
        rollups.add(tx, {(1, f"{age}", "production", "", now_us - age * DAY_US): 1 for age in ages_days})
    retention.apply(database, now_us)
    with database.read() as tx:
        left = tx.execute(sa.select(schema.rollup.c.width_s, schema.rollup.c.issue_id)).all()
    assert {tuple(row) for row in left} == {
        *((60, age) for age in ("1",)),
        *((3600, age) for age in ("1", "15")),
        *((86400, age) for age in ("1", "15", "91")),
    }


def test_above_its_limit_a_database_loses_its_oldest_events_and_says_so(
    database: Database, project: Project, issue_row: IssueBuilder, now_us: int
) -> None:
    """Oldest first over all projects; their issue keeps its totals, and each event's outcome is what became of it."""
    with database.write() as tx:
        other = projects.create(tx, "Other", now_us, 365, 30)
        for project_id in (1, other.id):
            issues.insert(tx, [issue_row(1, project_id=project_id, event_count=600)])
            rows = [
                msgspec.structs.replace(
                    event_row(number, now_us - number * HOUR_US // 10, project_id=project_id),
                    body=b"\x01" + b"x" * 5000,
                )
                for number in range(600)
            ]
            events.insert(tx, rows)
            for row in rows:
                outcomes.add(
                    tx, {(project_id, row.received_us - row.received_us % MINUTE_US, "error", "accepted", ""): 1}
                )
    with database.read() as tx:
        before = space.used_bytes(tx)
    assert retention.apply(database, now_us, max_bytes=before) == {}

    deleted = retention.apply(database, now_us, max_bytes=before // 2)

    with database.read() as tx:
        assert space.used_bytes(tx) <= before // 2
        left = {project_id: outcomes.totals(tx, project_id, 0) for project_id in (1, other.id)}
        oldest_us = [
            tx.execute(
                sa.select(sa.func.min(schema.event.c.received_us)).where(schema.event.c.project_id == p)
            ).scalar_one()
            for p in (1, other.id)
        ]
        assert set(tx.execute(sa.select(schema.issue.c.event_count)).scalars()) == {600}
    assert set(deleted) == {"event"}
    assert sum(counts["error", "not_kept", "disk_limit"] for counts in left.values()) == deleted["event"]
    kept = [count_rows(database, schema.event, schema.event.c.project_id == p) for p in (1, other.id)]
    assert [left[p]["error", "accepted", ""] for p in (1, other.id)] == kept
    assert abs(oldest_us[0] - oldest_us[1]) <= DAY_US
    assert "accepted" not in {finding.check for finding in check.check(database, None, now_us)}


def test_a_limit_that_nothing_can_keep_ends_all_the_same(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        events.insert(tx, [event_row(1, now_us)])
    assert retention.apply(database, now_us, max_bytes=1) == {"event": 1}


def test_free_space_goes_back_to_the_disk(database: Database, project: Project, now_us: int) -> None:
    """On PostgreSQL autovacuum does it, so there nothing must break."""
    with database.write() as tx:
        rows = [event_row(number, now_us - 91 * DAY_US) for number in range(1000)]
        events.insert(tx, [msgspec.structs.replace(row, body=b"\x01" + b"x" * 5000) for row in rows])
    with database.read() as tx:
        before = space.file_bytes(tx)
    retention.apply(database, now_us)
    with database.read() as tx:
        after = space.file_bytes(tx)
    assert after < before / 2 if database.is_sqlite else after <= before


def test_retention_lets_others_write_between_its_steps(database: Database, project: Project, now_us: int) -> None:
    """No writer waits longer than a step takes, however much has to go."""
    with database.write() as tx:
        events.insert(tx, [event_row(number, now_us - 91 * DAY_US) for number in range(10_000)])
    waits_s = []
    worker = threading.Thread(target=retention.apply, args=(database, now_us, None, threading.Event().wait))
    worker.start()
    while worker.is_alive():
        began_s = time.monotonic()
        with database.write() as tx:
            outcomes.add(tx, {(1, now_us, "error", "accepted", ""): 1})
        waits_s.append(time.monotonic() - began_s)
    worker.join()
    assert count_rows(database, schema.event) == 0
    assert len(waits_s) > 20
    assert max(waits_s) < 2, "ten thousand rows at once would take longer than any of the steps"


def test_retention_stops_when_it_is_asked_to(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        events.insert(tx, [event_row(number, now_us - 91 * DAY_US) for number in range(retention.STEP_ROWS * 3)])
    retention.apply(database, now_us, pause=lambda _: True)
    assert count_rows(database, schema.event) == retention.STEP_ROWS * 2
    assert retention.apply(database, now_us) == {"event": retention.STEP_ROWS * 2}


def test_an_open_incident_is_never_too_old(database: Database, project: Project, now_us: int) -> None:
    with database.write() as tx:
        incidents.insert(tx, [incident("a", now_us - 400 * DAY_US)])
    assert retention.apply(database, now_us) == {}


def test_minute_rollups_and_working_rows_have_short_lives_of_their_own(
    database: Database, project: Project, account_id: int, now_us: int
) -> None:
    with database.write() as tx:
        rollups.add(tx, {(1, "a", "production", "", now_us - 15 * DAY_US): 1, (1, "a", "production", "", now_us): 1})
        requests.add(tx, [report(now_us - 15 * DAY_US, (1, 0, {200: 1}), instance="cd" * 16)])
        requests.add(tx, [report(now_us - 31 * MINUTE_US, (1, 0, {200: 1}))])
        changes.add(tx, [new_change("a", ChangeKind.EVENT, now_us - 2 * HOUR_US)])
        changes.claim(tx, 10, now_us - 2 * HOUR_US)
        changes.add(tx, [new_change("b", ChangeKind.EVENT, now_us)])
        accounts.start_session(tx, account_id, now_us - 31 * DAY_US)
        accounts.start_session(tx, account_id, now_us)
        accounts.new_sign_in_link(tx, account_id, now_us - 2 * DAY_US)
    assert retention.apply(database, now_us) == {
        "rollup": 1,
        "request_count": 1,
        "observation": 1,
        "request_bucket": 2,
        "instance": 1,
        "change": 1,
        "session": 1,
        "sign_in_link": 1,
    }
