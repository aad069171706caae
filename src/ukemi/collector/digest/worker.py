"""
Digest: reads the spool in batches and writes what it understood, together with how far it read, in one transaction.

A crash before the commit leaves everything to the next try, a crash after it leaves only the trimming: nothing is lost
and nothing counted twice. An item that fails costs itself: it becomes an outcome with a reason, and the batch goes on.
"""

import contextlib
import dataclasses
import gc
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from ukemi.collector import metrics
from ukemi.collector.core.clock import MINUTE_US, Clock
from ukemi.collector.core.fingerprint import VERSIONS, Versions
from ukemi.collector.core.observation import EventCount, Service
from ukemi.collector.core.outcome import OutcomeCount
from ukemi.collector.digest.assistant import Assistant
from ukemi.collector.digest.attachments import Attachments
from ukemi.collector.digest.family import Counts, Family, count, minute_of
from ukemi.collector.digest.feedback import Feedbacks
from ukemi.collector.digest.observe import Events, kind_of, observe_events
from ukemi.collector.digest.plan import Plan, PlannedIssue, plan
from ukemi.collector.digest.security import event_of_report, is_of_browser_extension
from ukemi.collector.digest.sessions import Sessions
from ukemi.collector.digest.transactions import Transactions
from ukemi.collector.digest.understand import GroupedBy, Understood, understand
from ukemi.collector.spool.item import OUTCOMES_ITEM, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.store import (
    bodies,
    changes,
    cursors,
    events,
    fingerprints,
    issues,
    observations,
    outcomes,
    projects,
    releases,
    requests,
    rollups,
)
from ukemi.collector.store.bases import Bases
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.errors import StoreError
from ukemi.privacy import DEFAULT_RULES
from ukemi.protocol.client_report import read_client_report
from ukemi.protocol.errors import PayloadError
from ukemi.protocol.event import decode_event, read_event
from ukemi.protocol.repeats import Repeat, read_repeats
from ukemi.protocol.request_counts import read_request_counts
from ukemi.protocol.vocabulary import REPEATS_ITEM, REQUEST_COUNTS_ITEM

log = structlog.get_logger("ukemi.digest")

BATCH_ITEMS: Final = 200
BATCH_BYTES: Final = 8 << 20
BATCH_S: Final = 0.2
"""A batch is cut after this time of understanding, so that due alerts run between two batches."""


PROJECTS_S: Final = 10.0
"""So long what a project was told to do may take to be known."""


class Repeated(NamedTuple):
    """So often an event happened again, as an item told."""

    item: SpoolItem
    repeat: Repeat


