"""
What alert rules look at: sums of each tick, how services stand, and what is needed to tell of an issue.

A tick's row is written by digest until the tick is judged and never again, so that a back-test sees what live evaluation saw.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
import zstandard

from ukemi.collector.core.failure_run import InstanceSeen, ServiceSeen
from ukemi.collector.core.observation import (
    MAX_USERS,
    TICK_US,
    EventCount,
    EventKind,
    Observation,
    Service,
    Source,
    Traffic,
    tick_of,
)
from ukemi.collector.store import judging, schema
from ukemi.collector.store.database import Tx, upsert

Place = tuple[Service, Source, int]
"""Who sent it, what it is, and when it was received."""

_Key = tuple[int, int, Source, str, str]
_KEY = ("project_id", "tick_us", "source", "environment", "release")
_traffic = msgspec.msgpack.Decoder(dict[str, Traffic])
_events = msgspec.msgpack.Decoder(list[tuple[EventKind, EventCount]])
_pack = msgspec.msgpack.Encoder().encode
_compressor = zstandard.ZstdCompressor(level=3)
_decompressor = zstandard.ZstdDecompressor()


def add_traffic(tx: Tx, added: Mapping[Place, Mapping[str, Traffic]]) -> None:
    """Add requests by their routes."""
    for key, old, places in _open_rows(tx, [place for place, routes in added.items() if routes]):
        routes = _traffic.decode(old) if old else {}
        for place in places:
            for route, traffic in added[place].items():
                routes.setdefault(route, Traffic()).add(traffic)
        _write(tx, key, routes)


def add_events(tx: Tx, added: Mapping[Place, Mapping[EventKind, EventCount]]) -> None:
    """Add events by their kind."""
    for key, old, places in _open_rows(tx, [place for place, kinds in added.items() if kinds]):
        kinds = dict(_events.decode(old)) if old else {}
        for place in places:
            for kind, count in added[place].items():
                known = kinds.setdefault(kind, EventCount())
                known.events += count.events
                known.users = sorted({*known.users, *count.users})[:MAX_USERS]
        _write(tx, key, list(kinds.items()))


def between(tx: Tx, after_us: int, until_us: int) -> list[Observation]:
    """Those of the ticks after the one and up to the other instant, in order."""
    if until_us <= after_us:
        return []
    table = schema.observation
    query = (
        sa.select(table)
        .where(table.c.tick_us > after_us, table.c.tick_us <= until_us)
        .order_by(table.c.tick_us, table.c.project_id, table.c.source, table.c.environment, table.c.release)
    )
    return [_read(row) for row in tx.execute(query)]


def _open_rows(tx: Tx, places: Iterable[Place]) -> Iterable[tuple[_Key, bytes | None, list[Place]]]:
    """The rows that take what was received, with what they hold: of its tick, or of the next when that was judged already."""
    places = list(places)
    if not places:
        return
    judged_us = judging.last_tick(tx)
    by_key: dict[_Key, list[Place]] = {}
    for place in places:
        service, source, received_us = place
        tick_us = max(tick_of(received_us), judged_us + TICK_US)
        key = (service.project_id, tick_us, source, service.environment, service.release)
        by_key.setdefault(key, []).append(place)
    c = schema.observation.c
    for key, mine in sorted(by_key.items()):
        same = [c[name] == value for name, value in zip(_KEY, key, strict=True)]
        row = tx.execute(sa.select(c.body).where(*same).with_for_update()).first()
        yield key, _decompressor.decompress(row.body) if row else None, mine


def _write(tx: Tx, key: _Key, body: object) -> None:
    row = dict(zip(_KEY, key, strict=True)) | {"body": _compressor.compress(_pack(body))}
    upsert(tx, schema.observation, [row], replace=["body"])


def _read(row: Any) -> Observation:
    service = Service(row.project_id, row.environment, row.release)
    body = _decompressor.decompress(row.body)
    if row.source == "events":
        return Observation(row.tick_us, service, row.source, events=_events.decode(body))
    return Observation(row.tick_us, service, row.source, traffic=_traffic.decode(body))


def note_services(tx: Tx, at_us: int, seen: Mapping[tuple[int, str], ServiceSeen]) -> None:
    """Keep how services stand from now on."""
    rows = [
        {
            "project_id": project_id,
            "environment": environment,
            "at_us": at_us,
            "body": msgspec.json.encode(one).decode(),
        }
        for (project_id, environment), one in seen.items()
    ]
    if rows:
        tx.execute(sa.insert(schema.service_seen), rows)


def services_at(tx: Tx, at_us: int | None = None) -> dict[tuple[int, str], ServiceSeen]:
    """How each service stood at an instant; without one, how it was noted last."""
    table = schema.service_seen
    latest = sa.select(sa.func.max(table.c.id)).group_by(table.c.project_id, table.c.environment)
    if at_us is not None:
        latest = latest.where(table.c.at_us <= at_us)
    return {
        (row.project_id, row.environment): msgspec.json.decode(row.body, type=ServiceSeen)
        for row in tx.execute(sa.select(table).where(table.c.id.in_(latest)))
    }


def services_between(tx: Tx, after_us: int, until_us: int) -> list[tuple[int, dict[tuple[int, str], ServiceSeen]]]:
    """When services changed, and how they stood from then on, in order."""
    table = schema.service_seen
    query = sa.select(table).where(table.c.at_us > after_us, table.c.at_us <= until_us).order_by(table.c.id)
    found: list[tuple[int, dict[tuple[int, str], ServiceSeen]]] = []
    for row in tx.execute(query):
        key, seen = (row.project_id, row.environment), msgspec.json.decode(row.body, type=ServiceSeen)
        if found and found[-1][0] == row.at_us and key not in found[-1][1]:
            found[-1][1][key] = seen
        else:
            found.append((row.at_us, {key: seen}))
    return found


class Subject(msgspec.Struct, frozen=True):
    """How an issue is called in notifications."""

    name: str
    """WWMAA-12"""
    title: str
    culprit: str


def services(tx: Tx) -> dict[tuple[int, str], list[InstanceSeen]]:
    """The remembered processes of each service, by (project_id, environment)."""
    c = schema.instance.c
    query = sa.select(
        c.project_id, c.environment, c.last_report_us, c.last_request_us, c.last_success_us, c.failures_us, c.ended_us
    )
    found: dict[tuple[int, str], list[InstanceSeen]] = {}
    for row in tx.execute(query):
        instance = InstanceSeen(
            last_report_us=row.last_report_us,
            last_request_us=row.last_request_us,
            last_success_us=row.last_success_us,
            failures_us=msgspec.json.decode(row.failures_us, type=list[int]),
            ended_us=row.ended_us,
        )
        found.setdefault((row.project_id, row.environment), []).append(instance)
    return found


class Failing(NamedTuple):
    """How far all processes that fail at present have told of it; another value means that there is news."""

    processes: int
    failures: int
    reported_us: int


# Made once, for it is asked several times a second also when nothing happens.
_FAILING = sa.select(
    sa.func.count(),
    sa.func.coalesce(sa.func.sum(schema.instance.c.failure_count), 0),
    sa.func.coalesce(sa.func.max(schema.instance.c.last_report_us), 0),
).where(schema.instance.c.failures_us != "[]")


def failing(tx: Tx) -> Failing:
    return Failing(*(int(value) for value in tx.execute(_FAILING).one()))


def subjects(tx: Tx, project_id: int, issue_ids: Collection[str]) -> dict[str, Subject]:
    """How issues are called, by their ids; those that are gone are missing."""
    issue, project = schema.issue.c, schema.project.c
    wanted, found = sorted(issue_ids), {}
    for start in range(0, len(wanted), 500):
        query = (
            sa.select(issue.id, project.slug, issue.number, issue.title, issue.culprit)
            .join_from(schema.issue, schema.project, project.id == issue.project_id)
            .where(issue.project_id == project_id, issue.id.in_(wanted[start : start + 500]))
        )
        for row in tx.execute(query):
            found[row.id] = Subject(f"{row.slug.upper()}-{row.number}", row.title, row.culprit)
    return found


def subject(tx: Tx, project_id: int, issue_id: str) -> Subject | None:
    return subjects(tx, project_id, [issue_id]).get(issue_id)


def project_name(tx: Tx, project_id: int) -> str:
    return str(tx.execute(sa.select(schema.project.c.name).where(schema.project.c.id == project_id)).scalar_one())


def are_changes_waiting(tx: Tx) -> bool:
    return (
        tx.execute(sa.select(schema.change.c.id).where(schema.change.c.claimed_us.is_(None)).limit(1)).first()
        is not None
    )


def event_counts(tx: Tx, project_id: int, issue_ids: Collection[str]) -> dict[str, int]:
    """How many events each issue has."""
    c = schema.issue.c
    found: dict[str, int] = {}
    wanted = sorted(issue_ids)
    for start in range(0, len(wanted), 500):
        query = sa.select(c.id, c.event_count).where(c.project_id == project_id, c.id.in_(wanted[start : start + 500]))
        found |= {row.id: row.event_count for row in tx.execute(query)}
    return found
