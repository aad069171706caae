"""
Errors of a domain: captured with what the domain knows, and grouped by it within the automatic grouping.

What a user can cause alone (a declined card, a wrong password) is an *expected* failure: level `warning` and the tag
`expected`, so that it does not page. `init(expected_failures="error")` makes every tracked failure page.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import sentry_sdk

from ukemi.sdk import runtime
from ukemi.sdk.capture import capture_exception
from ukemi.sdk.marks import request_at_hand
from ukemi.sdk.request import route_of
from ukemi.sdk.runtime import report_internal

USER_CAUSED_AUTH: Final = frozenset(
    {
        "invalid_credentials",
        "wrong_password",
        "unknown_user",
        "user_not_found",
        "expired_token",
        "invalid_token",
        "missing_token",
        "account_locked",
        "invalid_code",
    }
)
"""Reasons of `track_auth_error` that a user can cause alone."""


_ID: Final = re.compile(r"\d+|(?=.*\d)[0-9a-fA-F-]{8,}|[a-z]+_(?=.*\d)\w{8,}")
"""Numbers, UUIDs and hashes, and ids such as `cus_9s6XKzkNRiz8i3`."""


def track_payment_error(
    exc: BaseException,
    customer_id: str | None = None,
    amount: float | None = None,
    currency: str | None = None,
    payment_method: str | None = None,
    *,
    expected: bool | None = None,
) -> str | None:
    """
    Capture a failed payment, grouped by payment method.

    Args:
        expected: whether the user caused it alone; default: for a card that was declined (Stripe's `CardError`).

    Returns:
        The event's id, as `capture_exception` does.
    """
    declined = any(base.__name__ == "CardError" for base in type(exc).__mro__)
    facts = {
        "customer_id": customer_id,
        "amount": amount,
        "currency": currency,
        "payment_method": payment_method,
        "code": getattr(exc, "code", None),
    }
    return _track(exc, "payment", facts, [payment_method], declined if expected is None else expected)


def track_auth_error(
    exc: BaseException,
    username: str | None = None,
    auth_method: str | None = None,
    reason: str | None = None,
    *,
    expected: bool | None = None,
) -> str | None:
    """
    Capture a failed sign-in, grouped by method. The user name is hashed before it leaves.

    Args:
        reason: a short word; those of `USER_CAUSED_AUTH` are expected failures.
    """
    facts = {"username": username, "auth_method": auth_method, "reason": reason}
    return _track(exc, "auth", facts, [auth_method], reason in USER_CAUSED_AUTH if expected is None else expected)


def track_subscription_error(
    exc: BaseException,
    customer_id: str | None = None,
    subscription_id: str | None = None,
    action: str | None = None,
    tier: str | None = None,
    *,
    expected: bool = False,
) -> str | None:
    """Capture a failed change of a subscription, grouped by action."""
    facts = {"customer_id": customer_id, "subscription_id": subscription_id, "action": action, "tier": tier}
    return _track(exc, "subscription", facts, [action], expected)


def track_api_error(
    exc: BaseException,
    endpoint: str | None = None,
    status_code: int | None = None,
    method: str | None = None,
    *,
    expected: bool = False,
) -> str | None:
    """
    Capture a failed endpoint, grouped by endpoint and status code.

    Args:
        endpoint: a template such as `/members/{id}`, or a path: it is grouped by its template, ids do not count.
    """
    facts = {"endpoint": endpoint, "status_code": status_code, "method": method}
    return _track(exc, "api", facts, [_template(endpoint) if endpoint else None, status_code], expected)


def track_database_error(
    exc: BaseException, operation: str | None = None, table: str | None = None, *, expected: bool = False
) -> str | None:
    """Capture a failed database operation, grouped by operation and table."""
    return _track(exc, "database", {"operation": operation, "table": table}, [operation, table], expected)


def _track(
    exc: BaseException, domain: str, facts: Mapping[str, Any], group_by: list[Any], is_expected: bool
) -> str | None:
    tags = {"domain": domain}
    level = "error"
    if is_expected:
        tags["expected"] = "yes"
        level = runtime.current().expected_level
    fingerprint = ["{{ default }}", domain, *(str(part) for part in group_by if part is not None)]
    known = {name: value for name, value in facts.items() if value is not None}
    return capture_exception(exc, {domain: {**_context(domain), **known}}, tags, level, fingerprint)


def _template(endpoint: str) -> str:
    """What an endpoint is without the ids in it: each would be an issue of its own."""
    path = str(endpoint).split("?", 1)[0]
    at_hand = request_at_hand.get()
    route = route_of(at_hand.scope) if at_hand and at_hand.scope and at_hand.scope.get("path") == path else None
    return route or "/".join("{id}" if _ID.fullmatch(part) else part for part in path.split("/"))


def _context(name: str) -> dict[str, Any]:
    """What the app said of the domain before, with `set_context`: the facts of the failure join it."""
    found: dict[str, Any] = {}
    try:
        for scope in (sentry_sdk.Scope.get_isolation_scope(), sentry_sdk.Scope.get_current_scope()):
            found |= scope._contexts.get(name, {})  # noqa: SLF001 - there is no public way to read a context
    except Exception:  # the border to the host app
        report_internal("context_unreadable")
    return found
