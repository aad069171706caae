"""
The one client for outgoing requests: resolves a name once and connects to that very address, refuses private ones.

Channel URLs are typed by people, and who may type one must not thereby reach what only this machine can reach. Checking
the name and letting the library resolve it again would leave room for a name server that answers differently twice.
"""

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import urlsplit

import httpx

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.notify.errors import Undeliverable

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 64 * 1024


class OutgoingClient:
    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """
        Args:
            allowed: private networks that may be reached all the same.
        """
        self._allowed = list(allowed)
        # No proxies or certificates from the environment's variables, no redirects: what is checked is what is reached.
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, now_us: int) -> bytes:
        """
        POST and return the answer's body, at most 64 KiB of it.

        Raises:
            Undeliverable: not sent, or answered with anything but 2xx.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Undeliverable("The channel's URL cannot be read.", retry=False) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.hostname.isascii():
            raise Undeliverable("The channel's URL must begin with http:// or https:// and an ASCII host.", retry=False)
        address = self._resolve(parts.hostname, port or (443 if parts.scheme == "https" else 80))
        host = f"[{address}]" if address.version == 6 else str(address)
        netloc = f"{host}:{port}" if port else host
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        shown_host = parts.hostname if port is None else f"{parts.hostname}:{port}"
        request = self._client.build_request(
            "POST",
            f"{parts.scheme}://{netloc}{path}",
            content=body,
            headers={**headers, "Host": shown_host, "User-Agent": "ukemi"},
            extensions={"sni_hostname": parts.hostname},
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                answer = b""
                for chunk in response.iter_bytes():
                    answer += chunk
                    if len(answer) > MAX_ANSWER_BYTES:
                        break
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise Undeliverable(f"The channel could not be reached: {type(error).__name__}.", retry=True) from None
        _check(response, now_us)
        return answer[:MAX_ANSWER_BYTES]

    def close(self) -> None:
        self._client.close()

    def _resolve(self, host: str, port: int) -> IPv4Address | IPv6Address:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise Undeliverable("The channel's host name cannot be resolved.", retry=True) from None
        addresses = [
            ipaddress.ip_address(entry[4][0].split("%")[0] if isinstance(entry[4][0], str) else "") for entry in found
        ]
        for address in addresses:
            if self._may_reach(address):
                return address
        raise Undeliverable(
            "The channel's address is private. If that is meant, list its network in UKEMI_OUTGOING_ALLOW.", retry=False
        )

    def _may_reach(self, address: IPv4Address | IPv6Address) -> bool:
        real = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
        if any(real.version == network.version and real in network for network in self._allowed):
            return True
        return real.is_global and not real.is_multicast


def _check(response: httpx.Response, now_us: int) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if status == 429 or status >= 500:
        after_s = _retry_after_s(response.headers.get("retry-after", ""), now_us)
        raise Undeliverable(f"The channel answered {status}.", retry=True, retry_after_s=after_s)
    if 300 <= status < 400:
        raise Undeliverable(f"The channel answered {status}, a redirect; those are not followed.", retry=False)
    raise Undeliverable(f"The channel refused the notification with {status}. Check its URL and key.", retry=False)


def _retry_after_s(text: str, now_us: int) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; at most an hour."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now_us / SECOND_US
        except ValueError:
            return None
    return min(max(seconds, 0.0), 3600.0)
