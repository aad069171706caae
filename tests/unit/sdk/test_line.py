"""The kept connection sends each item once, reads whatever HTTP allows, and leaves to urllib3 what is not plain."""

import http.client
import os
import shlex
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sentry_sdk

import ukemi.sdk
from ukemi.sdk.line import Line
from ukemi.sdk.transport import UkemiTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of what it was given; b"" closes the connection without a word."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[bytes] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.closes_after_answer = False
        self.answers_after_s = 0.0
        self.scheme = "https" if tls else "http"
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.closed = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._run)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/api/7/envelope/"

    def _run(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            if not self.scheme:
                connection.close()
                return
            self._threads.append(threading.Thread(target=self._serve, args=[connection]))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as talking:
                self.connections += 1
                self._open.append(talking)
                self._talk(talking)
        self.closed.set()

    def _talk(self, connection: socket.socket) -> None:
        while head := _read_until(connection, b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = b""
            while len(body) < length:
                body += connection.recv(length - len(body))
            self.requests.append(head + body)
            time.sleep(self.answers_after_s)
            answer = self.answers.pop(0) if self.answers else OK
            if not answer:
                return
            connection.sendall(answer)
            if self.closes_after_answer:
                return

    def close(self) -> None:
        self.scheme = ""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join(20)
        self._listening.close()


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        byte = connection.recv(1)
        if not byte:
            return b""
        read += byte
    return read


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of 127.0.0.1, and its key; nobody but who is told trusts it."""
    folder = tmp_path_factory.mktemp("certificate")
    made = (folder / "certificate.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tracker"
    names = "-addext subjectAltName=IP:127.0.0.1"
    files = ["-out", str(made[0]), "-keyout", str(made[1])]
    subprocess.run([*shlex.split(f"{command} {names}"), *files], check=True, capture_output=True)
    return made


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def start_server() -> Iterator[type[Server]]:
    started = []

    def start(*arguments) -> Server:
        started.append(Server(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, start_server, tls) -> Server:
    return start_server(tls if request.param == "https" else None)


@pytest.fixture
def line(certificate: tuple[Path, Path]) -> Iterator[Line]:
    line = Line(lambda: ssl.create_default_context(cafile=str(certificate[0])))
    yield line
    line.close()


def post(line: Line, server: Server, body: bytes = b"an item", timeout_s: float = 5.0, **headers: str):
    return line.post(server.url, body, headers, timeout_s)


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


def test_after_a_fork_parent_and_child_have_a_connection_each(server, line):
    """Two that write on one connection garble each other's items, and with TLS break it."""
    assert post(line, server, b"parent").status == 200
    child = os.fork()
    if child == 0:
        status = 0
        with suppress(BaseException):
            status = post(line, server, b"child").status
            line.close()
        os._exit(status == 200)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert post(line, server, b"parent again").status == 200

    assert [request.rpartition(b"\r\n")[2] for request in server.requests] == [b"parent", b"child", b"parent again"]
    assert server.connections == 2


def test_an_answer_that_does_not_come_is_not_waited_for(server, line):
    server.answers_after_s = 0.5
    with pytest.raises(TimeoutError):
        post(line, server, timeout_s=0.1)
    server.answers_after_s = 0.0

    assert (post(line, server).status, server.connections) == (200, 2), "what comes late is nobody else's answer"


def test_what_comes_before_the_answer_is_no_answer_to_the_next_item(server, line):
    server.answers = [b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"]

    assert [post(line, server).status for _ in range(2)] == [103, 200]
    assert server.connections == 2


def test_who_refuses_an_item_before_it_is_read_is_heard(line):
    refusing = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = refusing.accept()
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()  # with bytes that nobody read: the client's write breaks

    thread = threading.Thread(target=refuse)
    thread.start()
    answer = line.post(f"http://127.0.0.1:{refusing.getsockname()[1]}/", b"x" * 5_000_000, {}, 5.0)
    thread.join(10)
    refusing.close()

    assert answer.status == 413


def test_redirects_and_servers_that_cannot_be_reached_are_left_to_urllib3(server, line, free_tcp_port):
    server.answers = [b"HTTP/1.1 308 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"]

    assert post(line, server) is None
    assert line.post(f"{server.scheme}://127.0.0.1:{free_tcp_port}/", b"", {}, 5.0) is None
    assert line.post("ftp://127.0.0.1/", b"", {}, 5.0) is None
    assert post(line, server, header="a\r\nX-Other: b") is None
    assert len(server.requests) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_is_not_trusted_or_of_another_name_gets_no_item(start_server, tls, certificate, host):
    server = start_server(tls)
    trusts = ssl.create_default_context(cafile=str(certificate[0]) if host == "localhost" else None)
    line = Line(lambda: trusts)

    assert line.post(server.url.replace("127.0.0.1", host), b"an item", {}, 5.0) is None
    assert server.requests == []


class TestTransport:
    """What the transport makes of it, in front of real servers."""

    @pytest.fixture
    def start(self, init, monkeypatch, certificate):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

        def start(url: str, **options) -> UkemiTransport:
            scheme, _, rest = url.partition("://")
            dsn = f"{scheme}://{'0' * 32}@{rest.partition('/')[0]}/7"
            init(dsn=dsn, **{"transport": UkemiTransport, "ca_certs": str(certificate[0]), **options})
            transport = sentry_sdk.get_client().transport
            assert isinstance(transport, UkemiTransport)
            return transport

        return start

    def test_events_go_over_one_connection_with_tls_too(self, start, server, start_server):
        start(server.url)
        for number in range(3):
            ukemi.sdk.capture_message(f"hello {number}")
        ukemi.sdk.flush(10)

        assert (len(server.requests), server.connections) == (3, 1)
        assert b"x-sentry-auth: sentry sentry_key=" in server.requests[0].lower()

    def test_who_is_not_trusted_gets_nothing_and_the_loss_is_counted(self, start, start_server, tls):
        server = start_server(tls)
        transport = start(server.url, ca_certs=None)
        ukemi.sdk.capture_message("hello")
        transport._worker.flush(10)

        assert server.requests == []
        assert transport._discarded_events["error", "network_error"] == 1

    def test_a_certificate_of_the_apps_own_is_shown(self, start, start_server, tls, certificate):
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(certificate[0])
        server = start_server(tls)
        start(server.url, cert_file=str(certificate[0]), key_file=str(certificate[1]))
        ukemi.sdk.capture_message("hello")
        ukemi.sdk.flush(10)

        assert len(server.requests) == 1

    @pytest.mark.parametrize("limit", [b"Retry-After: 77", b"X-Sentry-Rate-Limits: 77:error:key"])
    def test_after_429_nothing_is_sent_until_then(self, start, server, limit):
        server.answers = [b"HTTP/1.1 429 Too Many\r\n%s\r\nContent-Length: 0\r\n\r\n" % limit]
        transport = start(server.url)
        ukemi.sdk.capture_message("refused")
        transport._worker.flush(10)
        ukemi.sdk.capture_message("kept back")
        transport._worker.flush(10)

        assert len(server.requests) == 1
        assert transport._discarded_events["error", "ratelimit_backoff"] == 1

    def test_a_redirect_is_followed(self, start, server):
        server.answers = [b"HTTP/1.1 308 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"] * 2
        start(server.url)
        ukemi.sdk.capture_message("hello")
        ukemi.sdk.flush(10)

        assert [request.split()[1] for request in server.requests] == [
            b"/api/7/envelope/",
            b"/api/7/envelope/",
            b"/there",
        ]

    def test_a_proxy_of_the_environment_is_used(self, start, start_server, monkeypatch):
        server, proxy = start_server(), start_server()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        start(server.url)
        ukemi.sdk.capture_message("hello")
        ukemi.sdk.flush(10)

        assert [request.split()[1].decode() for request in proxy.requests] == [server.url]
        assert server.requests == []

    def test_options_of_sockets_are_sentry_sdks(self, start, start_server):
        server = start_server()
        transport = start(server.url, keep_alive=True)
        ukemi.sdk.capture_message("hello")
        ukemi.sdk.flush(10)

        assert len(server.requests) == 1
        assert transport._line._socket is None
