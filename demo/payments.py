"""
A stand-in for Stripe's API, as far as the backend uses it, for Stripe's own library to talk to.

Two payment methods are those of Stripe's documented test cards; two are of banks that make the service fail, or answer late:
as late as `POST /_delay/{milliseconds}` says. `POST /_mode/{ok|fail|slow}` makes the whole service fail, or answer later than
anybody waits.
"""

import asyncio
import itertools
import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

GOOD = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclined"
BANK_DOWN = "pm_bank_down"
BANK_LATE = "pm_bank_late"
SLOW_S = 30.0


class PaymentService:
    """The service's state: which customer pays with which card."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.delay_s = 0.0
        self._numbers = itertools.count(1)
        self._method_of: dict[str, str] = {}

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):08d}"

    async def customer(self, _request: Request) -> Response:
        return JSONResponse({"id": self._id("cus"), "object": "customer"})

    async def attach(self, request: Request) -> Response:
        method, form = request.path_params["method"], await _form(request)
        self._method_of[form["customer"]] = method
        return JSONResponse({"id": method, "object": "payment_method", "customer": form["customer"]})

    async def subscription(self, request: Request) -> Response:
        form = await _form(request)
        method = form.get("default_payment_method") or self._method_of.get(form["customer"], "")
        refused = await self._refused(method)
        made = {"id": self._id("sub"), "object": "subscription", "customer": form["customer"], "status": "active"}
        return refused or JSONResponse(made)

    async def payment_intent(self, request: Request) -> Response:
        form = await _form(request)
        made = {"object": "payment_intent", "amount": int(form["amount"]), "currency": form["currency"]}
        refused = await self._refused(form["payment_method"])
        return refused or JSONResponse({"id": self._id("pi"), "status": "succeeded", **made})

    async def refund(self, request: Request) -> Response:
        form = await _form(request)
        made = {"id": self._id("re"), "object": "refund", "payment_intent": form["payment_intent"]}
        return await self._refused("") or JSONResponse({**made, "status": "succeeded"})

    async def cancel(self, request: Request) -> Response:
        ended = {"id": request.path_params["subscription"], "object": "subscription", "status": "canceled"}
        return await self._refused("") or JSONResponse(ended)

    async def _refused(self, method: str) -> Response | None:
        """The answer of a service that is out of order, or of the bank of a declined card."""
        if self.mode == "slow":
            await asyncio.sleep(SLOW_S)
        if method == BANK_LATE:
            await asyncio.sleep(self.delay_s)
        if self.mode != "ok" or method == BANK_DOWN:
            return _error(500, "api_error", "The service is out of order.")
        if method == DECLINED:
            return _error(402, "card_error", "Your card was declined.", code="card_declined")
        return None

    async def set_mode(self, request: Request) -> Response:
        self.mode = request.path_params["mode"]
        return JSONResponse({"mode": self.mode})

    async def set_delay(self, request: Request) -> Response:
        self.delay_s = request.path_params["delay_ms"] / 1000
        return JSONResponse({"delay_s": self.delay_s})


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


def _error(status: int, kind: str, message: str, **more: Any) -> Response:
    body = json.dumps({"error": {"type": kind, "message": message, **more}})
    # Stripe's library would try again twice, with pauses, and make a failing payment a slow one as well.
    return Response(body, status, {"Stripe-Should-Retry": "false"}, media_type="application/json")


def create_app() -> Starlette:
    service = PaymentService()
    return Starlette(
        routes=[
            Route("/v1/customers", service.customer, methods=["POST"]),
            Route("/v1/payment_methods/{method}/attach", service.attach, methods=["POST"]),
            Route("/v1/subscriptions", service.subscription, methods=["POST"]),
            Route("/v1/subscriptions/{subscription}", service.cancel, methods=["DELETE"]),
            Route("/v1/payment_intents", service.payment_intent, methods=["POST"]),
            Route("/v1/refunds", service.refund, methods=["POST"]),
            Route("/_mode/{mode}", service.set_mode, methods=["POST"]),
            Route("/_delay/{delay_ms:int}", service.set_delay, methods=["POST"]),
        ]
    )
