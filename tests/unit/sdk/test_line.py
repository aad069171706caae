"""The kept connection sends each item once, reads whatever HTTP allows, and leaves to urllib3 what is not plain."""

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ukemi.sdk.line import Line

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of what it was given; b"" closes the connection without a word."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.closes_after_answer = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.closed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):
                self._serve(connection)
            self.closed.set()

    def _serve(self, connection: socket.socket) -> None:
        while head := _read_until(connection, b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = b""
            while len(body) < length:
                body += connection.recv(length - len(body))
            self.requests.append(head + body)
            answer = self.answers.pop(0) if self.answers else OK
            if not answer:
                return
            connection.sendall(answer)
            if self.closes_after_answer:
                return

    def close(self) -> None:
        self._listening.close()


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        byte = connection.recv(1)
        if not byte:
            return b""
        read += byte
    return read


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def post(line: Line, server: Server, body: bytes = b"an item", **headers: str):
    return line.post(f"http://127.0.0.1:{server.port}/api/7/envelope/", body, headers, 5.0)


def test_items_go_over_one_connection_each_whole(server, line):
    answers = [post(line, server, body, Content_Type="a/b") for body in (b"first", b"", b"x" * 100_000)]

    assert [(answer.status, answer.data) for answer in answers] == [(200, b"{}")] * 3
    assert server.connections == 1
    assert server.requests[0] == (
        b"POST /api/7/envelope/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent_Type: a/b\r\n"
        b"Accept-Encoding: identity\r\nContent-Length: 5\r\n\r\nfirst" % server.port
    )
    assert server.requests[2].endswith(b"\r\n\r\n" + b"x" * 100_000)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}",
    ],
)
def test_answers_are_read_as_http_allows_them(server, line, answer):
    server.answers = [answer, b"HTTP/1.1 204 No Content\r\n\r\n"]

    assert (post(line, server).data, post(line, server).status) == (b"{}", 204)
    assert server.connections == 1


def test_what_the_server_says_of_limits_is_told(server, line):
    server.answers = [b"HTTP/1.1 429 Too Many\r\nX-Sentry-Rate-Limits: 60:error:key\r\nContent-Length: 0\r\n\r\n"]

    answer = post(line, server)

    assert (answer.status, answer.headers.get("x-sentry-rate-limits")) == (429, "60:error:key")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_server_that_ends_the_connection_gets_the_next_item_over_another(server, line, answer):
    server.answers, server.closes_after_answer = [answer], True

    assert post(line, server).status == 200
    assert post(line, server).status == 200
    assert server.connections == 2


def test_a_connection_that_ended_meanwhile_loses_nothing(server, line):
    """Servers end what is idle; an item that is sent then would be lost, for nobody sends it twice."""
    server.closes_after_answer = True
    assert post(line, server).status == 200
    assert server.closed.wait(5)

    assert post(line, server, b"the second").status == 200
    assert server.requests[-1].endswith(b"the second")


def test_a_connection_that_breaks_is_told_and_the_next_item_gets_another(server, line):
    server.answers = [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]
    for _ in range(2):
        with pytest.raises((OSError, http.client.HTTPException)):
            post(line, server)
    server.closes_after_answer = True
    assert post(line, server).data == b"{}"  # cut: the status is known, and nobody reads the rest

    assert post(line, server).status == 200


def test_an_answer_without_end_is_not_read_to_the_end(server, line):
    server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000]

    assert post(line, server).status == 200
    assert post(line, server).data == b"{}"


def test_after_a_fork_the_parents_connection_is_left_alone(server, line, monkeypatch):
    assert post(line, server).status == 200
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert post(line, server).status == 200
    assert server.connections == 2


def test_redirects_tls_and_servers_that_cannot_be_reached_are_left_to_urllib3(server, line, free_tcp_port):
    server.answers = [b"HTTP/1.1 308 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"]

    assert post(line, server) is None
    assert line.post(f"https://127.0.0.1:{server.port}/", b"", {}, 5.0) is None
    assert line.post(f"http://127.0.0.1:{free_tcp_port}/", b"", {}, 5.0) is None
    assert post(line, server, header="a\r\nX-Other: b") is None
    assert len(server.requests) == 1
