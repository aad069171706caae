"""Transactions: rollups of all of them, and a few kept as examples."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US, HOUR_US, SECOND_US
from ukemi.collector.core.request_counts import Counted
from ukemi.collector.core.transaction import Kept
from ukemi.collector.store import bodies, schema
from ukemi.collector.store.database import Tx, upsert
from ukemi.collector.store.errors import NotFound

WIDTHS_S: Final = (60, 3600)
MAX_NAMES_SHOWN: Final = 100
MAX_SAMPLES_SHOWN: Final = 20


class Series(msgspec.Struct, frozen=True):
    """What transactions are counted by."""

    project_id: int
    environment: str
    release: str
    key_kind: str
    op: str
    name: str
    is_failed: bool


class Tally(msgspec.Struct):
    """So many transactions of one series and minute."""

    weighted: Counted
    sample_count: int = 0


class SampleRow(msgspec.Struct, frozen=True):
    """A row of the table; `schema.transaction_sample` says what each field means."""

    project_id: int
    id: bytes
    hour_us: int
    op: str
    name: str
    environment: str
    release: str
    key_kind: str
    received_us: int
    duration_us: int
    status: str
    is_failed: bool
    trace_id: str
    span_count: int
    body: bytes


_KEY = ("project_id", "width_s", "bucket_us", "environment", "release", "key_kind", "op", "name", "is_failed")


def add(tx: Tx, tallies: Mapping[tuple[Series, int], Tally]) -> None:
    """Add to the rollups of all widths. Keys are (series, minute of receipt)."""
    rollups: dict[tuple[Any, ...], Tally] = {}
    for (series, minute_us), tally in tallies.items():
        for width_s in WIDTHS_S:
            bucket_us = minute_us - minute_us % (width_s * SECOND_US)
            key = (series.project_id, width_s, bucket_us, *msgspec.structs.astuple(series)[1:])
            old = rollups.get(key, Tally(Counted()))
            rollups[key] = Tally(old.weighted.added(tally.weighted), old.sample_count + tally.sample_count)
    c = schema.transaction_count.c
    rows = []
    for key, tally in sorted(rollups.items()):
        same = [c[name] == value for name, value in zip(_KEY, key, strict=True)]
        found = tx.execute(sa.select(c.transaction_count, c.latency).where(*same)).first()
        before = Counted(found.transaction_count, msgspec.json.decode(found.latency)) if found else Counted()
        counted = before.added(tally.weighted)
        rows.append(
            dict(zip(_KEY, key, strict=True))
            | {
                "transaction_count": counted.count,
                "sample_count": tally.sample_count,
                "latency": msgspec.json.encode(counted.latency).decode(),
            }
        )
    upsert(tx, schema.transaction_count, rows, add=["sample_count"], replace=["transaction_count", "latency"])


def names(tx: Tx, project_id: int, now_us: int) -> set[tuple[str, str]]:
    """(op, name) that the project's transactions were counted under on the present day."""
    c = schema.transaction_count.c
    query = (
        sa.select(c.op, c.name)
        .where(c.project_id == project_id, c.width_s == 3600, c.bucket_us >= now_us - now_us % DAY_US)
        .distinct()
    )
    return {(row.op, row.name) for row in tx.execute(query)}


def kept(tx: Tx, project_id: int, op: str, name: str, hour_us: int) -> list[Kept]:
    """The examples of one name and hour."""
    c = schema.transaction_sample.c
    query = sa.select(c.id, c.is_failed, c.duration_us).where(
        c.project_id == project_id, c.op == op, c.name == name, c.hour_us == hour_us
    )
    return [Kept(row.id, row.is_failed, row.duration_us) for row in tx.execute(query)]


