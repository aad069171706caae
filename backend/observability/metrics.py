"""Prometheus' metrics: how many requests, how long they took, how they ended. Beside error tracking, and independent of it."""

import time

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/metrics"
REQUESTS = Histogram("http_request_duration_seconds", "Duration of requests.", ["method", "route", "status"])


class MeasureRequests:
    """Measures each request by its route's template, for of paths there are too many."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began_s, status = time.perf_counter(), 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path", "")
            REQUESTS.labels(scope["method"], route, status).observe(time.perf_counter() - began_s)


def measure(app: FastAPI) -> None:
    app.add_middleware(MeasureRequests)
    app.add_route(PATH, _expose, include_in_schema=False)


def _expose(_request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
