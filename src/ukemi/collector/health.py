"""
What monitoring asks: `/health/live`, `/health/ready` and `/metrics`. A bare ASGI app, so that it runs beside any stage.

*Live* says that this process answers: for load balancers, since envelopes are accepted while database or worker are away.
*Ready* says that everything works: for people and their alarms. Metrics tell names of projects' traffic, so they are shown to
the machine itself, and to others with a token.
"""

import asyncio
import hmac
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from ukemi.collector import metrics
from ukemi.collector.core.clock import SECOND_US, Clock
from ukemi.collector.settings import Settings
from ukemi.collector.spool.look import look
from ukemi.collector.store import space
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import StoreError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATHS: Final = ("/health", "/health/live", "/health/ready", "/metrics")
WORKER_SILENT_S: Final = 30.0
SPOOL_OLD_S: Final = 60.0
"""An item that waits longer means that digest has fallen behind or stopped."""
_DATABASE_TIMEOUT_S: Final = 5.0
_BY_A_PROXY: Final = {b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"}


def worker_file(settings: Settings) -> Path:
    """Where the worker writes its metrics every second; its age tells whether the worker lives."""
    return settings.data_dir / "worker.metrics"


def write_worker_file(path: Path) -> None:
    """Write the worker's metrics for the HTTP process; what reads it finds the old or the new, never half of it."""
    part = path.with_suffix(".part")
    part.write_bytes(metrics.exposition(metrics.WORKER))
    part.replace(path)


class Health:
    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
        self._version = version("ukemi")

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/health/ready":
                found = await self._look()
                await _answer(send, 200 if not found["problems"] else 503, _JSON, json.dumps(found).encode())
            case "/metrics":
                await self._metrics(scope, send)
            case _:
                body = json.dumps({"status": "ok", "version": self._version}).encode()
                await _answer(send, 200, _JSON, body)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        if not _may_see_metrics(scope, self._token):
            why = b"Metrics are shown to this machine, or with the token of UKEMI_METRICS_TOKEN as a bearer token.\n"
            await _answer(send, 403, b"text/plain", why)
            return
        await self._look()
        of_worker = b""
        if self._worker_silence_s() is not None:
            of_worker = await asyncio.to_thread(worker_file(self._settings).read_bytes)
        body = metrics.exposition(metrics.HTTP) + of_worker
        await _answer(send, 200, b"text/plain; version=0.0.4; charset=utf-8", body)

    async def _look(self) -> dict[str, Any]:
        """What there is to say, and the gauges set by it. Names nobody and holds no secret."""
        problems: list[str] = []
        try:
            async with asyncio.timeout(_DATABASE_TIMEOUT_S):
                metrics.database_bytes.set(await asyncio.to_thread(self._ask_database))
            is_up = True
        except (StoreError, TimeoutError):
            is_up = False
            problems.append("the database does not answer")
        metrics.database_up.set(is_up)
        spool = self._spool()
        if spool is None:
            problems.append("the spool cannot be read")
        elif spool["oldest_age_s"] > SPOOL_OLD_S:
            problems.append(f"items have waited {spool['oldest_age_s']:.0f} s for digest")
        silence_s = self._worker_silence_s()
        if silence_s is None or silence_s > WORKER_SILENT_S:
            problems.append("the worker is silent")
        metrics.worker_silence_seconds.set(float("inf") if silence_s is None else silence_s)
        metrics.ready.set(not problems)
        return {
            "status": "degraded" if problems else "ok",
            "problems": problems,
            "version": self._version,
            "database": "up" if is_up else "down",
            "spool": spool,
            "worker_silence_s": silence_s,
        }

    def _ask_database(self) -> int:
        with self._database.read() as tx:
            return space.file_bytes(tx)

    def _spool(self) -> dict[str, float] | None:
        try:
            waiting = look(self._settings.spool_path)
        except sqlite3.Error:
            return None
        oldest_us = waiting.oldest_of_all_us
        age_s = 0.0 if oldest_us is None else max(0.0, (self._clock.now_us() - oldest_us) / SECOND_US)
        metrics.spool_items.set(waiting.items)
        metrics.spool_bytes.set(waiting.bytes)
        metrics.spool_age_seconds.set(age_s)
        return {"items": waiting.items, "bytes": waiting.bytes, "oldest_age_s": round(age_s, 3)}

    def _worker_silence_s(self) -> float | None:
        try:
            return round(max(0.0, time.time() - worker_file(self._settings).stat().st_mtime), 3)
        except OSError:
            return None


def _may_see_metrics(scope: Scope, token: str | None) -> bool:
    headers = dict(scope["headers"])
    if token is not None:
        given = headers.get(b"authorization", b"")
        return hmac.compare_digest(given, f"Bearer {token}".encode())
    # Behind a proxy on this machine everybody has its address.
    client = (scope.get("client") or ("", 0))[0]
    try:
        return ip_address(client).is_loopback and not _BY_A_PROXY & headers.keys()
    except ValueError:
        return False


_JSON: Final = b"application/json"


async def _answer(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", content_type),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
