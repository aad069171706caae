"""How fast can the load generator of the benchmarks send by itself? Its own share of a figure must be small."""

import asyncio
import re
import time
import urllib.parse
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Sent(NamedTuple):
    delays_ms: list[float]
    """Until each answer of 200."""
    refused: int
    """Answers of 429, each of which said what to hold back and for how long."""
    wall_s: float


_LIMIT = re.compile(rb"\r\nretry-after: [1-9]\d*\r\n")
_LIMITS = re.compile(rb"\r\nx-sentry-rate-limits: [1-9]\d*:\w+:(?:project|key):\w+(?:, [^\r]*)?\r\n")


async def send(
    url: str, bodies: Sequence[bytes], connections: int, answered: Callable[[], None] = lambda: None
) -> Sent:
    """
    Post gzipped bodies over keep-alive connections, each with one request at a time.

    Raw sockets: an HTTP client library would take more of the machine than the server that is measured.

    Args:
        answered: called with each answer.
    """
    parts = urllib.parse.urlsplit(url)
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Encoding: gzip\r\nContent-Length: "
    host, _, port = parts.netloc.partition(":")
    waiting = iter(bodies)
    delays_ms: list[float] = []
    refused = 0

    async def work() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection(host, int(port))
        for body in waiting:
            began_s = time.perf_counter()
            writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = answer[9:12]
            lower = answer.lower()
            if b"content-length:" in lower:
                length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            answered()
            if status == b"429" and _LIMIT.search(lower) and _LIMITS.search(lower):
                refused += 1
            elif status == b"200":
                delays_ms.append((time.perf_counter() - began_s) * 1000)
            else:
                raise RuntimeError(f"answered {answer[:200]!r}")
            if b"connection: close" in lower:
                writer.close()
                reader, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    began_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return Sent(delays_ms, refused, time.perf_counter() - began_s)


async def _measure_itself() -> float:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sent = await send(f"http://127.0.0.1:{port}/?", [b"x" * 4000] * 10_000, 64)
    server.close()
    return len(sent.delays_ms) / sent.wall_s


def main() -> None:
    print(
        f"{asyncio.run(_measure_itself()):.0f} requests/s of 4 KB against a server that does nothing, both in one process"
    )


if __name__ == "__main__":
    main()
