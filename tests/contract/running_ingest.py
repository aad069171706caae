"""An ingest app behind a socket, and what it wrote into its spool."""

import asyncio
import json
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import uvicorn
import zstandard

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.ingest.admission import nothing_fits_at
from ukemi.collector.ingest.app import IngestApp
from ukemi.collector.ingest.keys import StoredKeys
from ukemi.collector.settings import Settings
from ukemi.collector.spool.item import OUTCOMES_ITEM
from ukemi.collector.spool.look import Waiting, look
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store.database import Database


class RunningIngest:
    """An ingest app behind uvicorn on a loopback port, in a thread of its own."""

    def __init__(
        self,
        database: Database,
        spool_path: Path,
        now_us: int,
        measure: Callable[[Path], Waiting] = look,
        **settings: object,
    ) -> None:
        self.spool_path = spool_path
        self.settings = Settings(**{"data_dir": spool_path.parent, "max_envelope_bytes": 1 << 20, **settings})
        self.writer = SpoolWriter(spool_path, nothing_fits_at(self.settings.max_spool_bytes))
        self.clock = VirtualClock(now_us)
        self.app = IngestApp(self.writer, StoredKeys(database), self.settings, self.clock, partial(measure, spool_path))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(self.app, lifespan="off", log_config=None, access_log=False))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)

    async def _serve(self) -> None:
        await self.app.start()
        await self._server.serve(sockets=[self._listener])
        await self.app.stop()

    def post(self, body: bytes, path: str = "/api/1/envelope/", **headers: str) -> httpx.Response:
        return self.client.post(path, content=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def spooled(self, *columns: str) -> list[tuple]:
        """What is committed, as another process sees it; payloads as they came."""
        connection = sqlite3.connect(f"file:{self.spool_path}?mode=ro", uri=True)
        connection.create_function("inflated", 1, zstandard.ZstdDecompressor().decompress)
        chosen = ", ".join("inflated(payload)" if column == "payload" else column for column in columns)
        try:
            return connection.execute(f"SELECT {chosen} FROM item ORDER BY position").fetchall()
        finally:
            connection.close()

    def outcomes(self) -> dict[tuple[str, str, str], int]:
        """Stop, and read the outcomes that were handed to digest."""
        self.stop()
        rows = [json.loads(payload) for kind, payload in self.spooled("item_type", "payload") if kind == OUTCOMES_ITEM]
        counts: Counter[tuple[str, str, str]] = Counter()
        for told in (told for row in rows for told in row):
            counts[told["category"], told["outcome"], told["reason"]] += told["quantity"]
        return dict(counts)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.client.close()
        self.writer.close()
