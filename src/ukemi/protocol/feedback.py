"""
Feedback: what a person who met an error has to say. Items `feedback` and `user_report`, and the form of the crash-report modal.

Source: develop.sentry.dev/sdk/telemetry/feedbacks, read 2026-11.
"""

import msgspec

from ukemi.protocol.envelope import read_event_id
from ukemi.protocol.errors import PayloadError
from ukemi.protocol.event import decode_event, read_event


class Feedback(msgspec.Struct, frozen=True):
    event_id: str | None
    """The event that it is about, 32 hex digits."""
    name: str
    email: str
    message: str
    url: str = ""
    environment: str = ""
    release: str = ""


def read_feedback(payload: bytes) -> Feedback:
    """
    Read a `feedback` item: an event whose context `feedback` says it all.

    Raises:
        PayloadError: no JSON object, or no message in it.
    """
    tree = decode_event(payload)
    event = read_event({name: tree.get(name) for name in ("contexts", "environment", "release", "request")})
    said = event.contexts.get("feedback", {})
    return _checked(
        Feedback(
            event_id=read_event_id(said.get("associated_event_id")),
            name=_text(said.get("name"), 128),
            email=_text(said.get("contact_email"), 254),
            message=_text(said.get("message"), 8192),
            url=_text(said.get("url"), 1024) or event.request.url,
            environment=event.environment,
            release=event.release,
        )
    )


def read_user_report(payload: bytes) -> Feedback:
    """
    Read a `user_report` item.

    Raises:
        PayloadError: no JSON object, no event that it is about, or no message in it.
    """
    tree = decode_event(payload)
    event_id = read_event_id(tree.get("event_id"))
    if event_id is None:
        raise PayloadError("bad_feedback", "The user report names no event.")
    return _checked(
        Feedback(
            event_id=event_id,
            name=_text(tree.get("name"), 128),
            email=_text(tree.get("email"), 254),
            message=_text(tree.get("comments"), 8192),
        )
    )


def _checked(feedback: Feedback) -> Feedback:
    if not feedback.message:
        raise PayloadError("bad_feedback", "The feedback says nothing.")
    return feedback


def _text(value: object, limit: int) -> str:
    return value.replace("\0", "").strip()[:limit] if isinstance(value, str) else ""
