"""The middleware that gives every request its context, its user and its breadcrumbs, and what it leaves traces with."""

from ukemi.sdk import (
    UkemiMiddleware,
    track_business_operation,
    track_cache_operation,
    track_database_operation,
    track_external_api_call,
)

__all__ = [
    "ErrorTrackingMiddleware",
    "track_business_operation",
    "track_cache_operation",
    "track_database_operation",
    "track_external_api_call",
]


class ErrorTrackingMiddleware(UkemiMiddleware):
    """Context, user from the token, breadcrumbs and capture. `init_sentry(app)` puts it around the app by itself."""
