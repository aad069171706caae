"""
A connection that is kept to a server without TLS: an item is one write and one answer.

urllib3 spends a quarter of a millisecond on each, most of what sending a transaction costs (benchmarks/sdk_overhead.py).
Whatever is not plain (TLS, proxies, redirects, a server that cannot be reached) is left to it.
"""

import os
import select
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

_MAX_ANSWER: Final = 1 << 16
"""Bytes. Who answers with more is not read to the end, and gets a new connection next time."""


class Line:
    """For one thread at a time."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._to: tuple[str, int] | None = None
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
        if parts.scheme != "http" or not parts.hostname or any("\r" in line or "\n" in line for line in lines):
            return None
        connection = self._connected((parts.hostname, parts.port or 80), timeout_s)
        if connection is None:
            return None
        is_over = True
        answer: Any = HTTPResponse(connection, method="POST")
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            answer.begin()
            answer.data = answer.read(_MAX_ANSWER)
            is_over = answer.will_close or not answer.isclosed()
        finally:
            answer.close()
            if is_over:
                self.close()
        return None if 300 <= answer.status < 400 else answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self, to: tuple[str, int], timeout_s: float) -> socket.socket | None:
        is_own = self._to == to and self._pid == os.getpid()  # after a fork, it is the parent's
        if self._socket is None or not is_own or _has_ended(self._socket):
            self.close()
            try:
                self._socket = socket.create_connection(to, timeout_s)
            except OSError:
                return None
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._to, self._pid = to, os.getpid()
        return self._socket


def _has_ended(connection: socket.socket) -> bool:
    """Whether the server closed a connection on which it has nothing to say."""
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], 0)[0])
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
