"""
A stand-in for Stripe's API, as far as the backend uses it, for Stripe's own library to talk to.

Cards behave as Stripe's documented test cards do. `POST /_mode/{ok|fail|slow}` makes the whole service fail, or answer
later than anybody waits. Card numbers are looked at and forgotten.
"""

import asyncio
import itertools
import json
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DECLINED = "4000000000000002"
SLOW_S = 30.0


class PaymentService:
    """The service's state: which customer pays with which kind of card."""

    def __init__(self) -> None:
        self.mode = "ok"
        self._numbers = itertools.count(1)
        self._declining_methods: set[str] = set()
        self._declining_customers: set[str] = set()

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):08d}"

    async def customer(self, _request: Request) -> Response:
        return JSONResponse({"id": self._id("cus"), "object": "customer"})

    async def payment_method(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        method = self._id("pm")
        if form.get("card[number]", [""])[0].replace(" ", "") == DECLINED:
            self._declining_methods.add(method)
        return JSONResponse({"id": method, "object": "payment_method", "type": "card"})

    async def attach(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        customer = form.get("customer", [""])[0]
        is_declining = request.path_params["method"] in self._declining_methods
        (self._declining_customers.add if is_declining else self._declining_customers.discard)(customer)
        return JSONResponse({"id": request.path_params["method"], "object": "payment_method", "customer": customer})

    async def subscription(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        customer = form.get("customer", [""])[0]
        if self.mode == "slow":
            await asyncio.sleep(SLOW_S)
        if self.mode != "ok":
            return _error(500, "api_error", "The service is out of order.")
        if customer in self._declining_customers:
            return _error(402, "card_error", "Your card was declined.", code="card_declined")
        return JSONResponse({"id": self._id("sub"), "object": "subscription", "customer": customer, "status": "active"})

    async def set_mode(self, request: Request) -> Response:
        self.mode = request.path_params["mode"]
        return JSONResponse({"mode": self.mode})


def _error(status: int, kind: str, message: str, **more: Any) -> Response:
    body = json.dumps({"error": {"type": kind, "message": message, **more}})
    return Response(body, status, media_type="application/json")


def create_app() -> Starlette:
    service = PaymentService()
    return Starlette(
        routes=[
            Route("/v1/customers", service.customer, methods=["POST"]),
            Route("/v1/payment_methods", service.payment_method, methods=["POST"]),
            Route("/v1/payment_methods/{method}/attach", service.attach, methods=["POST"]),
            Route("/v1/subscriptions", service.subscription, methods=["POST"]),
            Route("/_mode/{mode}", service.set_mode, methods=["POST"]),
        ]
    )
