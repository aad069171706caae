"""
What can go wrong in telling.

Undeliverable   a channel did not take a notification; `retry` says if trying again can help
BadChannel      a channel cannot be opened: what its variables hold is no address or key
"""


class Undeliverable(Exception):
    """The channel did not take the notification. The message names no URL and no key."""

    def __init__(self, message: str, *, retry: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after_s = retry_after_s


class BadChannel(ValueError):
    """The channel cannot be opened. The message says which part is wrong and how it should look, and repeats no secret."""
