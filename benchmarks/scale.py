"""
Do digest and the pages stay as fast with a million stored events as with a thousand? On SQLite.

`python -m benchmarks scale` fills two databases with believable rows and asks both the same, in turn. UKEMI_BENCH_EVENTS sets
how many events the large one holds (100,000; a million takes some minutes and 3 GB).
"""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.events import large_event
from ukemi.collector.alerts import rules_file
from ukemi.collector.core.clock import DAY_US, SystemClock
from ukemi.collector.digest.worker import Digest
from ukemi.collector.settings import Settings
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import accounts, bodies, migrate, projects
from ukemi.collector.store.database import Database
from ukemi.collector.web.app import create_app
from ukemi.collector.web.security import COOKIE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

EVENTS = int(os.environ.get("UKEMI_BENCH_EVENTS", "100000"))
SMALL = 1_000
EVENTS_PER_ISSUE = 100
LEAST_ISSUES = 100
"""So that both show a full page of them."""
DAYS = 30
ROUNDS = 30
DIGEST_ROUNDS, DIGEST_EVENTS = 10, 200
_WORDS = "payment order basket member invoice refund session booking login search template cache queue export".split()
_KINDS = "ValueError KeyError TimeoutError OperationalError PermissionError TypeError ConnectionError".split()


class Filled:
    """A database with its spool, and the pages over it."""

    def __init__(self, folder: Path, events: int) -> None:
        folder.mkdir()
        self.events = events
        self.path = folder / "ukemi.db"
        self.database = Database(f"sqlite:///{self.path}")
        migrate.upgrade(self.database)
        self.clock = SystemClock()
        now_us = self.clock.now_us()
        with self.database.write() as tx:
            projects.create(tx, "Shop", now_us, 90, 30)
            owner = accounts.ensure_account(tx, "owner@localhost", "owner", now_us)
            token = accounts.start_session(tx, owner, now_us)
        self.issues = _fill(self.path, events, now_us)
        self.writer = SpoolWriter(folder / "spool" / "spool.db", max_bytes=1 << 32)
        self.reader = SpoolReader(folder / "spool" / "spool.db")
        self.digest = Digest(self.database, self.reader, b"k" * 32)
        settings = Settings(data_dir=folder, base_url="http://testserver")
        app = create_app(self.database, settings, self.clock, rules_file.load(None).rules, ["slack"])
        self.client = TestClient(app, cookies={COOKIE: token})
        self._numbers = count(1)

    def digest_some(self) -> float:
        """Digest DIGEST_EVENTS events of known and some new problems; seconds that it took."""
        items = [_item(next(self._numbers), self.clock.now_us()) for _ in range(DIGEST_EVENTS)]
        asyncio.run(self.writer.append(items))
        began_s = time.perf_counter()
        while self.digest.step(self.clock):
            pass
        return time.perf_counter() - began_s

    def get(self, path: str) -> float:
        """Milliseconds that a page took."""
        began_s = time.perf_counter()
        answer = self.client.get(path)
        took_ms = (time.perf_counter() - began_s) * 1000
        assert answer.status_code == 200, (path, answer.text[:300])
        return took_ms

    def close(self) -> None:
        self.writer.close()
        self.reader.close()
        self.database.close()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ukemi-scale-") as folder:
        began_s = time.perf_counter()
        small, large = Filled(Path(folder) / "small", SMALL), Filled(Path(folder) / "large", EVENTS)
        size = large.path.stat().st_size
        print(
            f"{SMALL:,} and {EVENTS:,} events of {len(small.issues):,} and {len(large.issues):,} issues, "
            f"filled in {time.perf_counter() - began_s:.0f} s; {size / 1e9:.2f} GB, {size / EVENTS / 1024:.1f} KB an event\n"
        )
        both = (small, large)
        for one in both:
            one.digest_some()
            with contextlib.closing(sqlite3.connect(one.path)) as connection:  # explanations as digest writes them
                connection.execute("UPDATE issue SET grouping = (SELECT min(grouping) FROM issue)")
                connection.commit()
        rates = [[DIGEST_EVENTS / one.digest_some() for one in both] for _ in range(DIGEST_ROUNDS)]
        digest = [statistics.median(rate[place] for rate in rates) for place in (0, 1)]
        print(f"{'':<28}{'small':>12}{'large':>12}{'ratio':>8}{'large p95':>12}")
        print(f"{'digest, events/s':<28}{digest[0]:>12.0f}{digest[1]:>12.0f}{digest[0] / digest[1]:>8.2f}")
        for name, path in _pages().items():
            times = [[one.get(path(one)) for one in both] for _ in range(ROUNDS)]
            median = [statistics.median(each[place] for each in times) for place in (0, 1)]
            p95 = statistics.quantiles([each[1] for each in times], n=20)[-1]
            print(f"{name + ', ms':<28}{median[0]:>12.1f}{median[1]:>12.1f}{median[1] / median[0]:>8.2f}{p95:>12.1f}")
        for one in both:
            one.close()


def _pages() -> dict[str, Callable[[Filled], str]]:
    return {
        "issues": lambda _: "/issues",
        "issues, all": lambda _: "/issues?q=is:any",
        "issues of a project": lambda _: "/issues?project=1",
        "search common text": lambda _: "/issues?q=payment",
        "search rare text": lambda _: "/issues?q=is:any+ÜBERMÄßIG",
        "search text of none": lambda _: "/issues?q=is:any+nowhere-to-be-found",
        "search common tag": lambda _: "/issues?q=level:error",
        "search rare tag": lambda _: "/issues?q=is:any+order:only-one",
        "search user": lambda _: "/issues?q=is:any+user.id:7",
        "issue": lambda one: f"/projects/1/issues/{one.issues[0]}",
        "issue, quiet": lambda one: f"/projects/1/issues/{one.issues[-1]}",
        "alerts": lambda _: "/alerts",
        "projects": lambda _: "/projects",
    }


