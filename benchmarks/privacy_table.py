"""How many planted secrets leave an app: with sentry-sdk's scrubber, with the same looking into everything, and with ukemi?"""

import copy
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from sentry_sdk.scrubber import EventScrubber

from ukemi.privacy import Rules, scrub


def valid_card(number: int) -> str:
    """A number of Visa's with a right check digit."""
    body = f"411111{number:09d}"
    doubled = [int(d) if i % 2 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(reversed(body))]
    return f"{body}{-sum(doubled) % 10}"


SECRETS: dict[str, tuple[str, Callable[[int], str], Callable[[str], str]]] = {
    # kind: the name that it stands under, a secret, and the part of it that must not leave
    "password": ("password", lambda n: f"Zq7.{n:05d}!x", lambda s: s),
    "API key": ("api_key", lambda n: f"zq7a{n:05d}b1c2d3e4f5a6b7c8", lambda s: s),
    "bearer token": ("Authorization", lambda n: f"Bearer zq7{n:05d}AbCdEfGhIjKl", lambda s: s[7:]),
    "JWT": ("id_token", lambda n: f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIi{n:05d}.c2lnbmF0dXJl", lambda s: s[20:]),
    "session id": ("sessionid", lambda n: f"5f3a9c{n:05d}7b1e0d2c", lambda s: s),
    "card number": ("card_number", valid_card, lambda s: s),
    "SSN": ("ssn", lambda n: f"5{n % 90 + 10}-{n // 90 % 90 + 10}-4{n % 1000:03d}", lambda s: s),
    "private key": ("private_key", lambda n: f"-----BEGIN PRIVATE KEY-----\nMIIEvzq7{n:05d}AoGBAM", lambda s: s[28:]),
    "password in a URL": ("dsn", lambda n: f"postgresql://shop:zq7{n:05d}x@db.internal/shop", lambda s: s[18:27]),
    "vendor's key": ("key", lambda n: f"sk_live_zq7{n:05d}AbCdEfGhIj", lambda s: s[8:]),
    "e-mail address": ("email", lambda n: f"bob.zq{n:05d}@example.org", lambda s: s),
    "IP address": ("ip_address", lambda n: f"203.0.{n % 200 + 20}.{n // 200 + 20}", lambda s: s),
    "user name": ("username", lambda n: f"kiyoshi.zq{n:05d}", lambda s: s),
}


def frame(**variables: Any) -> dict[str, Any]:
    return {"exception": {"values": [{"type": "E", "value": "e", "stacktrace": {"frames": [{"vars": variables}]}}]}}


PLACES: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "header": lambda k, s: {"request": {"headers": {k: s}}},
    "cookie": lambda k, s: {"request": {"cookies": {k: s}}},
    "query string": lambda k, s: {"request": {"query_string": f"page=1&{k}={quote_plus(s)}"}},
    "body": lambda k, s: {"request": {"data": {k: s}}},
    "nested body": lambda k, s: {"request": {"data": {"account": {"list": [{k: s}]}}}},
    "variable": lambda k, s: frame(**{k: repr(s)}),
    "mapping in a variable": lambda k, s: frame(form={k: repr(s)}),
    "model in a variable": lambda k, s: frame(form=f"Login(page=1, {k}={s!r})"),
    "extra": lambda k, s: {"extra": {k: s}},
    "context": lambda k, s: {"contexts": {"order": {k: s}}},
    "tag": lambda k, s: {"tags": {k: s}},
    "breadcrumb's data": lambda k, s: {"breadcrumbs": {"values": [{"data": {k: s}}]}},
    "breadcrumb's message": lambda k, s: {"breadcrumbs": {"values": [{"message": f"POST /login {k}={s!r}"}]}},
    "exception's message": lambda k, s: {"exception": {"values": [{"type": "E", "value": f"refused: {k}={s!r}"}]}},
    "log message": lambda k, s: {"logentry": {"message": f"sent {json.dumps({k: s})}"}},
    "span": lambda k, s: {"spans": [{"data": {k: s}, "description": f"UPDATE t SET {k} = '{s}'"}]},
}


def by_sentry(*, recursive: bool) -> Callable[[dict[str, Any]], Any]:
    def scrubbed(event: dict[str, Any]) -> Any:
        changed = copy.deepcopy(event)
        EventScrubber(recursive=recursive, send_default_pii=False).scrub_event(changed)
        return changed

    return scrubbed


WAYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "sentry-sdk": by_sentry(recursive=False),
    "recursive=True": by_sentry(recursive=True),
    "ukemi": lambda event: scrub(event, Rules(hash_key=b"a key")).tree,
}


def is_left(secret: str, event: Any) -> bool:
    # What sentry-sdk took out stands in the event as an object that says so.
    text = json.dumps(event, default=lambda annotated: annotated.value)
    return any(form in text for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1]))


def main() -> None:
    print(f"{'leaked, of ' + str(len(PLACES)) + ' places':<24}" + "".join(f"{name:>16}" for name in WAYS))
    totals = dict.fromkeys(WAYS, 0)
    for at, (kind, (key, make, core)) in enumerate(SECRETS.items()):
        cells = []
        for name, scrubbed in WAYS.items():
            secrets = [make(at * 100 + number) for number in range(len(PLACES))]
            leaks = sum(
                is_left(core(secret), scrubbed(plant(key, secret)))
                for secret, plant in zip(secrets, PLACES.values(), strict=True)
            )
            totals[name] += leaks
            cells.append(f"{leaks / len(PLACES):>15.0%} ")
        print(f"{kind:<24}" + "".join(cells))
    count = len(SECRETS) * len(PLACES)
    print(f"{f'all {count}':<24}" + "".join(f"{leaks / count:>15.0%} " for leaks in totals.values()))
