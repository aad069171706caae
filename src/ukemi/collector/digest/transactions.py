"""Transactions and streamed spans: all of them are counted, a few are kept as examples."""

import hashlib
from typing import Any, Final

import msgspec

from ukemi.collector.core.cardinality import Cap
from ukemi.collector.core.clock import DAY_US, HOUR_US, SECOND_US
from ukemi.collector.core.observation import Service
from ukemi.collector.core.request_counts import Counted
from ukemi.collector.core.transaction import OTHERS, Kept, choose, is_failed, name_of, weigh
from ukemi.collector.digest.family import Counts, minute_of
from ukemi.collector.digest.observe import Routes, observe_transaction
from ukemi.collector.spool.item import ItemContext, SpoolItem
from ukemi.collector.store import bodies, observations, transactions
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.transactions import SampleRow, Series, Tally
from ukemi.privacy import Rules, scrub, scrub_text
from ukemi.protocol.event import Tree, decode_event, read_event
from ukemi.protocol.transaction import MAX_SPANS, Transaction, read_sample_rate, read_spans, read_transaction
from ukemi.protocol.vocabulary import latency_bin

MAX_NAMES: Final = 1000
"""Names (with op) per project and day; what comes later counts under `<< others >>`."""
MAX_PLACES: Final = 200
"""Pairs of environment and release per project and day."""
_MAX_REMEMBERED: Final = 10_000


