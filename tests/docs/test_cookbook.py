"""Every recipe of the cookbook, back-tested: on a history that must fire it, and on one that must not."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import pytest

from tests.docs.pages import Page
from ukemi.collector.alerts import rules_file
from ukemi.collector.core.backtest import backtest
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.evaluate import Seen
from ukemi.collector.core.failure_run import ServiceSeen
from ukemi.collector.core.judge import Watched
from ukemi.collector.core.observation import (
    TICK_US,
    EventCount,
    EventKind,
    Observation,
    Service,
    Traffic,
    request,
    tick_of,
)
from ukemi.collector.core.rule import Rule
from ukemi.protocol.vocabulary import latency_bin

START_US = 1_767_225_600_000_000
HOUR_S = 3600.0
RECIPES = [
    rules_file.parse(block).rules
    for block in Page.read("docs/how-to/alert-cookbook.md").snippets("toml")
    if "[[rule]]" in block
]


class Past:
    """A history that was never stored: what `core.backtest.History` asks for."""

    def __init__(self) -> None:
        self._rows: list[Observation] = []
        self._services: list[tuple[int, Mapping[tuple[int, str], ServiceSeen]]] = []
        self.until_us = START_US

    def served(
        self,
        from_s: float,
        until_s: float,
        good: int,
        bad: float = 0,
        *,
        route: str = "GET /shop",
        ms: float = 50.0,
        release: str = "1.0",
        source: str = "requests",
        every_s: float = 10.0,
    ) -> None:
        """So many requests, and of failures so many in the mean, every so often."""
        owed, at_s = 0.0, from_s
        while at_s < until_s:
            owed += bad
            traffic = Traffic()
            for count, failed in ((good, False), (int(owed), True)):
                if count:
                    traffic.add(request({latency_bin(ms): float(count)}, count=count, failed=failed))
            owed -= int(owed)
            self._add(at_s, release, source, traffic={"" if source == "sessions" else route: traffic})
            at_s += every_s

    def happened(self, at_s: float, count: int, *, users: int = 0, issue: str = "a", domain: str = "") -> None:
        """So many errors of one issue, of so many different users."""
        kind = EventKind(issue, "error", domain, False, "server")
        names = [f"{at_s}-{number}" for number in range(users)]
        self._add(at_s, "1.0", "events", events=[(kind, EventCount(count, names))])

    def stood(self, at_s: float, seen: ServiceSeen) -> None:
        self._services.append((_us(at_s), {(1, "production"): seen}))
        self.until(at_s)

    def until(self, at_s: float) -> None:
        self.until_us = max(self.until_us, _us(at_s))

    def _add(self, at_s: float, release: str, source: str, **what: object) -> None:
        self._rows.append(Observation(tick_of(_us(at_s)), Service(1, "production", release), source, **what))
        self.until(at_s + 20)

    # --- what a back-test asks for ---

    def begin_us(self) -> int:
        self._rows.sort(key=attrgetter("tick_us"))
        return START_US + TICK_US

    def pauses(self, after_us: int) -> list:
        return []

    def listening_since_us(self, at_us: int) -> int:
        return START_US - 86_400 * SECOND_US

    def services_at(self, at_us: int) -> dict[tuple[int, str], ServiceSeen]:
        return {}

    def services(self, after_us: int, until_us: int) -> Sequence[tuple[int, Mapping[tuple[int, str], ServiceSeen]]]:
        return self._services

    def changes(self, after_us: int, until_us: int) -> Sequence[tuple[int, Mapping[tuple[int, str], Sequence[Seen]]]]:
        return []

    def observations(self, after_us: int, until_us: int) -> Sequence[Observation]:
        after, until = (bisect_right(self._rows, at_us, key=attrgetter("tick_us")) for at_us in (after_us, until_us))
        return self._rows[after:until]


def _us(at_s: float) -> int:
    return START_US + round(at_s * SECOND_US)


Story = Callable[[Past], None]


def fails(share: float, hours: float, requests: int = 100, **about: object) -> Story:
    """A share of the requests, all the time."""

    def tell(past: Past) -> None:
        bad = share * requests
        past.served(0, hours * HOUR_S, round(requests - bad), bad, **about)

    return tell


def all_of(*stories: Story) -> Story:
    def tell(past: Past) -> None:
        for story in stories:
            story(past)

    return tell


def pays(every_s: float, until_s: float) -> Story:
    return lambda past: past.served(0, until_s, 1, route="POST /api/payments/charge", every_s=every_s)


def imports(*days: float) -> Story:
    def tell(past: Past) -> None:
        for day in days:
            past.happened(day * 86_400 + HOUR_S, 1, domain="import")
        past.until(26 * HOUR_S + HOUR_S)

    return tell


def explodes(usual: int) -> Story:
    """So many in five minutes for a day, then sixty."""

    def tell(past: Past) -> None:
        for number in range(288):
            past.happened(number * 300, usual)
        past.happened(86_400, 60)

    return tell


def hits(users: int, events: int) -> Story:
    return lambda past: past.happened(60, events, users=users)


def runs(length: int) -> Story:
    return lambda past: past.stood(60, ServiceSeen(run=length, live=2, last_report_us=_us(59)))


WELL = fails(0, 1, requests=500)
FIRES: list[tuple[str, Story, set[str]]] = [
    # a rule or step, what happened, and all that the recipe's rules then open
    ("error budget burns", fails(0.003, 3), {"error budget burns"}),
    ("error budget burns fast", fails(0.01, 3), {"error budget burns fast"}),
    ("error budget is going up in flames", fails(0.03, 1), {"error budget is going up in flames"}),
    ("a release fails", all_of(WELL, fails(0.08, 0.2, 20, release="2.0")), {"a release fails"}),
    ("a release fails badly", all_of(WELL, fails(0.6, 0.2, 20, release="2.0")), {"a release fails badly"}),
    ("a release crashes", fails(0.025, 0.5, 40, source="sessions", release="2.0"), {"a release crashes"}),
    ("a release is slow", fails(0, 0.2, release="2.0", ms=2000), {"a release is slow"}),
    ("nobody pays any more", all_of(fails(0, 3), pays(120, 2 * HOUR_S)), {"nobody pays any more"}),
    ("the nightly import told nothing", imports(0), {"the nightly import told nothing"}),
    (
        "search fails more than it always does",
        fails(0.3, 0.5, route="GET /api/search/{what}"),
        {"search fails more than it always does"},
    ),
    ("a payment route fails", all_of(WELL, fails(0.3, 0.1, 3, route="POST /api/payments")), {"a payment route fails"}),
    ("high error rate", all_of(WELL, fails(0.4, 0.1, 100)), {"high error rate"}),
    ("urgent error rate", fails(0.2, 0.1), {"urgent error rate"}),
    ("a known error explodes", explodes(usual=1), {"a known error explodes"}),
    ("an error hits many users", hits(users=25, events=25), {"an error hits many users"}),
    ("API downtime", runs(10), {"API downtime"}),
]
IS_QUIET: list[tuple[str, Story]] = [
    ("error budget burns", fails(0.0005, 3)),
    ("a release fails", all_of(WELL, fails(0.01, 0.2, 20, release="2.0"))),
    ("a release crashes", fails(0.005, 0.5, 40, source="sessions", release="2.0")),
    ("a release is slow", fails(0, 0.2, release="2.0", ms=1400)),
    ("nobody pays any more", all_of(fails(0, 4), pays(120, 2 * HOUR_S), pays(1700, 4 * HOUR_S))),
    ("the nightly import told nothing", imports(0, 1)),
    ("search fails more than it always does", fails(0.1, 0.5, route="GET /api/search/{what}")),
    ("a payment route fails", all_of(fails(0.5, 0.5), fails(0, 0.5, 3, route="POST /api/payments"))),
    (
        "high error rate",
        all_of(WELL, fails(1, 0.5, route="GET /api/search/{what}"), fails(1, 0.5, route="POST /webhooks/x")),
    ),
    ("a known error explodes", explodes(usual=7)),
    ("an error hits many users", hits(users=24, events=2000)),
    ("API downtime", runs(9)),
]


def recipe_of(name: str) -> list[Rule]:
    (found,) = [rules for rules in RECIPES if name in names_of(rules)]
    return found


def names_of(rules: Sequence[Rule]) -> list[str]:
    return [name for rule in rules for name in (rule.name, *(step.name for step in rule.steps))]


def told(rules: Sequence[Rule], story: Story) -> set[str]:
    past = Past()
    story(past)
    found = backtest([Watched(rule) for rule in rules], past, START_US, past.until_us, warm_up_us=0)
    return {one.name for one in found}


@pytest.mark.parametrize(("name", "story", "expected"), FIRES, ids=[name for name, *_ in FIRES])
def test_a_recipe_fires_when_it_must_and_its_neighbours_stay_quiet(name: str, story: Story, expected: set[str]) -> None:
    assert told(recipe_of(name), story) == expected


@pytest.mark.parametrize(("name", "story"), IS_QUIET, ids=[name for name, _ in IS_QUIET])
def test_a_recipe_is_quiet_when_it_must_be(name: str, story: Story) -> None:
    rules = recipe_of(name)
    assert name not in told(rules, story)
    assert not told([rule for rule in rules if rule.name == name], story)


def test_every_recipe_was_tried_both_ways() -> None:
    assert sorted(names_of([rule for rules in RECIPES for rule in rules])) == sorted(name for name, *_ in FIRES)
    assert sorted(rule.name for rules in RECIPES for rule in rules) == sorted(name for name, _ in IS_QUIET)
