"""
Marks on exceptions: what became of one, written on the object itself, so that it is told once wherever it is met again.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from ukemi.sdk.runtime import report_internal

_MARK: Final = "__ukemi_mark__"


class AtHand:
    """The request that is being served. Its ASGI scope is let go with it, for marks on kept exceptions live on."""

    __slots__ = ("scope",)

    def __init__(self, scope: Mapping[str, Any] | None) -> None:
        self.scope = scope


request_at_hand: ContextVar[AtHand | None] = ContextVar("ukemi_request_at_hand", default=None)
"""Tells requests apart; None outside of any, as in the server's own log."""


@dataclass(frozen=True)
class Mark:
    """Written on an exception that was met: it is the same object wherever it is met again, in any task."""

    event_id: str
    is_out: bool
    request: AtHand | None


def was_met(error: BaseException) -> bool:
    """Whether it is decided what becomes of an exception, be it that it was sent or that it was held back."""
    return mark_of(error) is not None


def event_id_of(error: BaseException) -> str | None:
    """Id of the event that an exception was captured as; None when it was not."""
    known = mark_of(error)
    return known.event_id if known is not None and known.is_out else None


def mark_of(error: BaseException) -> Mark | None:
    """
    A group of one counts as its member.

    What another request wrote does not count: apps keep exceptions, of a closed pool for example, and raise them anew.
    """
    known = getattr(error, "__dict__", {}).get(_MARK)  # no getattr of the mark: some classes answer for every name
    if known is None and isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return mark_of(error.exceptions[0])
    if not isinstance(known, Mark):
        return None
    # Threads that a request began know nothing of it, nor does the server's log.
    is_of_another = request_at_hand.get() not in (None, known.request) and known.request is not None
    return None if is_of_another else known


def mark(error: BaseException, event_id: str, *, is_out: bool) -> None:
    """Note on an exception what became of it."""
    note = Mark(event_id, is_out, request_at_hand.get())
    try:
        BaseException.__setattr__(error, _MARK, note)  # past a __setattr__ that forbids writing, as frozen classes have
    except (AttributeError, TypeError):
        report_internal("mark_failed")
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        mark(error.exceptions[0], event_id, is_out=is_out)