def _fill(path: Path, events: int, now_us: int) -> list[str]:
    """Rows as digest would have written them; returns ids of issues, the commonest first."""
    choose = random.Random(3)
    issues = max(LEAST_ISSUES, events // EVENTS_PER_ISSUE)
    ids = [f"{choose.getrandbits(64):016x}" for _ in range(issues)]
    packed = [bodies.compress(json.dumps(_small_event(number)).encode()) for number in range(200)]
    titles = [
        f"{choose.choice(_KINDS)}: {choose.choice(_WORDS)} {number} failed in {choose.choice(_WORDS)}"
        for number in range(issues)
    ]
    titles[issues // 2] = "ValueError: übermäßig langer Name"
    per_user = max(1, events // 20)

    def rows() -> Any:
        for number in range(events):
            issue = min(int(choose.paretovariate(0.9)) - 1, issues - 1) if number >= issues else number
            received_us = now_us - int((1 - number / events) * DAYS * DAY_US)
            level = "error" if issue % 10 else "warning"
            environment = "production" if number % 5 else "staging"
            yield (
                1, received_us // DAY_US, number.to_bytes(16, "big"), ids[issue], received_us, received_us, "server", level,
                environment, f"shop@1.{number * 20 // events}", titles[issue], f"id:{choose.randrange(per_user)}", packed[number % 200],
            )  # fmt: skip

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -200000")
    connection.execute("BEGIN IMMEDIATE")
    names = "project_id, received_day, id, issue_id, received_us, occurred_us, key_kind, level, environment, release, title, user_key, body"
    connection.executemany(f"INSERT INTO event ({names}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", rows())
    columns = {row[1] for row in connection.execute("PRAGMA table_info(issue)")}
    found = connection.execute(
        """SELECT issue_id, min(received_us), max(received_us), count(*), count(DISTINCT user_key) FROM event GROUP BY issue_id"""
    ).fetchall()
    place = {issue: number for number, issue in enumerate(ids)}
    for issue, first_us, last_us, total, users in found:
        number = place[issue]
        row = {
            "project_id": 1, "id": issue, "number": number + 1, "status": "resolved" if number % 7 == 3 else "open",
            "level": "error" if number % 10 else "warning", "title": titles[number], "title_folded": titles[number].casefold(),
            "culprit": f"shop.part_{number} in step", "culprit_folded": f"shop.part_{number} in step", "platform": "python",
            "key_kind": "server", "grouping": "{}",
            "first_release": "shop@1.0", "first_seen_us": first_us, "last_seen_us": last_us, "event_count": total, "user_count": users,
        }  # fmt: skip
        row = {name: value for name, value in row.items() if name in columns}
        connection.execute(
            f"INSERT INTO issue ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
        )
    for statement in (
        "UPDATE project SET issue_counter = (SELECT max(number) FROM issue)",
        "INSERT INTO issue_user SELECT project_id, issue_id, user_key, max(received_us) FROM event GROUP BY 1, 2, 3",
        *(
            f"INSERT INTO issue_tag SELECT project_id, issue_id, '{tag}', {tag}, count(*), max(received_us) FROM event GROUP BY 1, 2, 4"
            for tag in ("level", "environment", "release")
        ),
        *(
            f"""INSERT INTO issue_tag SELECT project_id, issue_id, '{tag}', 'value ' || (rowid % {values}), count(*), max(received_us)
                FROM event GROUP BY 1, 2, 4"""
            for tag, values in (("browser", 5), ("os", 4), ("domain", 3), ("server_name", 8))
        ),
        f"INSERT INTO issue_tag VALUES (1, '{ids[issues // 3]}', 'order', 'only-one', 1, 0)",
        *(
            f"""INSERT INTO rollup SELECT project_id, {width_s}, received_us / {width_s * 10**6} * {width_s * 10**6}, issue_id,
                environment, release, count(*) FROM event WHERE received_us > {now_us - days * DAY_US} GROUP BY 1, 2, 3, 4, 5, 6"""
            for width_s, days in ((60, 14), (3600, 90), (86400, 730))
        ),
        """INSERT INTO outcome SELECT project_id, received_us / 60000000 * 60000000, 'error', 'accepted', '', count(*)
           FROM event GROUP BY 1, 2""",
        """INSERT INTO change (project_id, issue_id, kind, at_us, detail, actor, claimed_us)
           SELECT project_id, id, 'new', first_seen_us, '{}', '', first_seen_us FROM issue""",
    ):
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.close()
    common = sorted(found, key=lambda row: -row[3])
    return [row[0] for row in common]


def _small_event(number: int) -> dict[str, Any]:
    """Few frames, since the benchmark's texts are random and compress worse than real ones."""
    event = large_event(number)
    (error,) = event["exception"]["values"]
    error["stacktrace"]["frames"] = error["stacktrace"]["frames"][-4:]
    return event | {"breadcrumbs": {"values": event["breadcrumbs"]["values"][:5]}}


def _item(number: int, received_us: int) -> SpoolItem:
    event = large_event(number % 500) | {"event_id": f"{number:032x}"}
    return SpoolItem(
        position=0,
        lane=Lane.EVENTS,
        received_us=received_us,
        project_id=1,
        key_kind="server",
        item_type="event",
        event_id=event["event_id"],
        context=msgspec.json.encode(ItemContext()),
        payload=json.dumps(event).encode(),
    )


if __name__ == "__main__":
    main()
