"""Feedback of people, filed under the issue of the event that it is about, whichever of the two comes first."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.digest.family import Counts, count
from ukemi.collector.spool.item import SpoolItem
from ukemi.collector.store import events, feedback
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.feedback import FeedbackRow
from ukemi.privacy import Rules, scrub, scrub_text
from ukemi.protocol.feedback import Feedback, read_feedback, read_user_report

SINCE_DAYS: Final = 7
"""So old may be the event that somebody writes about."""


class Feedbacks:
    item_types: tuple[str, ...] = ("feedback", "user_report")

    def __init__(self, database: Database, rules: Rules, keep_contact: bool) -> None:
        """
        Args:
            keep_contact: keep name and address as the person gave them, to be answered; else as hashes.
        """
        self._rules, self._keep_contact = rules, keep_contact
        with database.read() as tx:
            self._is_any_waiting = feedback.waits(tx)
        self.begin()

    def begin(self) -> None:
        self._rows: list[FeedbackRow] = []

    def take(self, item: SpoolItem, counts: Counts) -> None:
        if item.item_type == "feedback":
            said = read_feedback(item.payload)
            own_id = bytes.fromhex(item.event_id)
        else:
            said = read_user_report(item.payload)
            own_id = hashlib.blake2b(f"user_report {said.event_id}".encode(), digest_size=16).digest()
        self._rows.append(self._row(item, said, own_id))
        count(counts, item, "accepted")

    def write(self, tx: Tx, counts: Counts) -> None:  # noqa: ARG002
        if not self._rows:
            return
        about = {(row.project_id, row.event_id) for row in self._rows if row.event_id}
        places = events.places(tx, about, {self._rows[-1].received_us - day * DAY_US for day in range(SINCE_DAYS)})
        rows = []
        for row in self._rows:
            place = places.get((row.project_id, row.event_id)) if row.event_id else None
            self._is_any_waiting |= place is None and row.event_id is not None
            rows.append(msgspec.structs.replace(row, issue_id=place.issue_id) if place else row)
        feedback.add(tx, rows)

    def link(self, tx: Tx, issues: Mapping[tuple[int, bytes], str]) -> None:
        """Events came: file what waited for them. Issue id by (project_id, event id)."""
        if self._is_any_waiting and issues:
            feedback.link(tx, issues)

    def _row(self, item: SpoolItem, said: Feedback, own_id: bytes) -> FeedbackRow:
        contact = {"username": said.name, "email": said.email}
        if not self._keep_contact:
            contact = scrub(contact, self._rules).tree
        return FeedbackRow(
            project_id=item.project_id,
            id=own_id,
            event_id=bytes.fromhex(said.event_id) if said.event_id else None,
            issue_id="",
            received_us=item.received_us,
            key_kind=item.key_kind,
            environment=scrub_text(said.environment, self._rules),
            release=scrub_text(said.release, self._rules),
            name=contact["username"],
            email=contact["email"],
            message=scrub_text(said.message, self._rules),
            url=scrub_text(said.url, self._rules),
        )
