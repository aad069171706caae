"""The channel for everything that Apprise speaks, against a local server that Apprise tells by json://."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.apprise import Apprise
from ukemi.collector.notify.channels.base import Telling
from ukemi.collector.notify.errors import BadChannel, Undeliverable

# Apprise asks the standard library for modules that Python 3.13 no longer has, and makes do.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SECRET_PATH = "/room/5f9c1d2e8a7b"


class Room:
    """A web server that notes what it is told and answers with `status`; a redirect leads to another of its paths."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, bytes]] = []
        self.status = 200
        room = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                room.received.append((self.command, self.path, body))
                self.send_response(room.status)
                if 300 <= room.status < 400 and self.path != "/inside":
                    self.send_header("Location", "/inside")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def room() -> Iterator[Room]:
    opened = Room()
    yield opened
    opened.stop()


def telling(reason: Reason = Reason.OPENED, title: str = "API downtime in production") -> Telling:
    content = Content(
        "4f9c", reason, "critical", "API downtime", title, "10 failures.", "Shop", "production", "", "https://u/1", 1
    )
    return Telling("n1", content)


@pytest.mark.parametrize(
    ("reason", "kind", "begins"),
    [(Reason.OPENED, "failure", "critical: "), (Reason.CLOSED, "success", "resolved: ")],
)
def test_a_service_is_told_what_happened_and_where_to_look(room: Room, reason: Reason, kind: str, begins: str) -> None:
    Apprise(f"json://{room.address}{SECRET_PATH}").send(telling(reason), 1)
    ((_, path, body),) = room.received
    told = json.loads(body)
    assert (path, told["type"], told["title"]) == (SECRET_PATH, kind, f"{begins}API downtime in production")
    assert told["message"] == "10 failures.\nhttps://u/1"


def test_several_services_are_told(room: Room) -> None:
    Apprise(f"json://{room.address}/a json://{room.address}/b").send(telling(), 1)
    assert sorted(path for _, path, _ in room.received) == ["/a", "/b"]


@pytest.mark.parametrize("status", [302, 307, 429, 500, 503])
def test_what_a_service_does_not_take_is_tried_again_and_no_redirect_is_followed(room: Room, status: int) -> None:
    """Apprise's own habit is to follow: then a service could lead it inside, and what arrived nowhere seemed told."""
    room.status = status
    with pytest.raises(Undeliverable) as refusal:
        Apprise(f"json://{room.address}{SECRET_PATH}").send(telling(), 1)
    assert refusal.value.retry
    assert SECRET_PATH not in str(refusal.value)
    assert {path for _, path, _ in room.received} == {SECRET_PATH}


def test_a_service_that_cannot_be_reached_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Undeliverable) as refusal:
        Apprise(f"json://127.0.0.1:{port}{SECRET_PATH}").send(telling(), 1)
    assert refusal.value.retry


def test_a_title_of_a_stranger_stays_one_line(room: Room) -> None:
    Apprise(f"json://{room.address}/").send(telling(title="x\r\nBcc: y\x00 " + "z" * 10_240), 1)
    ((_, _, body),) = room.received
    title = json.loads(body)["title"]
    assert "\n" not in title
    assert len(title) <= 200


def test_a_url_that_apprise_does_not_know_is_named_by_its_place_alone() -> None:
    with pytest.raises(BadChannel, match="number 2") as wrong:
        Apprise("json://127.0.0.1/ nonsense://secret-token")
    assert "secret-token" not in str(wrong.value)
