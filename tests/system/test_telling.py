"""Whatever is killed, each change of an incident is told at least once, in order, and twice only under the same id."""

import pytest

from tests.system.telling import Telling


@pytest.fixture
def start_telling(start_collector, tmp_path, free_port):
    started = []

    def start(url: str | None, **options: int) -> Telling:
        started.append(Telling(start_collector, tmp_path, free_port, url, routes=20, seed=4, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_killing_worker_and_channel_server_leaves_no_change_untold(start_telling, database_kind, request):
    url = request.getfixturevalue("postgres_server").emptied() if database_kind == "postgresql" else None
    telling = start_telling(url)

    with telling.killing(pause_s=2):
        telling.open_incidents(40)
    telling.settle()

    figures = telling.judge()
    assert figures["incidents"] >= 40
    assert telling.kills["worker"] >= 1


def test_of_two_collectors_on_one_database_one_judges_and_tells(start_telling, postgres_server):
    """Both take in what is sent to them, yet each change is made once and told once; and one goes on for the other."""
    telling = start_telling(postgres_server.emptied(), nodes=2)
    telling.open_incidents(20)
    telling.settle()
    figures = telling.judge()
    assert (figures["repeated at the webhook"], figures["repeated at PagerDuty"]) == (0, 0)

    telling.stop_node()
    telling.open_incidents(40)
    telling.settle()

    assert telling.judge()["incidents"] >= 40
