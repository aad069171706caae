"""Error tracking set up from the backend's settings, and capturing by hand."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

import ukemi.sdk
from backend.auth_tokens import ALGORITHM
from backend.config import get_settings
from ukemi.sdk import (
    Status,
    add_breadcrumb,
    add_request_context,
    add_user_context,
    before_send,
    capture_exception,
    capture_message,
    clear_user_context,
    global_exception_handler,
    http_exception_handler,
    make_traces_sampler,
    set_context,
    set_tag,
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
    "traces_sampler",
]


def init_sentry(app: FastAPI | None = None) -> Status:
    """Set error tracking up for `app`; without `SENTRY_DSN` it stays off, and the log says so."""
    settings = get_settings()
    return ukemi.sdk.init(
        app,
        dsn=settings.SENTRY_DSN,
        environment=settings.environment,
        release=settings.release,
        traces_sample_rate=settings.SENTRY_TRACES_SAMPLE_RATE,
        profiles_sample_rate=settings.SENTRY_PROFILES_SAMPLE_RATE,
        pii_key=settings.pii_key,
        jwt=ukemi.sdk.Jwt(key=settings.JWT_SECRET.get_secret_value(), algorithms=[ALGORITHM]),
    )


def traces_sampler(sampling_context: Mapping[str, Any]) -> float:
    """Payments and authentication 100 %, health checks 1 %, all others `SENTRY_TRACES_SAMPLE_RATE`."""
    return make_traces_sampler(get_settings().SENTRY_TRACES_SAMPLE_RATE)(sampling_context)