def replace_samples(tx: Tx, rows: Sequence[SampleRow], gone: Collection[tuple[int, bytes]]) -> None:
    """Write examples, and delete those (project_id, id) that went for them."""
    c = schema.transaction_sample.c
    for project_id in {project for project, _ in gone}:
        ids = [id_ for project, id_ in gone if project == project_id]
        tx.execute(sa.delete(schema.transaction_sample).where(c.project_id == project_id, c.id.in_(ids)))
    upsert(tx, schema.transaction_sample, [msgspec.structs.asdict(row) for row in rows])


# --- what the pages ask -------------------------------------------------------------------------------------------------


class Performance(msgspec.Struct, frozen=True):
    """One name's transactions over the time that was asked for."""

    op: str
    name: str
    key_kind: str
    counted: Counted
    """All, weighted."""
    failed: int
    """Of these."""
    sample_count: int


class SampleLine(msgspec.Struct, frozen=True):
    id: str
    """32 hex digits."""
    name: str
    op: str
    environment: str
    release: str
    received_us: int
    duration_us: int
    status: str
    is_failed: bool
    span_count: int


def performance(tx: Tx, project_id: int, since_us: int, environment: str = "") -> list[Performance]:
    """
    Each name's transactions since an instant, busiest first, at most 100.

    From the minute an hour and less back, else from the hour.
    """
    c = schema.transaction_count.c
    newest_us = tx.execute(sa.select(sa.func.max(c.bucket_us)).where(c.project_id == project_id)).scalar() or 0
    width_s = 60 if newest_us - since_us <= 2 * HOUR_US else 3600
    query = sa.select(c.op, c.name, c.key_kind, c.is_failed, c.transaction_count, c.sample_count, c.latency).where(
        c.project_id == project_id,
        c.width_s == width_s,
        c.bucket_us >= since_us - since_us % (width_s * SECOND_US),
    )
    if environment:
        query = query.where(c.environment == environment)
    latency: dict[tuple[str, str, str], dict[str, int]] = {}
    totals: dict[tuple[str, str, str], list[int]] = {}
    for row in tx.execute(query):
        key = (row.op, row.name, row.key_kind)
        sums = totals.setdefault(key, [0, 0, 0])
        sums[0] += row.transaction_count
        sums[1] += row.transaction_count if row.is_failed else 0
        sums[2] += row.sample_count
        bins = latency.setdefault(key, {})
        for number, count in msgspec.json.decode(row.latency).items():
            bins[number] = bins.get(number, 0) + count
    found = [Performance(*key, Counted(sums[0], latency[key]), sums[1], sums[2]) for key, sums in totals.items()]
    return sorted(found, key=lambda one: (-one.counted.count, one.name))[:MAX_NAMES_SHOWN]


def samples(tx: Tx, project_id: int, since_us: int, op: str, name: str) -> list[SampleLine]:
    """The slowest examples of a name since an instant."""
    c = schema.transaction_sample.c
    query = (
        sa.select(*(c[field] for field in SampleLine.__struct_fields__))
        .where(c.project_id == project_id, c.op == op, c.name == name, c.hour_us >= since_us - since_us % HOUR_US)
        .order_by(c.duration_us.desc(), c.id)
        .limit(MAX_SAMPLES_SHOWN)
    )
    return [SampleLine(**{**row, "id": row["id"].hex()}) for row in tx.execute(query).mappings()]


def sample(tx: Tx, project_id: int, sample_id: str) -> tuple[SampleLine, bytes]:
    """
    One example and its body, JSON.

    Raises:
        NotFound: the project keeps no such example.
    """
    c = schema.transaction_sample.c
    query = sa.select(*(c[field] for field in SampleLine.__struct_fields__), c.body).where(
        c.project_id == project_id, c.id == bytes.fromhex(sample_id)
    )
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound("This example is not kept (any more): slower ones took its place, or it outlived its retention.")
    line = {field: row[field] for field in SampleLine.__struct_fields__}
    return SampleLine(**{**line, "id": row["id"].hex()}), bodies.decompress(row["body"])
