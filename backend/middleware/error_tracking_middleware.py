"""The middleware that gives every request its context, its user and its breadcrumbs, and what it leaves traces with."""

import ukemi.sdk

track_business_operation = ukemi.sdk.track_business_operation
track_cache_operation = ukemi.sdk.track_cache_operation
track_database_operation = ukemi.sdk.track_database_operation
track_external_api_call = ukemi.sdk.track_external_api_call


class ErrorTrackingMiddleware(ukemi.sdk.UkemiMiddleware):
    """Context, user from the token, breadcrumbs and capture. `init_sentry(app)` puts it around the app by itself."""
