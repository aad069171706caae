"""Stands between a client and the collector: passes everything on as it is, and remembers what was sent."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from ukemi.protocol.compression import decode
from ukemi.protocol.envelope import Envelope, parse_envelope

_HOP = {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "accept-encoding"}


class Recorder:
    def __init__(self, target: str) -> None:
        self.target = target
        self.bodies: list[bytes] = []
        """Decoded, in the order they came."""
        self.statuses: list[int] = []
        self.url = ""

    @property
    def envelopes(self) -> list[Envelope]:
        return [parse_envelope(body) for body in self.bodies]

    def dsn(self, dsn: str) -> str:
        """The DSN that leads here instead of to the collector."""
        return re.sub(r"@[^/]+", "@" + self.url.removeprefix("http://"), dsn)


@contextmanager
def recording(target: str) -> Iterator[Recorder]:
    """A recorder in front of the collector at `target`."""
    recorder = Recorder(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self._body()
            recorder.bodies.append(decode(body, self.headers.get("content-encoding", ""), 100 << 20))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            answer = httpx.post(target + self.path, content=body, headers=headers, trust_env=False)
            recorder.statuses.append(answer.status_code)
            self._answer(answer)

        def do_OPTIONS(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            self._answer(httpx.options(target + self.path, headers=headers, trust_env=False))

        def _answer(self, answer: httpx.Response) -> None:
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP | {"content-encoding"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("transfer-encoding", ""):
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
