"""
The SDK layer: error tracking for a FastAPI or Starlette app, on top of sentry-sdk, with any server that speaks its protocol.

    import ukemi.sdk

    ukemi.sdk.init(app, dsn="https://KEY@host/1", environment="production")

From then on every error is captured once, with user, request and breadcrumbs; secrets are taken out before anything
leaves; every request is counted; what is left is flushed when the app stops. It cannot hurt the app: whatever fails in
here, or on the way to the server, the app goes on as if it were not there.
"""

from ukemi.sdk.capture import capture_exception, capture_message
from ukemi.sdk.context import (
    add_breadcrumb,
    add_request_context,
    add_user_context,
    clear_user_context,
    set_context,
    set_tag,
)
from ukemi.sdk.domains import (
    track_api_error,
    track_auth_error,
    track_database_error,
    track_payment_error,
    track_subscription_error,
)
from ukemi.sdk.handlers import global_exception_handler, http_exception_handler
from ukemi.sdk.middleware import UkemiMiddleware
from ukemi.sdk.operations import (
    track_business_operation,
    track_cache_operation,
    track_database_operation,
    track_external_api_call,
)
from ukemi.sdk.release import find_release
from ukemi.sdk.runtime import report_internal
from ukemi.sdk.sampling import make_traces_sampler
from ukemi.sdk.scrubbing import before_send
from ukemi.sdk.setup import Status, flush, init
from ukemi.sdk.spans import start_span, start_transaction
from ukemi.sdk.tunnel import tunnel
from ukemi.sdk.user import Jwt

__all__ = [
    "Jwt",
    "Status",
    "UkemiMiddleware",
    "add_breadcrumb",
    "add_request_context",
    "add_user_context",
    "before_send",
    "capture_exception",
    "capture_message",
    "clear_user_context",
    "find_release",
    "flush",
    "global_exception_handler",
    "http_exception_handler",
    "init",
    "make_traces_sampler",
    "report_internal",
    "set_context",
    "set_tag",
    "start_span",
    "start_transaction",
    "track_api_error",
    "track_auth_error",
    "track_business_operation",
    "track_cache_operation",
    "track_database_error",
    "track_database_operation",
    "track_external_api_call",
    "track_payment_error",
    "track_subscription_error",
    "tunnel",
]
