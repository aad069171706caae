"""
What judging costs: CPU per minute of a thousand rule instances over fifty endpoints, with traffic on each.

The real judge on a real SQLite database, tick by tick on a virtual clock; the traffic is written before each tick and its
cost is left out.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from ukemi.collector import logs
from ukemi.collector.alerts.rules_file import RuleSet
from ukemi.collector.alerts.worker import Alerts
from ukemi.collector.core.clock import SECOND_US, VirtualClock
from ukemi.collector.core.observation import Service, Traffic, request
from ukemi.collector.core.rule import PercentileCondition, RatioCondition, Rule
from ukemi.collector.store import migrate, observations, projects
from ukemi.collector.store.database import Database

ENDPOINTS = 50
NOW_US = 1_767_225_600_000_000
MINUTES = 10


def main() -> None:
    logs.configure("error")
    print("rules  endpoints  instances  traffic    CPU per minute, median   worst")
    for name, firing in (("well", 0), ("failing", 5)):
        costs_s = measure(firing)
        print(
            f"{20:5}  {ENDPOINTS:9}  {20 * ENDPOINTS:9}  {name:8}  {median(costs_s):20.3f} s   {max(costs_s):6.3f} s",
            flush=True,
        )


def rules() -> list[Rule]:
    """Twenty, on four windows, half of them on latency."""
    found = []
    for number, window_s in enumerate((60, 120, 300, 600, 3600) * 2):
        ratio = RatioCondition(above=0.02 + number / 100, window_s=window_s)
        slow = PercentileCondition(above_ms=500 + 200 * number, window_s=window_s)
        found.append(Rule(f"errors {number}", "high", ratio, by=["environment", "route"]))
        found.append(Rule(f"slow {number}", "warning", slow, by=["environment", "route"]))
    return found


def measure(firing: int) -> list[float]:
    """Seconds of CPU in each minute; of ten requests of an endpoint and tick, `firing` fail."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'ukemi.db'}")
        migrate.upgrade(database)
        with database.write() as tx:
            projects.create(tx, "Shop", NOW_US, 90, 30)
        clock = VirtualClock(NOW_US)
        alerts = Alerts(database, RuleSet(1, {}, {}, rules()), {}, "http://localhost")
        costs_s = []
        for _ in range(MINUTES):
            spent_s = 0.0
            for _ in range(6):
                _serve(database, clock.now_us(), firing)
                clock.advance(10)
                began_s = time.process_time()
                alerts.step(clock)
                spent_s += time.process_time() - began_s
            costs_s.append(spent_s)
        database.close()
        return costs_s


def _serve(database: Database, now_us: int, firing: int) -> None:
    routes = {}
    for endpoint in range(ENDPOINTS):
        traffic = Traffic()
        bins = {200 + 3 * n + endpoint % 7: 1.0 for n in range(20)}
        traffic.add(request(bins, count=20))
        if firing:
            traffic.add(request({250: float(firing)}, count=firing, failed=True))
        routes[f"GET /endpoint/{endpoint}"] = traffic
    with database.write() as tx:
        place = (Service(1, "production", "1.0"), "requests", now_us + SECOND_US)
        observations.add_traffic(tx, {place: routes})


if __name__ == "__main__":
    main()
