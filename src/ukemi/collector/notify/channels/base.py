"""What every channel can do."""

from datetime import UTC, datetime
from typing import Protocol

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import Content


class Channel(Protocol):
    def send(self, notification_id: str, content: Content, now_us: int) -> None:
        """
        Deliver one notification, once. Retrying is the worker's job.

        Args:
            notification_id: the same on every try: lets the receiver drop a second delivery.

        Raises:
            Undeliverable: it was not taken; `retry` says if trying again can help.
        """


def iso(at_us: int) -> str:
    """An instant as RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(at_us // SECOND_US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
