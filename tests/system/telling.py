"""
Incidents by the dozen, told to a channel server, while that server and the worker are killed again and again.

Routes of a service fail a little, then badly, then no more: each is an incident that opens, is upgraded and closes. The clock
is moved on as soon as a tick is judged, so an hour passes in minutes.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import sqlalchemy as sa

INBOX = Path(__file__).with_name("inbox.py")
TICK_S = 10
STEPS = (0.2, 0.9, 0.0)
"""Share of failures: opens, is upgraded, closes."""
RULES = """
version = 1
[severities]
high = ["webhook", "pagerduty"]
critical = ["webhook", "pagerduty"]
[channels.webhook]
kind = "webhook"
url_env = "UKEMI_WEBHOOK_URL"
secret_env = "UKEMI_WEBHOOK_SECRET"
[channels.pagerduty]
kind = "pagerduty"
routing_key_env = "UKEMI_PAGERDUTY_ROUTING_KEY"
url_env = "UKEMI_PAGERDUTY_URL"
[[rule]]
name = "a route fails"
severity = "high"
by = ["environment", "route"]
ends_after_s = 0
cooldown_s = 0
[rule.when]
kind = "ratio"
above = 0.05
window_s = 10
[[rule.steps]]
name = "a route fails badly"
severity = "critical"
above = 0.5
"""


class Inbox:
    """The channel server in a process of its own, and what it wrote down."""

    def __init__(self, port: int, path: Path) -> None:
        self.port, self._path = port, path
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, str(INBOX), str(self.port), str(self._path)])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def received(self, path: str) -> list[dict]:
        """Whole lines, in the order they came; a kill may have cut one."""
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        found = []
        for line in lines:
            with suppress(ValueError):
                found.append(json.loads(line))
        return [one for one in found if one["path"] == path]


class Telling:
    """A collector with its channel server, both of which are killed at random."""

    def __init__(
        self, start_collector, folder: Path, free_port, database_url: str | None, routes: int, seed: int, nodes: int = 1
    ) -> None:
        """
        Args:
            routes: that fail at the same time.
            nodes: collectors that share the database.
        """
        self._random = random.Random(seed)
        self._routes = routes
        self._shift = folder / "shift"
        self._rules = folder / "rules.toml"
        self._rules.write_text(RULES)
        self.inbox = Inbox(free_port(), folder / "inbox.jsonl")
        here = f"http://127.0.0.1:{self.inbox.port}"
        settings = {"database_url": database_url} if database_url else {}
        wanted = dict(
            rules_file=self._rules,
            webhook_url=f"{here}/webhook",
            webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            pagerduty_url=f"{here}/pagerduty",
            pagerduty_routing_key="R" * 32,
            outgoing_allow='["127.0.0.0/8"]',
            clock_shift_file=self._shift,
            **settings,
        )
        self.collectors = [start_collector(**wanted) for _ in range(nodes)]
        self._engine = sa.create_engine(database_url or f"sqlite:///{self.collectors[0].data_dir / 'ukemi.db'}")
        self._instance = f"{seed:032x}"
        self._sequence = 0
        self._moved_s = 0
        self.kills: Counter[str] = Counter()

    def rows(self, query: str) -> list[tuple]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def count(self, what: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {what}")[0][0])

    @contextmanager
    def killing(self, pause_s: float) -> Iterator[None]:
        """Kill the one or the other, so often on average."""
        stopping = threading.Event()

        def run() -> None:
            while not stopping.wait(self._random.expovariate(1 / pause_s)):
                name = self._random.choice(["worker", "channel server"])
                if name == "worker":
                    with suppress(KeyError, psutil.Error):
                        self._random.choice(self.collectors).kill("worker")
                        self.kills[name] += 1
                else:
                    self.inbox.kill()
                    self.kills[name] += 1
                    time.sleep(self._random.uniform(0, 0.5))
                    self.inbox.start()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def open_incidents(self, count: int) -> None:
        """Let routes fail until so many incidents have opened and closed."""
        self._pass_tick()
        while self.count("incident") < count or self.count("incident WHERE closed_us IS NULL"):
            for share in STEPS:
                self._report(share)
                self._pass_tick()

    def settle(self) -> None:
        """Let time pass until nothing waits in the outbox."""
        deadline_s = time.monotonic() + 120
        while self.count("notification WHERE state = 'queued'"):
            assert time.monotonic() < deadline_s, self.rows("SELECT * FROM notification WHERE state = 'queued' LIMIT 5")
            self._move()
            time.sleep(0.2)

    def _report(self, share: float) -> None:
        """One process reports a hundred requests of each route."""
        self._sequence += 1
        failed = round(100 * share)
        routes = [
            {"method": "GET", "route": f"/{number}", "status": status, "count": requests}
            for number in range(self._routes)
            for status, requests in ((500, failed), (200, 100 - failed))
            if requests
        ]
        report = {
            "version": 1,
            "instance": {"id": self._instance},
            "since_request_ms": 1,
            "since_success_ms": 1,
            "buckets": [{"sequence": self._sequence, "age_ms": 0, "routes": routes}],
        }
        payload = json.dumps(report)
        head = json.dumps({"type": "ukemi_request_counts", "length": len(payload)})
        server, key, project = _parts(self.collectors[self._sequence % len(self.collectors)].dsn())
        answer = httpx.post(
            f"{server}/api/{project}/envelope/?sentry_key={key}", content=f"{{}}\n{head}\n{payload}\n", trust_env=False
        )
        assert answer.status_code == 200

    def _pass_tick(self) -> None:
        """Move the clock on to the next tick, once digest has taken what was sent, and wait until that is judged."""
        self._wait(lambda: self.count(f"request_bucket WHERE sequence = {self._sequence}") or not self._sequence)
        self._move()
        now_s = time.time() + self._moved_s
        self._wait(lambda: self._judged_us() >= (now_s - now_s % TICK_S) * 1_000_000)

    def _judged_us(self) -> int:
        return max((row[0] for row in self.rows("SELECT tick_us FROM judging")), default=0)

    def _move(self) -> None:
        self._moved_s += TICK_S
        fresh = self._shift.with_suffix(".new")
        fresh.write_text(str(self._moved_s))
        fresh.replace(self._shift)

    def _wait(self, condition) -> None:
        deadline_s = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline_s, [one.log.read_text()[-3000:] for one in self.collectors]
            time.sleep(0.02)

    def stop_node(self) -> None:
        """The first collector dies with all its processes, and stays away."""
        node = self.collectors.pop(0)
        children = node.children().values()
        node.process.kill()
        node.process.wait()
        psutil.wait_procs(children, timeout=30)

    def judge(self) -> dict[str, int]:
        """Each change was told at least once, in order, and what came twice came under the same id. Returns figures."""
        changes = defaultdict(list)
        for incident, kind in self.rows("SELECT incident_id, kind FROM incident_change ORDER BY id"):
            changes[incident].append(kind)
        assert {len(kinds) for kinds in changes.values()} <= {2, 3}
        evaluations = self.rows("SELECT labels, at_us, state FROM evaluation")
        assert len(evaluations) == len(set(evaluations)) == sum(map(len, changes.values())), "each was made once"
        told = self.inbox.received("/webhook")
        by_incident = defaultdict(list)
        for one in told:
            by_incident[one["body"]["data"]["incident"]].append((one["id"], one["body"]["type"]))
        assert by_incident.keys() == changes.keys()
        for incident, kinds in changes.items():
            # Repetitions come at once, never after the next change, and under the same id: else a run more would show.
            assert [kind for _, kind in _runs(by_incident[incident])] == [f"incident.{kind}" for kind in kinds]
        paged = self.inbox.received("/pagerduty")
        pages = defaultdict(list)
        for one in paged:
            body = one["body"]
            is_upgrade = body.get("payload", {}).get("summary", "").startswith("now critical")
            word = "upgrade" if is_upgrade else body["event_action"]
            pages[body["dedup_key"]].append(word)
        assert pages.keys() == changes.keys()
        for incident, kinds in changes.items():
            wanted = {"opened": "trigger", "upgraded": "upgrade", "closed": "resolve"}
            assert _runs(pages[incident]) == [wanted[kind] for kind in kinds]
        expected = sum(map(len, changes.values()))
        states = dict(self.rows("SELECT state, count(*) FROM notification GROUP BY state"))
        assert states == {"delivered": 2 * expected}
        return {
            "incidents": len(changes),
            "changes": expected,
            "repeated at the webhook": len(told) - expected,
            "repeated at PagerDuty": len(paged) - expected,
            **{f"kills of the {name}": count for name, count in self.kills.items()},
        }

    def close(self) -> None:
        self.inbox.kill()
        self._engine.dispose()


def _runs(told: list) -> list:
    """Without immediate repetitions."""
    return [one for before, one in zip([None, *told], told, strict=False) if one != before]


def _parts(dsn: str) -> tuple[str, str, str]:
    scheme, rest = dsn.split("://")
    key, rest = rest.split("@")
    host, project = rest.split("/")
    return f"{scheme}://{host}", key, project
