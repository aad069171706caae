"""Rollups: events per issue, environment and release in minutes, hours and days."""

from collections.abc import Mapping
from typing import Final

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

WIDTHS_S: Final = (60, 3600, 86400)


def add(tx: Tx, events: Mapping[tuple[int, str, str, str, int], int]) -> None:
    """
    Add events to the rollups of all widths.

    Args:
        events: count by (project_id, issue_id, environment, release, received_us); instants may be of any grain.
    """
    counts: dict[tuple[int, int, int, str, str, str], int] = {}
    for (project_id, issue_id, environment, release, received_us), count in events.items():
        for width_s in WIDTHS_S:
            bucket_us = received_us - received_us % (width_s * SECOND_US)
            key = (project_id, width_s, bucket_us, issue_id, environment, release)
            counts[key] = counts.get(key, 0) + count
    names = ("project_id", "width_s", "bucket_us", "issue_id", "environment", "release")
    rows = [dict(zip(names, key, strict=True)) | {"event_count": count} for key, count in sorted(counts.items())]
    upsert(tx, schema.rollup, rows, add=["event_count"])
