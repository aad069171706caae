"""
A connection that is kept to the server: an item is one write and one answer.

urllib3 spends a fifth of a millisecond on each, most of what sending a transaction costs (benchmarks/sending.py).
Whatever is not plain (proxies, redirects, a server that cannot be reached or has no good certificate) is left to it.
"""

import os
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

_MAX_ANSWER: Final = 1 << 16
"""Bytes. Who answers with more is not read to the end, and gets a new connection next time."""
_PORTS: Final = {"http": 80, "https": 443}

To = tuple[str, str, int]
"""Scheme, host, port."""


class Line:
    """For one thread at a time."""

    def __init__(self, make_context: Callable[[], ssl.SSLContext]) -> None:
        """
        Args:
            make_context: whom to trust; called when the first connection with TLS is made.
        """
        self._make_context = make_context
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._to: To | None = None
        self._pid = os.getpid()

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Any:
        """
        The answer, as sentry-sdk reads it (`status`, `headers`, `data`, `close`); None when urllib3 shall try.

        Raises:
            OSError, http.client.HTTPException: the connection broke. Whether the item arrived, nobody knows.
        """
        parts = urlsplit(url)
        lines = [f"POST {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Accept-Encoding: identity", f"Content-Length: {len(body)}"]
        if parts.scheme not in _PORTS or not parts.hostname or any("\r" in line or "\n" in line for line in lines):
            return None
        connection = self._connected((parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]), timeout_s)
        if connection is None:
            return None
        is_over = True
        answer: Any = HTTPResponse(connection, method="POST")
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # who refuses an item may say why before it was read
                connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            answer.begin()
            answer.data = answer.read(_MAX_ANSWER)
            is_over = answer.will_close or not answer.isclosed() or answer.status < 200  # another answer follows those
        finally:
            answer.close()
            if is_over:
                self.close()
        return None if 300 <= answer.status < 400 else answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self, to: To, timeout_s: float) -> socket.socket | None:
        is_own = self._to == to and self._pid == os.getpid()  # after a fork, it is the parent's
        if self._socket is None or not is_own or _has_ended(self._socket):
            self.close()
            try:
                self._socket = self._connect(*to, timeout_s)
            except (OSError, ValueError):  # of ssl: a host that no certificate can name
                return None
            self._to, self._pid = to, os.getpid()
        return self._socket

    def _connect(self, scheme: str, host: str, port: int, timeout_s: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout_s)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "http":
                return connection
            self._context = self._context or self._make_context()
            return self._context.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise


def _has_ended(connection: socket.socket) -> bool:
    """Whether the server closed a connection on which it has nothing to say."""
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], 0)[0])
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
