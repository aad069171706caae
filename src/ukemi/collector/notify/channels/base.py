"""What every channel can do, and what all of them need to write."""

from datetime import UTC, datetime
from typing import Protocol

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import BlastRadius, Content, Reason


class Telling(msgspec.Struct, frozen=True):
    """One notification on its way."""

    id: str
    """The same on every try: lets the receiver drop a second delivery."""
    content: Content
    key_id: str = ""
    """The channel's `key_id` when it was first told of this incident."""


class Channel(Protocol):
    @property
    def key_id(self) -> str:
        """Names, without telling it, the key that must not change over an incident's life; "" when there is none."""

    def send(self, telling: Telling, now_us: int) -> str:
        """
        Deliver one notification, once. Retrying is the worker's job.

        Returns:
            what came back, in a few words.

        Raises:
            Undeliverable: it was not taken; `retry` says if trying again can help.
        """


def iso(at_us: int) -> str:
    """An instant as RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(at_us // SECOND_US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str) -> str:
    """Without line breaks and control characters, which a stranger could forge a further line with."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def headline(content: Content) -> str:
    """What it is in one line: `critical: API downtime in production`."""
    state = {
        Reason.OPENED: content.severity,
        Reason.UPGRADED: f"now {content.severity}",
        Reason.STILL_OPEN: f"still open, {content.severity}",
        Reason.ACKNOWLEDGED: "acknowledged",
        Reason.REOPENED: f"open again, {content.severity}",
        Reason.CLOSED: "resolved",
        Reason.HELD_BACK: "held back",
        Reason.TEST: "test",
        Reason.SELF_TEST: "self-test",
    }[content.reason]
    return f"{state}: {one_line(content.title)}"


def reach(radius: BlastRadius) -> list[str]:
    """The blast radius in short lines, without what is not known."""
    lines = []
    if radius.events or radius.users:
        users = f", {radius.users} {'user' if radius.users == 1 else 'users'}" if radius.users else ""
        lines.append(f"{radius.events} {'event' if radius.events == 1 else 'events'}{users}")
    if radius.endpoints:
        lines.append("Endpoints: " + ", ".join(one_line(line.text) for line in radius.endpoints))
    if radius.first_release:
        lines.append(f"First seen in {one_line(radius.first_release)}")
    if radius.suspect_release and radius.suspect_release != radius.first_release:
        lines.append(f"Began after the deploy of {one_line(radius.suspect_release)}")
    return lines
