"""What does it cost an app to send one envelope: over ukemi's kept connection, and by sentry-sdk's own transport?"""

import asyncio
import random
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from sentry_sdk.consts import DEFAULT_OPTIONS, EndpointType
from sentry_sdk.transport import HttpTransport

from ukemi.sdk.setup import COMPRESSION
from ukemi.sdk.transport import UkemiTransport

ROUNDS, ENVELOPES = 15, 300
BODY = random.Random(1).randbytes(1500)
"""As many bytes as a small transaction has when it is packed."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Sink:
    """Takes all, in a thread whose CPU time is not counted: without TLS and with it."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self.ports: dict[str, int] = {}
        self._is_up = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        self._is_up.wait(10)

    async def _run(self) -> None:
        for scheme, tls in (("http", None), ("https", self._tls)):
            server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=tls)
            self.ports[scheme] = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await asyncio.Event().wait()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def cpu_us(transport: Any, count: int) -> float:
    """Microseconds of CPU of this thread for each envelope."""
    began_s = time.thread_time()
    for _ in range(count):
        headers = {"Content-Type": "application/x-sentry-envelope", "Content-Encoding": "gzip"}
        transport._send_request(BODY, headers, EndpointType.ENVELOPE, None)
    return (time.thread_time() - began_s) / count * 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=sink -addext subjectAltName=IP:127.0.0.1"
        subprocess.run([*command.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
        sink = Sink(certificate, key)
        transports: dict[tuple[str, str], Any] = {}
        for scheme, port in sink.ports.items():
            options = DEFAULT_OPTIONS | {
                "dsn": f"{scheme}://{'0' * 32}@127.0.0.1:{port}/1",
                "ca_certs": str(certificate),
                "_experiments": {"transport_zlib_compression_level": COMPRESSION},
            }
            transports[scheme, "sentry-sdk"] = HttpTransport(options)
            transports[scheme, "ukemi"] = UkemiTransport(options)
        times_us: dict[tuple[str, str], list[float]] = {one: [] for one in transports}
        for transport in transports.values():
            cpu_us(transport, ENVELOPES)
        for _ in range(ROUNDS):  # interleaved: the machine's moods meet all alike
            for one, transport in transports.items():
                times_us[one].append(cpu_us(transport, ENVELOPES))
    print(f"{'an envelope of 1.5 KB':<24} {'µs CPU':>7} {'of sentry-sdk':>14}")
    for scheme in sink.ports:
        rival = statistics.median(times_us[scheme, "sentry-sdk"])
        for name in ("sentry-sdk", "ukemi"):
            median = statistics.median(times_us[scheme, name])
            print(
                f"{scheme + ', ' + name:<24} {median:>7.0f} {f'{median / rival:.2f} ×' if name == 'ukemi' else '':>14}"
            )


if __name__ == "__main__":
    main()
