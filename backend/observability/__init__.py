"""Error tracking: everything that the rest of the backend needs of it."""

from backend.observability.error_utils import (
    start_span,
    start_transaction,
    track_api_error,
    track_auth_error,
    track_database_error,
    track_payment_error,
    track_subscription_error,
)
from backend.observability.errors import (
    add_breadcrumb,
    add_request_context,
    add_user_context,
    before_send,
    capture_exception,
    capture_message,
    clear_user_context,
    global_exception_handler,
    http_exception_handler,
    init_sentry,
    set_context,
    set_tag,
    traces_sampler,
)

__all__ = [
    "add_breadcrumb",
    "add_request_context",
    "add_user_context",
    "before_send",
    "capture_exception",
    "capture_message",
    "clear_user_context",
    "global_exception_handler",
    "http_exception_handler",
    "init_sentry",
    "set_context",
    "set_tag",
    "start_span",
    "start_transaction",
    "traces_sampler",
    "track_api_error",
    "track_auth_error",
    "track_database_error",
    "track_payment_error",
    "track_subscription_error",
]
