"""Error tracking set up from the backend's settings, and capturing by hand."""

from collections.abc import Mapping
from typing import Any

import sentry_sdk
from fastapi import FastAPI
from sentry_sdk.envelope import Envelope, Item, PayloadRef

import ukemi.sdk
from backend.access import SESSION_COOKIE
from backend.auth_tokens import ALGORITHM
from backend.config import get_settings

# As ukemi's SDK layer has them.
add_breadcrumb = ukemi.sdk.add_breadcrumb
add_request_context = ukemi.sdk.add_request_context
add_user_context = ukemi.sdk.add_user_context
before_send = ukemi.sdk.before_send
capture_exception = ukemi.sdk.capture_exception
capture_message = ukemi.sdk.capture_message
clear_user_context = ukemi.sdk.clear_user_context
global_exception_handler = ukemi.sdk.global_exception_handler
http_exception_handler = ukemi.sdk.http_exception_handler
set_context = ukemi.sdk.set_context
set_tag = ukemi.sdk.set_tag


def init_sentry(app: FastAPI | None = None) -> ukemi.sdk.Status:
    """Set error tracking up for `app`; without `SENTRY_DSN` it stays off, and the log says so."""
    settings = get_settings()
    key = settings.JWT_SECRET.get_secret_value()
    return ukemi.sdk.init(
        app,
        dsn=settings.SENTRY_DSN,
        environment=settings.environment,
        release=settings.release,
        traces_sample_rate=settings.SENTRY_TRACES_SAMPLE_RATE,
        profiles_sample_rate=settings.SENTRY_PROFILES_SAMPLE_RATE,
        pii_key=settings.pii_key,
        jwt=ukemi.sdk.Jwt(key=key, algorithms=[ALGORITHM], cookie=SESSION_COOKIE),
    )


def traces_sampler(sampling_context: Mapping[str, Any]) -> float:
    """Payments and authentication 100 %, health checks 1 %, all others `SENTRY_TRACES_SAMPLE_RATE`."""
    return ukemi.sdk.make_traces_sampler(get_settings().SENTRY_TRACES_SAMPLE_RATE)(sampling_context)


def send_feedback(event_id: str, comments: str, name: str = "") -> None:
    """Tell what somebody says about the event whose id they were shown. Scrubbed like all that leaves."""
    transport = sentry_sdk.get_client().transport
    if transport is not None:
        report = {"event_id": event_id, "name": name, "email": "", "comments": comments}
        envelope = Envelope(headers={"event_id": event_id})
        envelope.add_item(Item(PayloadRef(json=report), type="user_report"))
        transport.capture_envelope(envelope)