class Digest:
    def __init__(
        self,
        database: Database,
        spool: SpoolReader,
        hash_key: bytes,
        *,
        max_attachments_per_event: int = 20,
        keep_contact: bool = True,
        versions: Versions = VERSIONS,
        batch_s: float = BATCH_S,
        assistant: Assistant | None = None,
    ) -> None:
        """
        Args:
            hash_key: keys the hashes of e-mail and IP addresses that clients sent in clear.
            keep_contact: keep name and address of those who sent feedback as they gave them, to be answered.
            versions: of fingerprints; projects say which they use.
            batch_s: a batch is cut after this time of understanding.
            assistant: understands a part of a backlog; it knows no other `versions` than those that are released.
        """
        self._database = database
        self._spool = spool
        self._hash_key = hash_key
        self._rules = dataclasses.replace(DEFAULT_RULES, hash_key=hash_key)
        self._bases = Bases()
        with database.read() as tx:
            self._positions = {lane: cursors.position(tx, spool.spool_id, lane) for lane in Lane}
        self._versions = versions
        self._batch_s = batch_s
        self._projects: dict[int, GroupedBy] = {}
        self._projects_read_s = 0.0
        self._feedback = Feedbacks(database, self._rules, keep_contact)
        families: list[Family] = [
            Transactions(database, self._rules),
            Sessions(self._rules),
            self._feedback,
            Attachments(self._rules, max_attachments_per_event),
        ]
        self._families = {item_type: family for family in families for item_type in family.item_types}
        self._may_have_more = True
        self._assistant = assistant
        self._ahead: tuple[int, list[SpoolItem]] = (-1, [])
        """Events that were read before their turn, and the position that they follow."""

    def close(self) -> None:
        """End the assistant."""
        if self._assistant:
            self._assistant.close()

    def step(self, clock: Clock) -> int:
        """Digest at most one batch of each lane, signals first. Returns how many items were taken from the spool."""
        if self._assistant:
            self._assistant.tend()
        if not self._spool.changed() and not self._may_have_more:
            return 0
        self._may_have_more = True  # a step that fails is tried again, also when nothing new comes
        with _without_collection():
            taken = sum(self._step(lane, clock) for lane in Lane)
        self._may_have_more = taken > 0
        return taken

    def _step(self, lane: Lane, clock: Clock) -> int:
        items = self._read(lane)
        if not items:
            return 0
        counts: Counts = Counter()
        understood: list[Understood] = []
        families = {id(family): family for family in self._families.values()}.values()
        for family in families:
            family.begin()
        reports: list[requests.Report] = []
        repeats: list[Repeated] = []
        began_s = time.monotonic()
        done = items[-1].position
        for item in items:
            try:
                if not self._has_project(item.project_id):
                    log.warning("item of a project that is not here", project=item.project_id)
                elif item.item_type == "event":
                    understood.append(self._understand(item))
                elif item.item_type in self._families:
                    self._families[item.item_type].take(item, counts)
                elif item.item_type == "raw_security":
                    report = event_of_report(item)
                    if is_of_browser_extension(report):
                        count(counts, item, "filtered", "browser_extension")
                    else:
                        understood.append(understand(report, self._rules, self._projects[item.project_id]))
                elif item.item_type == REPEATS_ITEM:
                    repeats += [Repeated(item, one) for one in read_repeats(item.payload)]
                else:
                    self._take_signal(item, reports, counts)
            except PayloadError as error:
                count(counts, item, "invalid", error.reason)
            except StoreError:  # the database does not answer: no item's fault, so the whole batch is tried again
                raise
            except Exception:  # whatever a stranger's bytes provoke must cost only themselves
                log.exception("item cannot be digested", item_type=item.item_type, project=item.project_id)
                count(counts, item, "invalid", "not_understood")
            if time.monotonic() - began_s > self._batch_s:
                done = item.position
                break
        if lane is Lane.EVENTS and self._assistant:
            self._look_ahead(self._assistant, done, is_behind=done < items[-1].position or _is_full(items))
        with self._database.write() as tx:
            self._write_events(tx, understood, counts, clock.now_us())
            for family in families:
                family.write(tx, counts)
            _write_repeats(tx, repeats, counts)
            requests.add(tx, reports)
            outcomes.add(tx, counts)
            cursors.advance(tx, self._spool.spool_id, lane, done)
        for (project_id, _, category, outcome, reason), quantity in counts.items():
            metrics.outcomes.labels(project_id, category, outcome, reason).inc(quantity)
        self._positions[lane] = done
        self._spool.trim(lane, done)
        return sum(1 for item in items if item.position <= done)

    def _read(self, lane: Lane) -> list[SpoolItem]:
        """The next batch."""
        position, items = self._ahead
        if lane is Lane.EVENTS and items and position == self._positions[lane]:
            return items
        return self._spool.read(lane, self._positions[lane], BATCH_ITEMS, BATCH_BYTES)

    def _understand(self, item: SpoolItem) -> Understood:
        grouped_by = self._projects[item.project_id]
        answer = self._assistant.answer(item, grouped_by) if self._assistant else None
        return answer or understand(item, self._rules, grouped_by)

    def _look_ahead(self, assistant: Assistant, done: int, *, is_behind: bool) -> None:
        """Let the assistant begin with the events behind position `done` while this process writes those up to it."""
        assistant.note(is_behind=is_behind)
        self._ahead = (-1, [])
        if not is_behind or not assistant.is_ready:
            return
        items = self._spool.read(Lane.EVENTS, done, BATCH_ITEMS, BATCH_BYTES)
        self._ahead = (done, items)
        mine = [item for item in items if item.item_type == "event" and item.project_id in self._projects]
        assistant.order(mine, self._projects, self._hash_key)

    def _has_project(self, project_id: int) -> bool:
        """Whether the database knows the project; after an older backup was restored it may not."""
        if project_id not in self._projects or time.monotonic() - self._projects_read_s > PROJECTS_S:
            with self._database.read() as tx:
                self._projects = {
                    project.id: GroupedBy(project.grouping_version, project.previous_grouping_version, self._versions)
                    for project in projects.list_projects(tx)
                }
            self._projects_read_s = time.monotonic()
        return project_id in self._projects

    def _take_signal(self, item: SpoolItem, reports: list[requests.Report], counts: Counts) -> None:
        if item.item_type == REQUEST_COUNTS_ITEM:
            report = read_request_counts(item.payload)
            environment = report.environment[:64] or "production"
            reports.append(
                requests.Report(item.project_id, item.received_us, environment, report.release[:200], report)
            )
            count(counts, item, "accepted")
        elif item.item_type == OUTCOMES_ITEM:
            for refused in msgspec.json.decode(item.payload, type=list[OutcomeCount]):
                counts[item.project_id, minute_of(item), refused.category, refused.outcome, refused.reason] += (
                    refused.quantity
                )
        elif item.item_type == "client_report":
            for lost in read_client_report(item.payload):
                counts[item.project_id, minute_of(item), lost.category, "lost", lost.reason] += lost.quantity
        else:
            count(counts, item, "not_kept", item.item_type)

    def _write_events(self, tx: Tx, batch: Sequence[Understood], counts: Counts, now_us: int) -> None:
        if not batch:
            return
        ids = {(one.project_id, bytes.fromhex(one.event_id)) for one in batch}
        received_us = {one.received_us for one in batch}
        known = {(project, event_id.hex()) for project, event_id in events.known(tx, ids, received_us)}
        hashes = {(one.project_id, one.fingerprint.hash) for one in batch}
        hashes |= {(one.project_id, one.earlier_hash) for one in batch if one.earlier_hash}
        found = fingerprints.find(tx, hashes)
        standings = issues.standings(tx, {(project, issue) for (project, _), issue in found.items()})
        issue_ids = {
            key: issue for key, issue in found.items() if (key[0], issue) in standings
        }  # others were deleted now
        named = {(one.project_id, one.release): one.received_us for one in reversed(batch) if one.release}
        releases.see(tx, named)
        resolved_in = {(p, standing.condition.release) for (p, _), standing in standings.items()}
        known_releases = releases.find(tx, {*named, *resolved_in}) if any(name for _, name in resolved_in) else {}
        planned = plan(batch, known, issue_ids, standings, known_releases, [secrets.token_hex(8) for _ in batch])
        _write_issues(tx, planned)
        packed = self._bases.pack(
            tx,
            [
                ((one.project_id, issue_id, events.day_of(one.received_us)), one.content)
                for one, issue_id in planned.events
            ],
        )
        rows = [_event_row(*event, body) for event, body in zip(planned.events, packed, strict=True)]
        events.insert(tx, rows)
        rollups.add(
            tx,
            Counter(
                (one.project_id, issue_id, one.environment, one.release, one.received_us)
                for one, issue_id in planned.events
            ),
        )
        observations.add_events(tx, observe_events(planned.events))
        changes.add(
            tx, [changes.NewChange(c.project_id, c.issue_id, c.kind, now_us, c.detail) for c in planned.changes]
        )
        for one, _ in planned.events:
            counts[one.project_id, one.received_us - one.received_us % MINUTE_US, one.category, "accepted", ""] += 1
        for one in planned.duplicates:
            minute_us = one.received_us - one.received_us % MINUTE_US
            counts[one.project_id, minute_us, one.category, "duplicate", "event_id"] += 1
        self._feedback.link(
            tx, {(one.project_id, bytes.fromhex(one.event_id)): issue_id for one, issue_id in planned.events}
        )


