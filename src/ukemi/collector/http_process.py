"""The HTTP process: accepts envelopes, shows pages, and loses no request when it stops."""

import asyncio
import os
import re
import signal
import socket as sockets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ukemi.collector import health, metrics
from ukemi.collector.alerts import rules_file
from ukemi.collector.bell import Bell
from ukemi.collector.core.clock import Clock
from ukemi.collector.ingest.admission import nothing_fits_at
from ukemi.collector.ingest.app import IngestApp
from ukemi.collector.ingest.keys import StoredKeys
from ukemi.collector.settings import Settings
from ukemi.collector.spool.look import look
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store.database import Database
from ukemi.collector.supervisor import Role
from ukemi.collector.web.app import create_app

DRAIN_S = 1.0
"""How long a stopping HTTP process goes on answering on connections that it has already accepted."""
_INGEST_PATH = re.compile(r"^/+api/+(?:[1-9]\d*/+(?!ukemi/)|store/*$|embed/+error-page/*$|0/+\d+/+cron/)")


class DrainingServer(uvicorn.Server):
    """
    A server that loses no request when it stops.

    Plain uvicorn closes connections that have no request under way, among them those whose request is still in flight
    from the client. This one first stops accepting, asks clients to close after their answer, and waits.
    """

    is_draining = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again after draining and end the process before the spool is closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_exit)
        yield

    def _ask_to_exit(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[sockets.socket] | None = None) -> None:
        self.is_draining = True
        for server in self.servers:
            server.close()
        await asyncio.sleep(DRAIN_S)
        await super().shutdown(sockets)


class HttpApp:
    """Sends what SDKs post to ingest and everything else to the pages."""

    def __init__(self, ingest: ASGIApp | None, web: ASGIApp | None, health: ASGIApp) -> None:
        self._ingest, self._web, self._health = ingest, web, health
        self.server: DrainingServer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_envelope = _INGEST_PATH.match(path) is not None
        app = self._ingest if is_envelope else self._health if path in health.PATHS else self._web
        began_s = time.monotonic()

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                if is_envelope:
                    metrics.envelopes.labels(message["status"]).inc()
                    metrics.answer_seconds.observe(time.monotonic() - began_s)
                if self.server and self.server.is_draining:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        if app is None:
            await _not_here(scope, send)
        else:
            await app(scope, receive, send_closing)


async def _serve(
    settings: Settings, listener: sockets.socket, roles: set[Role], clock: Clock, say_ready: Callable[[], None]
) -> None:
    database = Database(settings.database)
    rules = rules_file.load(settings.rules_file)
    bell = Bell(settings.bell_path if Role.INGEST in roles else None)
    writer = (
        SpoolWriter(settings.spool_path, nothing_fits_at(settings.max_spool_bytes), bell.ring)
        if Role.INGEST in roles
        else None
    )
    ingest = (
        IngestApp(writer, StoredKeys(database), settings, clock, partial(look, settings.spool_path)) if writer else None
    )
    web = (
        create_app(database, settings, clock, rules.rules, list(rules.configured(os.environ)), rules.untold(os.environ))
        if Role.WEB in roles
        else None
    )
    app = HttpApp(ingest, web, health.Health(database, settings, clock))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False, backlog=2048)
    app.server = server = DrainingServer(config)
    if ingest:
        await ingest.start()
    say_ready()  # connections wait in the socket's backlog until the server below accepts them
    await server.serve(sockets=[listener])
    if ingest:
        await ingest.stop()
    if writer:
        writer.close()
    bell.close()
    database.close()


async def _not_here(scope: Scope, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"This stage does not run here.\n"})


def serve(
    settings: Settings, listener: sockets.socket, roles: set[Role], clock: Clock, say_ready: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    uvicorn_loop = uvicorn.Config("", loop="auto").get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(_serve(settings, listener, roles, clock, say_ready))
