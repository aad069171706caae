"""How many events a second does one `ukemi serve` acknowledge and store, and what does one cost?"""

import asyncio
import gzip
import json
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.events import large_event

EVENTS = 3000
CONNECTIONS = 16


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        command = [sys.executable, "-m", "ukemi.cli.main", "serve", "--data-dir", str(data_dir), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            greeting = ""
            for line in process.stdout or ():
                greeting += line
                if "listening on" in line:
                    break
            found = re.search(r"server key: http://(\w+)@(\S+)/(\d+)", greeting)
            assert found is not None, greeting
            url = f"http://{found[2]}/api/{found[3]}/envelope/?sentry_key={found[1]}"
            _measure(url, data_dir, process)
        finally:
            process.terminate()
            process.wait(30)


def _measure(url: str, data_dir: Path, process: "subprocess.Popen[str]") -> None:
    bodies = [_envelope(number) for number in range(EVENTS)]
    children = psutil.Process(process.pid).children()
    cpu_before_s = sum(sum(child.cpu_times()[:2]) for child in children)
    began_s = time.perf_counter()
    delays_ms = asyncio.run(_send(url, bodies))
    acknowledged_s = time.perf_counter() - began_s
    while (stored := _stored(data_dir)) < EVENTS:
        time.sleep(0.05)
    stored_s = time.perf_counter() - began_s
    cpu_s = sum(sum(child.cpu_times()[:2]) for child in children) - cpu_before_s
    memory = sum(child.memory_full_info().pss for child in children)
    disk = sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file())
    quantiles = statistics.quantiles(delays_ms, n=100)
    size = sum(map(len, bodies)) / EVENTS
    print(f"{EVENTS} events, mean {size / 1024:.1f} KB gzipped, {CONNECTIONS} connections, stored {stored}")
    print(
        f"acknowledged/s          {EVENTS / acknowledged_s:8.0f}   p50 {quantiles[49]:.1f} ms, p99 {quantiles[98]:.1f} ms"
    )
    print(f"stored and queryable/s  {EVENTS / stored_s:8.0f}")
    print(f"CPU per event           {cpu_s / EVENTS * 1000:8.2f} ms, all processes")
    print(f"disk per event          {disk / EVENTS / 1024:8.1f} KB")
    print(f"memory (PSS)            {memory / 1e6:8.0f} MB")


def _envelope(number: int) -> bytes:
    event = large_event(number)
    payload = json.dumps(event).encode()
    head = json.dumps({"event_id": event["event_id"]}).encode()
    item = json.dumps({"type": "event", "length": len(payload)}).encode()
    return gzip.compress(b"\n".join([head, item, payload, b""]), 6)


async def _send(url: str, bodies: list[bytes]) -> list[float]:
    """Send all bodies; milliseconds until each answer."""
    delays_ms: list[float] = []
    waiting = iter(bodies)
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def send() -> None:
            for body in waiting:
                began_s = time.perf_counter()
                answer = await client.post(url, content=body, headers={"Content-Encoding": "gzip"})
                answer.raise_for_status()
                delays_ms.append((time.perf_counter() - began_s) * 1000)

        await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return delays_ms


def _stored(data_dir: Path) -> int:
    connection = sqlite3.connect(f"file:{data_dir / 'ukemi.db'}?mode=ro", uri=True, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])
    finally:
        connection.close()
