"""What members do: register, sign in, browse, pay; and what goes wrong meanwhile: wrong passwords, cards, banks, a service that breaks."""

import itertools
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from demo.payments import BANK_DOWN, BANK_LATE, DECLINED, GOOD

OUTAGE_LENGTH = 12
"""Requests that fail in a row while the payment service is down; the rule asks for ten."""
LATE_PAYERS = 12
"""People who pay at the same time with cards of a bank that answers late."""
GUESSERS, GUESS_PAUSE_S = 10, 1.0
"""Hands that try passwords, and their pause after each: ninety in ten seconds, where the rule asks for twenty; fewer on a busy machine."""
PACE_S = 0.02
"""So long a request of the mixed traffic takes at least, so that what happens at the same time is more than a drop in it."""
PAGES = ("/", "/api/members/me", "/api/subscriptions")


@dataclass
class Caused:
    """What the traffic did that must show up on the other end."""

    errors: int = 0
    """Errors that the backend or its page met."""
    at_s: dict[str, float] = field(default_factory=dict)
    """When each rule's cause began, by the rule's name; seconds since the epoch."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def error(self, *rules: str) -> None:
        with self._lock:
            self.errors += 1
        self.begin(*rules)

    def begin(self, *rules: str) -> None:
        """From now on what makes these rules come true goes on."""
        for rule in rules:
            self.at_s.setdefault(rule, time.time())


class Traffic:
    def __init__(self, backend: str, payments: str) -> None:
        # A connection for each request: the backend closes those on which an error was raised.
        self._http = httpx.Client(base_url=backend, headers={"Connection": "close", "User-Agent": _BROWSER}, timeout=30)
        self._payments = payments
        self._lock = threading.Lock()
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
        assert answer.status_code == httpx.codes.UNAUTHORIZED
        self.caused.error("new error type")

    @contextmanager
    def guessed_passwords(self, name: str) -> Iterator[None]:
        """Somebody tries one after the other, and has several hands."""
        self.caused.begin("expected failures")
        wrong = {"username": name, "password": "not the password"}
        is_over = threading.Event()

        def guess() -> None:
            while not is_over.wait(GUESS_PAUSE_S):
                assert self._post("/api/auth/login", wrong).status_code == httpx.codes.UNAUTHORIZED
                self.caused.error()

        with ThreadPoolExecutor(GUESSERS) as several:
            hands = [several.submit(guess) for _ in range(GUESSERS)]
            try:
                yield
            finally:
                is_over.set()
        for hand in hands:
            hand.result()

    def browse(self, member: dict[str, str]) -> None:
        for path in PAGES:
            self._get(path, member)

    def pay(self, member: dict[str, str], card: str = GOOD) -> int:
        """Try to pay 49 dollars; returns the answer's status."""
        return self._post("/api/payments", {"amount": 49.0, "payment_method": card}, member).status_code

    def pay_with_declined_card(self, member: dict[str, str]) -> None:
        """An expected failure too."""
        assert self.pay(member, DECLINED) == httpx.codes.PAYMENT_REQUIRED
        self.caused.error("new error type")

    def fail_subscription(self, member: dict[str, str]) -> None:
        """Somebody subscribes with a card of a bank that is out of order."""
        wish = {"tier": "basic", "payment_method": BANK_DOWN}
        assert self._post("/api/subscriptions", wish, member).status_code == httpx.codes.INTERNAL_SERVER_ERROR
        self.caused.error("subscription errors")

    def mix(self, member: dict[str, str], failing: float) -> Iterator[None]:
        """
        One request after the other, without end: pages, and payments that fail.

        Args:
            failing: share of all requests since it began, whoever made them, that fail.
        """
        begun, failed = self.requests, 0
        for path in itertools.cycle(PAGES):
            at_s = time.monotonic()
            if failed < failing * (self.requests - begun):
                assert self.pay(member, BANK_DOWN) == httpx.codes.INTERNAL_SERVER_ERROR
                failed += 1
                self.caused.error("critical path")
            else:
                self._get(path, member)
            time.sleep(max(0.0, at_s + PACE_S - time.monotonic()))
            yield

    @contextmanager
    def late_payments(self, member: dict[str, str]) -> Iterator[None]:
        """Several people pay all the time by a bank that takes its time: as `delay_payments` says."""
        is_over = threading.Event()

        def pay() -> None:
            while not is_over.is_set():
                self.pay(member, BANK_LATE)

        payers = [threading.Thread(target=pay) for _ in range(LATE_PAYERS)]
        for payer in payers:
            payer.start()
        try:
            yield
        finally:
            is_over.set()
            for payer in payers:
                payer.join()

    def delay_payments(self, delay_s: float) -> None:
        httpx.post(f"{self._payments}/_delay/{round(delay_s * 1000)}")

    def break_payments(self, member: dict[str, str]) -> None:
        """The payment service goes down: every request fails, over all workers of the backend."""
        httpx.post(f"{self._payments}/_mode/fail")
        for number in range(1, OUTAGE_LENGTH + 1):
            assert self.pay(member) == httpx.codes.INTERNAL_SERVER_ERROR
            self.caused.error("critical path", *(["API downtime"] if number >= 10 else []))

    def mend_payments(self, member: dict[str, str]) -> None:
        httpx.post(f"{self._payments}/_mode/ok")
        assert self.pay(member) == httpx.codes.CREATED

    def _get(self, path: str, headers: dict[str, str]) -> None:
        self._count()
        self._http.get(path, headers=headers)

    def _post(self, path: str, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
        self._count()
        return self._http.post(path, json=body, headers=headers)

    def _count(self) -> None:
        with self._lock:
            self.requests += 1


_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
