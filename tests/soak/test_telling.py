"""A thousand incidents, told while the worker and the channel server are killed hundreds of times, on both databases."""

import json
import sys
from pathlib import Path

import pytest

from tests.system.telling import Telling

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
INCIDENTS = 1000


@pytest.mark.parametrize("seed", [1])
def test_a_thousand_incidents_are_told_whatever_is_killed(
    start_collector,
    tmp_path: Path,
    free_port,
    database_kind: str,
    request: pytest.FixtureRequest,
    seed: int,
) -> None:
    url = request.getfixturevalue("postgres_server").emptied() if database_kind == "postgresql" else None
    telling = Telling(start_collector, tmp_path, free_port, url, routes=50, seed=seed)
    try:
        with telling.killing(pause_s=2):
            telling.open_incidents(INCIDENTS)
        telling.settle()
        figures = telling.judge()
    finally:
        telling.close()
    print(database_kind, json.dumps(figures), file=sys.stderr)
    assert figures["incidents"] >= INCIDENTS
