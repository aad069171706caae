"""Seven recorded days: a back-test finds exactly the incidents that live evaluation opened."""

from collections import Counter

import pytest

from tests.contract.recorded import Life
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.store import projects
from ukemi.collector.store.database import Database

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
NOW_US = 1_767_225_600_000_000


@pytest.mark.parametrize("seed", [1])
def test_a_backtest_over_seven_days_finds_what_live_evaluation_found(database: Database, seed: int) -> None:
    with database.write() as tx:
        projects.create(tx, "Shop", NOW_US, 90, 30)
    life = Life(database, VirtualClock(NOW_US), seed)

    life.live(hours=7 * 24, pauses_s=(5.0, 17.5, 30.0, 55.0))

    opened = life.opened()
    assert life.replayed() == opened
    print(Counter(rule for rule, *_ in opened))