def _is_full(items: Sequence[SpoolItem]) -> bool:
    """Whether a batch was cut at its limits, so that more may wait."""
    return len(items) >= BATCH_ITEMS or sum(len(item.payload) for item in items) >= BATCH_BYTES


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """JSON has no cycles, and to look for some in all that a batch decodes takes a third of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _write_repeats(tx: Tx, repeats: Sequence[Repeated], counts: Counts) -> None:
    """
    Add what an SDK only counted to the issues of the events that stand for it.

    It has its own outcome, `sampled`: it happened and is counted, and no event of it is kept. What is told are totals, so
    that one which is told twice counts once.
    """
    if not repeats:
        return
    ids = {(item.project_id, bytes.fromhex(repeat.event_id)) for item, repeat in repeats}
    places = events.places(tx, ids, {item.received_us for item, _ in repeats})
    bumps: dict[tuple[int, str], issues.IssueDelta] = {}
    rolled: Counter[tuple[int, str, str, str, int]] = Counter()
    totals: dict[tuple[int, int, bytes], int] = {}
    observed: Events = {}
    for item, repeat in repeats:
        event_id = bytes.fromhex(repeat.event_id)
        place = places.get((item.project_id, event_id))
        if place is None:
            counts[item.project_id, minute_of(item), "error", "invalid", "unknown_event"] += max(
                repeat.count - repeat.told, 0
            )
            continue
        event = (item.project_id, place.received_day, event_id)
        more = repeat.count - totals.get(event, place.repeat_count)
        if more <= 0:
            continue
        totals[event] = repeat.count
        counts[item.project_id, minute_of(item), "error", "sampled", "storm"] += more
        key = (item.project_id, place.issue_id)
        before = bumps[key].event_count if key in bumps else 0
        bumps[key] = issues.IssueDelta(*key, place.level, place.title, item.received_us, before + more, 0)
        rolled[(*key, place.environment, place.release, item.received_us)] += more
        tags = read_event(decode_event(bodies.decompress(place.body, place.base_body))).tags
        kind = kind_of(place.issue_id, place.level, tags, place.key_kind)
        service = Service(item.project_id, place.environment, place.release)
        kinds = observed.setdefault((service, "events", item.received_us), {})
        kinds.setdefault(kind, EventCount()).events += more
    events.note_repeats(tx, totals)
    issues.bump(tx, list(bumps.values()))
    rollups.add(tx, rolled)
    observations.add_events(tx, observed)


def _write_issues(tx: Tx, planned: Plan) -> None:
    new = [issue for issue in planned.issues if issue.is_new]
    by_project: dict[int, list[PlannedIssue]] = {}
    for issue in new:
        by_project.setdefault(issue.project_id, []).append(issue)
    for project_id, created in by_project.items():
        numbers = issues.next_numbers(tx, project_id, len(created))
        issues.insert(tx, [_issue_row(issue, number) for issue, number in zip(created, numbers, strict=True)])
        fingerprints.add(tx, [(issue.project_id, issue.first.fingerprint.hash, issue.id) for issue in created])
    fingerprints.add(tx, [(project_id, value, issue_id) for (project_id, value), issue_id in planned.moved.items()])
    users = {(i.project_id, i.id): i.user_keys for i in planned.issues if i.user_keys}
    seen_us = max((i.latest.received_us for i in planned.issues), default=0)
    new_users = issues.add_users(tx, users, seen_us)
    issues.reopen(tx, planned.reopened)
    issues.bump(
        tx,
        [
            issues.IssueDelta(
                project_id=i.project_id,
                id=i.id,
                level=i.latest.level,
                title=i.latest.title,
                last_seen_us=i.latest.received_us,
                event_count=i.event_count,
                new_users=new_users.get((i.project_id, i.id), 0),
                release=i.release,
            )
            for i in planned.issues
        ],
    )
    issues.add_tags(
        tx,
        [
            {
                "project_id": i.project_id,
                "issue_id": i.id,
                "key": key,
                "value": value,
                "event_count": count,
                "last_seen_us": i.latest.received_us,
            }
            for i in planned.issues
            for (key, value), count in sorted(i.tags.items())
        ],
    )


def _issue_row(issue: PlannedIssue, number: int) -> issues.IssueRow:
    """A new issue, still without events: `bump` adds those of its first batch."""
    first = issue.first
    grouping = {
        "version": first.fingerprint.version,
        "because": first.fingerprint.because,
        "parts": first.fingerprint.parts,
    }
    return issues.IssueRow(
        project_id=issue.project_id,
        id=issue.id,
        number=number,
        status="open",
        level=first.level,
        title=first.title,
        culprit=first.culprit,
        platform=first.platform,
        key_kind=first.key_kind,
        grouping=msgspec.json.encode(grouping).decode(),
        first_release=first.release,
        first_seen_us=first.received_us,
        last_seen_us=first.received_us,
        event_count=0,
        user_count=0,
    )


def _event_row(one: Understood, issue_id: str, body: bytes) -> events.EventRow:
    return events.EventRow(
        project_id=one.project_id,
        received_day=events.day_of(one.received_us),
        id=bytes.fromhex(one.event_id),
        issue_id=issue_id,
        received_us=one.received_us,
        occurred_us=one.occurred_us,
        key_kind=one.key_kind,
        level=one.level,
        environment=one.environment,
        release=one.release,
        title=one.title,
        user_key=one.user_key,
        body=body,
    )
