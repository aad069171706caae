"""A back-test on stored rows finds exactly the incidents that live evaluation opened."""

from collections import Counter

from tests.contract.recorded import Life
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.store.database import Database


def test_a_backtest_finds_what_live_evaluation_found(database: Database, project: object, clock: VirtualClock) -> None:
    """Error rates, latencies, runs, silence, attacks and issues, with starts of the collector in between."""
    life = Life(database, clock, seed=7)

    life.live(hours=1.2)

    opened = life.opened()
    assert life.replayed() == opened
    rules = Counter(rule for rule, *_ in opened)
    assert len(rules) >= 4, rules
