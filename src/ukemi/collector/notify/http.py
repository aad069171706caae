"""
The one client for outgoing requests: resolves a name once and connects to that very address, refuses private ones.

Channel URLs are typed by people, and who may type one must not thereby reach what only this machine can reach. Checking
the name and letting the library resolve it again would leave room for a name server that answers differently twice; so
this client's own network layer resolves, checks and connects, in one step. It follows no redirect, uses no proxy, keeps no
connection, and ends a request after a fixed time, however slowly the other side writes.
"""

import ipaddress
import math
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import msgspec

from ukemi.collector.core.answer import read_answer
from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.notify.errors import Undeliverable

DEADLINE_S: Final = 10.0
"""For a whole request, from resolving the name to the last byte of the answer."""
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_WORDS: Final = 450
LONGEST_RETRY_AFTER_S: Final = 3600.0

Resolver = Callable[..., Sequence[tuple[Any, ...]]]
"""As `socket.getaddrinfo`."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    """At most 64 KiB of it."""
    words: str
    """`202 {"status":"success"}`: for a person who wants to know what came back. Names no URL and no key."""


class OutgoingClient:
    def __init__(
        self,
        allowed: Sequence[IPv4Network | IPv6Network] = (),
        *,
        deadline_s: float = DEADLINE_S,
        resolve: Resolver = socket.getaddrinfo,
    ) -> None:
        """
        Args:
            allowed: private networks that may be reached all the same.
        """
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_keepalive_connections=0,
            network_backend=_CheckedNetwork(allowed, deadline_s, resolve),
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, now_us: int) -> Answer:
        """
        POST, and return the answer.

        Raises:
            Undeliverable: not sent, or answered with anything but 2xx.
        """
        return self._request("POST", url, body, headers, now_us)

    def get(self, url: str, *, now_us: int) -> Answer:
        """
        GET, and return the answer.

        Raises:
            Undeliverable: not sent, or answered with anything but 2xx.
        """
        return self._request("GET", url, b"", {}, now_us)

    def close(self) -> None:
        self._pool.close()

    def _request(self, method: str, url: str, body: bytes, headers: Mapping[str, str], now_us: int) -> Answer:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Undeliverable("The channel's URL cannot be read.", retry=False) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
            raise Undeliverable("The channel's URL must begin with http:// or https:// and be all ASCII.", retry=False)
        shown_host = parts.netloc.rpartition("@")[2]
        target = httpcore.URL(
            scheme=parts.scheme.encode(),
            host=parts.hostname.encode(),
            port=port,
            target=((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).replace(" ", "%20").encode(),
        )
        sent = {"Host": shown_host, "User-Agent": "ukemi", "Content-Length": str(len(body)), **headers}
        try:
            with self._pool.stream(method, target, headers=list(_encoded(sent)), content=body) as response:
                answer = b""
                for chunk in response.iter_stream():
                    answer += chunk
                    if len(answer) > MAX_ANSWER_BYTES:
                        break
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise Undeliverable(f"The channel could not be reached: {type(error).__name__}.", retry=True) from None
        text = _without(" ".join(answer[:2000].decode("utf-8", "replace").split()), url, body)
        words = f"{response.status} {text[:MAX_WORDS]}".strip()
        _check(response.status, words, {name.lower(): value for name, value in response.headers}, now_us)
        return Answer(response.status, answer[:MAX_ANSWER_BYTES], words)


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects only where it may, and to the address that it checked."""

    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network], deadline_s: float, resolve: Resolver) -> None:
        self._allowed, self._deadline_s, self._resolve = list(allowed), deadline_s, resolve
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - one deadline for everything
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        ends_s = time.monotonic() + self._deadline_s
        address = self._find(host, port)
        stream = self._plain.connect_tcp(
            str(address), port, _left(ends_s, httpcore.ConnectTimeout), local_address, socket_options
        )
        return _EndingStream(stream, ends_s)

    def _find(self, host: str, port: int) -> IPv4Address | IPv6Address:
        try:
            found = self._resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Undeliverable("The channel's host name cannot be resolved.", retry=True) from None
        for entry in found:
            address = ipaddress.ip_address(str(entry[4][0]).split("%")[0])
            if self._may_reach(address):
                return address
        raise Undeliverable(
            "The channel's address is private. If that is meant, list its network in UKEMI_OUTGOING_ALLOW.", retry=False
        )

    def _may_reach(self, address: IPv4Address | IPv6Address) -> bool:
        real = address
        if isinstance(address, IPv6Address):
            # These forms carry an IPv4 address to which the machine, or a gateway, may translate them.
            inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
            real = inner or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address)
        if any(real.version == network.version and real in network for network in self._allowed):
            return True
        return real.is_global and not real.is_multicast


_NAT64: Final = IPv6Network("64:ff9b::/96")


class _EndingStream(httpcore.NetworkStream):
    """A connection whose reads and writes all end at one instant: a byte now and then prolongs nothing."""

    def __init__(self, stream: httpcore.NetworkStream, ends_s: float) -> None:
        self._stream, self._ends_s = stream, ends_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, _left(self._ends_s, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _left(self._ends_s, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left_s = _left(self._ends_s, httpcore.ConnectTimeout)
        return _EndingStream(self._stream.start_tls(ssl_context, server_hostname, left_s), self._ends_s)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends_s: float, too_late: type[Exception]) -> float:
    left_s = ends_s - time.monotonic()
    if left_s <= 0:
        raise too_late
    return left_s


def _encoded(headers: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]


def _without(said: str, url: str, body: bytes) -> str:
    """What was said, without what it repeats of the URL or of long words that were sent: those may be keys."""
    sent = body.decode("utf-8", "replace")

    def shown(word: re.Match[str]) -> str:
        return "…" if word[0] in url or (len(word[0]) >= _LIKE_A_KEY and word[0] in sent) else word[0]

    return _WORD.sub(shown, said)


_WORD: Final = re.compile(r"[\w+-]{6,}")
_LIKE_A_KEY: Final = 16


def _check(status: int, words: str, headers: Mapping[bytes, bytes], now_us: int) -> None:
    if 200 <= status < 300:
        return
    said = read_answer(words).text.rstrip(".")
    more = f": {said}" if said else ""
    if status == 429 or status >= 500:
        after_s = _retry_after_s(headers.get(b"retry-after", b"").decode("latin-1"), now_us)
        raise Undeliverable(f"The channel answered {status}{more}.", retry=True, retry_after_s=after_s)
    if 300 <= status < 400:
        raise Undeliverable(f"The channel answered {status}, a redirect; those are not followed.", retry=False)
    raise Undeliverable(
        f"The channel refused the notification with {status}{more}. Check its URL and key.", retry=False
    )


def _retry_after_s(text: str, now_us: int) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; at most an hour."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now_us / SECOND_US
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
