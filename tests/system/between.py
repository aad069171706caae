"""Stands between an app and a collector: sees what leaves the app, and hands it on."""

import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli
import httpx


class Between:
    def __init__(self, target: str) -> None:
        """
        Args:
            target: URL of the collector.
        """
        self._onwards = httpx.Client(base_url=target, timeout=30)
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer comes 40 ms later than the collector's
            wbufsize = 1 << 16

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                times = between.times(
                    str(self.headers).encode(), _decoded(body, self.headers.get("content-encoding", ""))
                )
                if not times:
                    self.close_connection = True  # without an answer
                    return
                own = ("host", "content-length", "connection")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
                for _ in range(times):
                    answer = between._onwards.post(self.path, content=body, headers=headers)
                self.send_response(answer.status_code)
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def times(self, headers: bytes, body: bytes) -> int:
        """How often a request is handed on: once, or what a subclass makes of its headers and its decoded body."""
        return 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._onwards.close()


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return zlib.decompress(body, 16 + zlib.MAX_WBITS)
    if encoding == "br":
        return brotli.decompress(body)
    assert encoding in ("", "identity")
    return body
