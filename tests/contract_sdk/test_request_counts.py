"""Every request of every process is counted once, however the app is served."""

import shutil
import threading
from pathlib import Path

import httpx
import pytest

from tests.contract_sdk.conftest import GUNICORN, HERE, PRELOADED, UVICORN


def ask_both(url: str) -> int:
    """Ask until two processes have answered; returns how many requests it took."""
    pids: list[int] = []
    while len(set(pids)) < 2:
        assert len(pids) < 40
        asking = [threading.Thread(target=lambda: pids.append(httpx.get(url + "/pid").json())) for _ in range(2)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    return len(pids)


@pytest.mark.parametrize(
    "server",
    [(*UVICORN, "--workers", "2"), PRELOADED, GUNICORN, (*GUNICORN, "--preload")],
    ids=["workers", "preloaded and forked", "gunicorn", "gunicorn, preloaded"],
)
def test_two_processes_are_two_instances_and_their_counts_add_up(tracker, start_shop, server):
    """A counter, a thread or a socket that was made before the fork must not be taken for the worker's own."""
    shop = start_shop(tracker.dsn, *server)
    shop.wait_for_line("Application startup complete", 2)
    asked = ask_both(shop.url)
    for path in ["/ok"] * 10 + ["/async", "/nowhere"]:
        httpx.get(shop.url + path)
    shop.stop()

    assert tracker.counted() == {("/pid", 200): asked, ("/ok", 200): 10, ("/async", 500): 1, ("<unmatched>", 404): 1}
    reports = tracker.last_reports()
    assert len({report.instance.pid for report in reports} - {shop.process.pid}) == len(reports) == 2
    assert all(report.ended for report in reports), "each says that its silence means nothing from now on"
    assert len(tracker.items("event")) == 1


def test_a_reload_ends_one_instance_and_begins_another(tracker, start_shop, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    app = Path(shutil.copy(HERE / "shop.py", source))
    server = (
        "-m",
        "uvicorn",
        "shop:app",
        "--app-dir",
        str(source),
        "--port",
        "0",
        "--reload",
        "--reload-dir",
        str(source),
    )
    shop = start_shop(tracker.dsn, *server)
    shop.wait_for_line("Application startup complete", 1)
    for _ in range(3):
        httpx.get(shop.url + "/ok")
    app.write_text(app.read_text() + "\n# changed\n")
    shop.wait_for_line("Application startup complete", 2)
    httpx.get(shop.url + "/ok")
    shop.stop()

    assert [report.ended for report in tracker.last_reports()] == [True, True]
    assert tracker.counted() == {("/ok", 200): 4}


def test_streams_and_mounted_apps_are_counted_by_their_templates(tracker, start_shop):
    shop = start_shop(tracker.dsn)
    for path in ("/rows", "/inner/items/1", "/inner/items/2", "/inner/fail", "/inner/items/one"):
        httpx.get(shop.url + path)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(shop.url + "/stream")
    shop.stop()

    assert tracker.counted() == {
        ("/rows", 200): 1,
        ("/stream", 500): 1,
        ("/inner/items/{number}", 200): 2,
        ("/inner/items/{number}", 422): 1,
        ("/inner/fail", 500): 1,
    }
    assert len(tracker.items("event")) == 2


def test_a_flood_of_wrong_paths_is_one_line(tracker, start_shop):
    """Who looks for holes asks for thousands of paths; each as a line of its own would push out everything else."""
    shop = start_shop(tracker.dsn)
    with httpx.Client(base_url=shop.url) as client:
        for number in range(200):
            client.get(f"/wp-admin/{number}.php")
            client.get(f"/inner/{number}/.env")
    shop.stop()

    assert tracker.counted() == {("<unmatched>", 404): 400}
    assert tracker.items("event") == []
