"""Errors of a domain, and performance by hand: as ukemi's SDK layer has them."""

from ukemi.sdk import (
    start_span,
    start_transaction,
    track_api_error,
    track_auth_error,
    track_database_error,
    track_payment_error,
    track_subscription_error,
)

__all__ = [
    "start_span",
    "start_transaction",
    "track_api_error",
    "track_auth_error",
    "track_database_error",
    "track_payment_error",
    "track_subscription_error",
]
