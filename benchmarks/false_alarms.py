"""
False alarms: how often an error-rate rule fires in a day for a service that is well, and how soon for one that is not.

Plain "> 5 %" over five minutes beside the shipped rule, both judged by the collector's own evaluator on simulated traffic.
"""

import random

from ukemi.collector.core.judge import Judge, Watched
from ukemi.collector.core.observation import TICK_US, Observation, Service, Traffic, request
from ukemi.collector.core.rule import RatioCondition, Rule

START_US = 1_767_225_600_000_000
SERVICE = Service(1, "production", "1.0")
DAY_TICKS = 8640
PLAIN = Rule(
    "plain",
    "high",
    RatioCondition(above=0.05, confidence=0, min_requests=1, min_failures=1),
    ends_below=1,
    ends_after_s=0,
)
OURS = Rule("ours", "high", RatioCondition(above=0.05))


def main() -> None:
    print("requests/min  true rate   incidents a day: plain   ours   first told after: plain    ours")
    for per_minute in (20, 60, 300):
        for rate in (0.02, 0.04, 0.08, 0.20):
            plain, ours = simulate(per_minute, rate, days=3)
            print(
                f"{per_minute:12}  {rate:8.0%}   {plain[0]:22.1f} {ours[0]:6.1f}   {_wait(plain[1]):>23} {_wait(ours[1]):>7}",
                flush=True,
            )


def simulate(per_minute: int, rate: float, days: int) -> list[tuple[float, float | None]]:
    """For each rule: incidents a day, and seconds until the first one."""
    chance = random.Random(1)
    judge = Judge([Watched(PLAIN), Watched(OURS)], {})
    rows: dict[int, Observation] = {}

    def read(after_us: int, until_us: int) -> list[Observation]:
        return [
            rows[at_us] for at_us in range(max(after_us, START_US) + TICK_US, until_us + 1, TICK_US) if at_us in rows
        ]

    opened: dict[str, list[int]] = {"plain": [], "ours": []}
    for tick in range(1, days * DAY_TICKS):
        at_us = START_US + tick * TICK_US
        count = sum(chance.random() < per_minute / 60 for _ in range(10)) if per_minute < 60 else per_minute // 6
        failed = sum(chance.random() < rate for _ in range(count))
        traffic = Traffic()
        traffic.add(request({}, count=count - failed))
        traffic.add(request({}, count=failed, failed=True))
        if count:
            rows[at_us] = Observation(at_us, SERVICE, "requests", traffic={"GET /": traffic})
        rows.pop(at_us - 40 * TICK_US, None)
        for one in judge.tick(at_us, read):
            if one.verdict.transition == "opened":
                opened[one.rule.name].append(tick * 10)
    return [(len(times) / days, times[0] if times else None) for times in opened.values()]


def _wait(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    main()
