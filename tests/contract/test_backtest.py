"""A back-test on stored rows finds exactly the incidents that live evaluation opened."""

from collections import Counter

from tests.contract.recorded import Life, Sockets
from tests.contract.running_ingest import RunningIngest
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.store.database import Database


def test_a_backtest_finds_what_live_evaluation_found(database: Database, project: object, clock: VirtualClock) -> None:
    """Error rates, latencies, runs, silence, attacks and issues, with starts of the collector in between."""
    life = Life(database, clock, seed=7)

    life.live(hours=1.2)

    opened = life.opened()
    assert life.replayed() == opened
    rules = Counter(rule for rule, *_ in opened)
    assert len(rules) >= 4, rules


def test_so_it_does_when_all_of_it_came_over_sockets(
    database: Database, ingest: RunningIngest, spool_reader: SpoolReader, key: str
) -> None:
    """What ingest and digest make of envelopes is what is judged, and what is kept to be judged again."""
    life = Life(database, ingest.clock, seed=7, road=Sockets(database, ingest, spool_reader, key))

    life.live(hours=1.2, pauses_s=(20.0, 30.0))

    opened = life.opened()
    assert life.replayed() == opened
    rules = Counter(rule for rule, *_ in opened)
    assert len(rules) >= 4, rules
