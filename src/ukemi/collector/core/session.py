"""Sessions: what a message about one changes in the counts. Pure."""

from typing import Final

import msgspec

from ukemi.protocol.session import Ending, Session

TERMINAL: Final = frozenset({"exited", "crashed", "abnormal"})


class SessionState(msgspec.Struct, frozen=True):
    """What is remembered of one individual session."""

    sequence: int
    is_started: bool
    """Whether it is counted as a session: only its first message does that, whenever it arrives."""
    status: str
    """Of the newest message."""
    ending: Ending | None
    """How it is counted; None while it goes on well."""


class Step(msgspec.Struct, frozen=True):
    """What one message does."""

    state: SessionState
    starts: bool
    """Count one session more."""
    leaves: Ending | None = None
    """It is not counted under this any more …"""
    enters: Ending | None = None
    """… but under this."""


def step(state: SessionState | None, message: Session) -> Step:
    """
    Take a message in.

    Messages come late, twice and out of order: an older one only tells that the session began, and once a session has
    ended, it does not go on.
    """
    if state is None:
        ending = ending_of(message)
        new = SessionState(message.sequence, message.is_init, message.status, ending)
        return Step(new, starts=message.is_init, enters=ending)
    starts = message.is_init and not state.is_started
    is_started = state.is_started or message.is_init
    is_stale = message.sequence < state.sequence or (state.status in TERMINAL and message.status == "ok")
    if is_stale:
        return Step(msgspec.structs.replace(state, is_started=is_started), starts=starts)
    ending = ending_of(message)
    new = SessionState(message.sequence, is_started, message.status, ending)
    if ending == state.ending:
        return Step(new, starts=starts)
    return Step(new, starts=starts, leaves=state.ending, enters=ending)


def ending_of(message: Session) -> Ending | None:
    """How a session of this state counts: the bad ends are themselves, with errors it is `errored`, while it runs nothing."""
    match message.status:
        case "crashed" | "abnormal" | "unhandled" as bad:
            return bad
        case "errored":
            return "errored"
        case "exited":
            return "errored" if message.errors else "exited"
        case _:
            return "errored" if message.errors else None
