"""What members do: register, sign in, pay; with wrong passwords, declined cards, and a payment service that breaks."""

import secrets
import time
from dataclasses import dataclass, field

import httpx

from demo.payments import DECLINED

GOOD_CARD = "pm_card_visa"
OUTAGE_LENGTH = 12
"""Requests that fail in a row while the payment service is down; the rule asks for ten."""


@dataclass
class Caused:
    """What the traffic did that must show up on the other end."""

    errors: int = 0
    """Errors that the backend or its page met."""
    at_s: dict[str, float] = field(default_factory=dict)
    """When each rule's cause happened, by the rule's name; seconds since the epoch."""

    def error(self, *rules: str) -> None:
        self.errors += 1
        for rule in rules:
            self.at_s.setdefault(rule, time.time())


class Traffic:
    def __init__(self, backend: str, payments: str) -> None:
        # A connection for each request: the backend closes those on which an error was raised.
        self._http = httpx.Client(base_url=backend, headers={"Connection": "close", "User-Agent": _BROWSER}, timeout=30)
        self._payments = payments
        self.caused = Caused()
        self.requests = 0

    def close(self) -> None:
        self._http.close()

    def join(self, name: str) -> dict[str, str]:
        """Register and sign in; returns the headers of the member's requests."""
        password = secrets.token_urlsafe(12)
        username = f"{name}-{secrets.token_hex(3)}"
        self._post(
            "/api/auth/register", {"username": username, "email": f"{username}@example.org", "password": password}
        )
        token = self._post("/api/auth/login", {"username": username, "password": password}).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def mistype_password(self, name: str) -> None:
        """An expected failure: it becomes an issue, and pages nobody."""
        answer = self._post("/api/auth/login", {"username": name, "password": "not the password"})
        assert answer.status_code == 401
        self.caused.error("new error type")

    def browse(self, member: dict[str, str]) -> None:
        for path in ("/", "/api/members/me", "/api/subscriptions"):
            self.requests += 1
            self._http.get(path, headers=member)

    def pay(self, member: dict[str, str], card: str = GOOD_CARD) -> int:
        """Try to pay 49 dollars; returns the answer's status."""
        return self._post("/api/payments", {"amount": 49.0, "payment_method": card}, member).status_code

    def pay_with_declined_card(self, member: dict[str, str]) -> None:
        """An expected failure too."""
        assert self.pay(member, DECLINED) == 402
        self.caused.error("new error type")

    def break_payments(self, member: dict[str, str]) -> None:
        """The payment service goes down: every request fails, over all workers of the backend."""
        httpx.post(f"{self._payments}/_mode/fail")
        for number in range(1, OUTAGE_LENGTH + 1):
            assert self.pay(member) == 500
            self.caused.error("new error type", "critical path", *(["API downtime"] if number >= 10 else []))

    def mend_payments(self, member: dict[str, str]) -> None:
        httpx.post(f"{self._payments}/_mode/ok")
        assert self.pay(member) == 201

    def _post(self, path: str, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
        self.requests += 1
        return self._http.post(path, json=body, headers=headers)


_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
