"""Request counts: the processes of an app that report, their buckets, and the rollups of a service."""

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.observation import Service, Traffic, request
from ukemi.collector.core.request_counts import (
    WIDTHS_S,
    Counted,
    Route,
    counts_of,
    increase,
    merged,
    place_bucket,
    place_instance,
)
from ukemi.collector.store import observations, schema
from ukemi.collector.store.database import Tx, upsert
from ukemi.protocol.request_counts import RequestCounts

FAILED: Final = 500
"""Answers from this status on are failures."""


class Report(msgspec.Struct, frozen=True):
    """One received report of a process."""

    project_id: int
    received_us: int
    environment: str
    release: str
    counts: RequestCounts


class _StoredCount(msgspec.Struct, frozen=True):
    method: str
    route: str
    status: int
    counted: Counted


_BucketKey = tuple[int, str, int]
_RollupKey = tuple[int, int, int, str, str, str, str, int]
_ROLLUP_KEY = ("project_id", "width_s", "bucket_us", "environment", "release", "method", "route", "status")


def add(tx: Tx, reports: Sequence[Report]) -> None:
    """Take reports in, in the order they came. The same report twice changes nothing; a later one heals a lost one."""
    if not reports:
        return
    _note_instances(tx, reports)
    rollups: dict[_RollupKey, Counted] = {}
    observed: dict[observations.Place, dict[str, Traffic]] = {}
    buckets: dict[_BucketKey, list[tuple[Report, dict[Route, Counted], int]]] = {}
    for report in reports:
        for bucket in report.counts.buckets:
            key = (report.project_id, report.counts.instance.id, bucket.sequence)
            place = place_bucket(bucket, report.received_us)
            buckets.setdefault(key, []).append((report, counts_of(bucket), place))
    known = _known_buckets(tx, list(buckets))
    rows = []
    for key, seen in buckets.items():
        bucket_us, old = known.get(key, (seen[0][2], {}))
        new = merged([old, *(counts for _, counts, _ in seen)])
        report = seen[-1][0]
        service = Service(report.project_id, report.environment, report.release)
        routes = observed.setdefault((service, "requests", report.received_us), {})
        for (method, route, status), more in increase(old, new).items():
            latency = {int(number): float(count) for number, count in more.latency.items()}
            routes.setdefault(f"{method} {route}", Traffic()).add(
                request(latency, count=more.count, failed=status >= FAILED)
            )
            for width_s in WIDTHS_S:
                start_us = bucket_us - bucket_us % (width_s * SECOND_US)
                rollup = (
                    report.project_id,
                    width_s,
                    start_us,
                    report.environment,
                    report.release,
                    method,
                    route,
                    status,
                )
                rollups[rollup] = rollups.get(rollup, Counted()).added(more)
        body = msgspec.json.encode([_StoredCount(*route, counted) for route, counted in new.items()])
        rows.append(
            {"project_id": key[0], "instance_id": key[1], "sequence": key[2], "bucket_us": bucket_us, "body": body}
        )
    upsert(tx, schema.request_bucket, rows, replace=["body"])
    _add_rollups(tx, rollups)
    observations.add_traffic(tx, observed)


def _note_instances(tx: Tx, reports: Sequence[Report]) -> None:
    rows: dict[tuple[int, str], dict[str, object]] = {}
    for report in reports:
        instance = report.counts.instance
        state = place_instance(report.counts, report.received_us)
        rows[report.project_id, instance.id] = {
            "project_id": report.project_id,
            "id": instance.id,
            "environment": report.environment,
            "release": report.release,
            "server_name": instance.server_name[:200],
            "pid": instance.pid,
            **msgspec.structs.asdict(state),
            "failures_us": msgspec.json.encode(state.failures_us).decode(),
        }
    changing = [
        "environment",
        "release",
        "last_report_us",
        "last_request_us",
        "last_success_us",
        "failures_us",
        "failure_count",
        "ended_us",
    ]
    upsert(tx, schema.instance, list(rows.values()), replace=changing)


def _known_buckets(tx: Tx, keys: Sequence[_BucketKey]) -> dict[_BucketKey, tuple[int, dict[Route, Counted]]]:
    c = schema.request_bucket.c
    found: dict[_BucketKey, tuple[int, dict[Route, Counted]]] = {}
    for project_id, instance_id in {(project, instance) for project, instance, _ in keys}:
        sequences = [
            sequence for project, instance, sequence in keys if (project, instance) == (project_id, instance_id)
        ]
        query = sa.select(c.sequence, c.bucket_us, c.body).where(
            c.project_id == project_id, c.instance_id == instance_id, c.sequence.in_(sequences)
        )
        for row in tx.execute(query):
            counts = {
                (s.method, s.route, s.status): s.counted for s in msgspec.json.decode(row.body, type=list[_StoredCount])
            }
            found[project_id, instance_id, row.sequence] = (row.bucket_us, counts)
    return found


def _add_rollups(tx: Tx, rollups: dict[_RollupKey, Counted]) -> None:
    c = schema.request_count.c
    rows = []
    for key, more in sorted(rollups.items()):
        same = [c[name] == value for name, value in zip(_ROLLUP_KEY, key, strict=True)]
        old = tx.execute(sa.select(c.request_count, c.latency).where(*same)).first()
        counted = more.added(Counted(old.request_count, msgspec.json.decode(old.latency)) if old else Counted())
        rows.append(
            dict(zip(_ROLLUP_KEY, key, strict=True))
            | {"request_count": counted.count, "latency": msgspec.json.encode(counted.latency).decode()}
        )
    upsert(tx, schema.request_count, rows, replace=["request_count", "latency"])