class Transactions:
    item_types: tuple[str, ...] = ("transaction", "span")

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database, self._rules = database, rules
        self._names = Cap(MAX_NAMES, DAY_US)
        self._places = Cap(MAX_PLACES, DAY_US)
        self._carried: dict[tuple[int, str], float] = {}
        self._clean: dict[tuple[str, str], str] = {}
        self._kept: dict[tuple[int, str, str, int], list[Kept]] = {}
        self._is_written = True
        self.begin()

    def begin(self) -> None:
        if not self._is_written:
            self._kept.clear()  # it holds examples that were never written
        self._tallies: dict[tuple[Series, int], Tally] = {}
        self._observed: Routes = {}
        self._rows: dict[tuple[int, bytes], SampleRow] = {}
        self._gone: set[tuple[int, bytes]] = set()

    def take(self, item: SpoolItem, counts: Counts) -> None:
        context = msgspec.json.decode(item.context, type=ItemContext)
        if item.item_type == "transaction":
            transaction = read_transaction(item.payload, item.received_us / SECOND_US)
            is_kept = self._take(item, context, transaction, bytes.fromhex(item.event_id or "00"), None)
            minute_us = minute_of(item)
            counts[item.project_id, minute_us, "transaction", "accepted", ""] += 1
            _count_spans(counts, item, transaction.span_count if is_kept else 0, transaction.span_count)
            return
        streamed, span_count = read_spans(item.payload)
        kept = 0
        for one in streamed:
            segment = f"{one.transaction.trace_id}{one.transaction.span_id}".encode()
            sample_id = hashlib.blake2b(segment, digest_size=16).digest()
            if self._take(item, context, one.transaction, sample_id, one.tree):
                kept += one.transaction.span_count
        # A segment is counted in the totals, kept or not; its children only live on in examples.
        _count_spans(counts, item, max(kept, len(streamed)), span_count)

    def write(self, tx: Tx, counts: Counts) -> None:  # noqa: ARG002
        if self._tallies:
            transactions.add(tx, self._tallies)
            observations.add_traffic(tx, self._observed)
        if self._rows:
            transactions.replace_samples(tx, list(self._rows.values()), self._gone)
        self._is_written = True

    def _take(
        self, item: SpoolItem, context: ItemContext, transaction: Transaction, sample_id: bytes, tree: Tree | None
    ) -> bool:
        """Count one, and say whether it is kept as an example. `tree` is decoded from the payload when None."""
        environment, release, op, name = self._series(item, transaction)
        has_failed = is_failed(transaction.status)
        rate = read_sample_rate(context.sample_rate) if transaction.sample_rate is None else transaction.sample_rate
        carrier = (item.project_id, environment)
        if len(self._carried) >= _MAX_REMEMBERED:
            self._carried.clear()
        weight, self._carried[carrier] = weigh(rate, self._carried.get(carrier, 0.0))
        series = Series(item.project_id, environment, release, item.key_kind, op, name, has_failed)
        tally = self._tallies.setdefault((series, minute_of(item)), Tally(Counted()))
        number = str(latency_bin(transaction.duration_s * 1000))
        tally.weighted = tally.weighted.added(Counted(weight, {number: weight} if weight else {}))
        tally.sample_count += 1
        if item.key_kind == "server":
            service = Service(item.project_id, environment, release)
            observe_transaction(self._observed, service, name, transaction, rate, item.received_us)

        hour_us = item.received_us - item.received_us % HOUR_US
        kept = self._examples(item.project_id, op, name, hour_us)
        candidate = Kept(sample_id, has_failed, round(transaction.duration_s * SECOND_US))
        verdict = choose(kept, candidate)
        if not verdict.is_kept:
            return False
        self._is_written = False
        kept.append(candidate)
        if verdict.in_place_of:
            kept[:] = [one for one in kept if one.id != verdict.in_place_of]
            self._rows.pop((item.project_id, verdict.in_place_of), None)
            self._gone.add((item.project_id, verdict.in_place_of))
        self._rows[item.project_id, sample_id] = SampleRow(
            project_id=item.project_id,
            id=sample_id,
            hour_us=hour_us,
            op=op,
            name=name,
            environment=environment,
            release=release,
            key_kind=item.key_kind,
            received_us=item.received_us,
            duration_us=candidate.duration_us,
            status=transaction.status,
            is_failed=has_failed,
            trace_id=transaction.trace_id,
            span_count=transaction.span_count,
            body=bodies.compress(msgspec.json.encode(self._scrubbed(item, tree))),
        )
        return True

    def _series(self, item: SpoolItem, transaction: Transaction) -> tuple[str, str, str, str]:
        """Environment, release, op and name to count under: scrubbed, and not more different ones than allowed."""
        project_id, now_us = item.project_id, item.received_us
        place = read_event({"environment": transaction.environment, "release": transaction.release})
        environment, release = self._text("", place.environment or "production"), self._text("", place.release)
        if not self._places.admits(project_id, (environment, release), now_us):
            environment, release = OTHERS, ""
        op, name = self._text("", transaction.op), self._text(transaction.source, transaction.name, transaction)
        if not self._names.knows(project_id, now_us):
            with self._database.read() as tx:
                self._names.remember(project_id, transactions.names(tx, project_id, now_us), now_us)
        if not self._names.admits(project_id, (op, name), now_us):
            op, name = "", OTHERS
        return environment, release, op, name

    def _text(self, source: str, text: str, transaction: Transaction | None = None) -> str:
        """A text without secrets, remembered, since the same few come again and again."""
        key = (source, text)
        if (found := self._clean.get(key)) is None:
            if len(self._clean) >= _MAX_REMEMBERED:
                self._clean.clear()
            found = scrub_text(name_of(transaction) if transaction else text, self._rules)[:200]
            self._clean[key] = found
        return found

    def _examples(self, project_id: int, op: str, name: str, hour_us: int) -> list[Kept]:
        key = (project_id, op, name, hour_us)
        if key not in self._kept:
            if len(self._kept) >= _MAX_REMEMBERED:
                self._kept.clear()
            with self._database.read() as tx:
                self._kept[key] = transactions.kept(tx, project_id, op, name, hour_us)
        return self._kept[key]

    def _scrubbed(self, item: SpoolItem, tree: Tree | None) -> Any:
        raw = decode_event(item.payload) if tree is None else tree
        if isinstance(raw.get("spans"), list):
            raw["spans"] = raw["spans"][:MAX_SPANS]
        raw.pop("_meta", None)
        return scrub(raw, self._rules).tree


def _count_spans(counts: Counts, item: SpoolItem, kept: int, all_: int) -> None:
    key = (item.project_id, minute_of(item), "span")
    if kept := min(kept, all_):
        counts[*key, "accepted", ""] += kept
    if rest := all_ - kept:
        counts[*key, "sampled", "not_an_example"] += rest
