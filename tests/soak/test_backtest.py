"""Seven recorded days: a back-test finds exactly the incidents that live evaluation opened, from envelopes over sockets."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.contract.recorded import Life, Sockets
from tests.contract.running_ingest import RunningIngest
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.store import projects
from ukemi.collector.store.database import Database

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * 3600)]
NOW_US = 1_767_225_600_000_000


@pytest.mark.parametrize("seed", [1])
def test_a_backtest_over_seven_days_finds_what_live_evaluation_found(
    database: Database, tmp_path: Path, seed: int
) -> None:
    with database.write() as tx:
        project = projects.create(tx, "Shop", NOW_US, 90, 30)
        key = projects.create_key(tx, project.id, "server", NOW_US).public_key
    ingest = RunningIngest(database, tmp_path / "spool" / "spool.db", NOW_US, events_per_minute=10_000_000)
    reader = SpoolReader(ingest.spool_path)
    try:
        life = Life(database, ingest.clock, seed, Sockets(database, ingest, reader, key))
        life.live(hours=7 * 24, pauses_s=(5.0, 17.5, 30.0, 55.0))
    finally:
        ingest.stop()
        reader.close()

    opened = life.opened()
    assert life.replayed() == opened
    print(len(opened), Counter(rule for rule, *_ in opened), file=sys.stderr)
