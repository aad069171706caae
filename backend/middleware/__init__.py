"""Middleware of the backend."""

from backend.middleware.error_tracking_middleware import (
    ErrorTrackingMiddleware,
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
