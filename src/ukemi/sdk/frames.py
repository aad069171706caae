"""
Variables and source lines of stack frames, put into an event when it leaves.

sentry-sdk collects both for every exception that anybody reports, the second report of the same one included, reads
each source file anew for each frame, and walks all variables twice. Here it is done once, for events that leave, from
cached files, with the same result (benchmarks/sdk_overhead.py).
"""

import linecache
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any, Final

from sentry_sdk.utils import iter_stacks

CONTEXT_LINES: Final = 5
MAX_VARIABLES: Final = 100
MAX_ENTRIES: Final = 10
"""Of a list or mapping, so many are shown."""
MAX_DEPTH: Final = 4
MAX_TEXT: Final = 1024

Event = dict[str, Any]


def fill_frames(event: Event, error: BaseException, traceback: TracebackType | None) -> None:
    """
    Add `vars`, `pre_context`, `context_line` and `post_context` to the event's frames.

    Args:
        error: what the event was made of; its causes and the members of groups are found from it.
        traceback: of `error`.
    """
    values = (event.get("exception") or {}).get("values") or []
    stacks = [list(iter_stacks(one)) for one in _tracebacks(error, traceback)]
    for value in values:
        frames = ((value or {}).get("stacktrace") or {}).get("frames") or []
        lines = [frame.get("lineno") for frame in frames]
        # Event and error tell of the same exceptions in different orders; a stack is known by its line numbers.
        stack = next((one for one in stacks if frames and [step.tb_lineno for step in one] == lines), None)
        for frame, step in zip(frames, stack or (), strict=False):
            _fill(frame, step.tb_frame, step.tb_lineno)


def drop_wrappers(event: Event, error: BaseException) -> None:
    """
    Take groups out of the event that hold nothing but the error itself.

    A task group of a framework wraps an error on its way and lets it out again: how many there were says nothing.
    """
    values = (event.get("exception") or {}).get("values") or []
    if isinstance(error, BaseExceptionGroup) or len(values) < 2:
        return
    wrappers, one = set(), error.__context__
    while isinstance(one, BaseExceptionGroup) and _leaf(one) is error:
        wrappers.add(type(one).__qualname__)
        one = one.__context__
    event["exception"]["values"] = [value for value in values if (value or {}).get("type") not in wrappers]


def _leaf(group: BaseException) -> BaseException | None:
    """The only error in a group, however often it was wrapped; None when there are several."""
    while isinstance(group, BaseExceptionGroup):
        if len(group.exceptions) != 1:
            return None
        group = group.exceptions[0]
    return group


def _tracebacks(error: BaseException, traceback: TracebackType | None) -> Iterator[TracebackType | None]:
    """Of the error, its causes, and the members of groups."""
    yield traceback
    seen, waiting = {id(error)}, [error]
    while waiting:
        one = waiting.pop()
        others = [one.__cause__ if one.__suppress_context__ else one.__context__, one.__cause__]
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for other in (*others, *members):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
                yield other.__traceback__


def _fill(frame: dict[str, Any], code: FrameType, lineno: int) -> None:
    frame["vars"] = {str(name): shown(value, MAX_DEPTH) for name, value in list(code.f_locals.items())[:MAX_VARIABLES]}
    lines = linecache.getlines(code.f_code.co_filename, code.f_globals)
    if 0 < lineno <= len(lines):
        first = max(0, lineno - 1 - CONTEXT_LINES)
        frame["pre_context"] = [_line(line) for line in lines[first : lineno - 1]]
        frame["context_line"] = _line(lines[lineno - 1])
        frame["post_context"] = [_line(line) for line in lines[lineno : lineno + CONTEXT_LINES]]


def shown(value: Any, depth: int) -> Any:
    """A variable as events show it: mappings and lists as such, cut, and everything else as its repr, cut."""
    if depth and isinstance(value, Mapping) and type(value).__repr__ is dict.__repr__:
        return {str(key): shown(entry, depth - 1) for key, entry in list(value.items())[:MAX_ENTRIES]}
    if depth and type(value) in (list, tuple):
        return [shown(entry, depth - 1) for entry in value[:MAX_ENTRIES]]
    if type(value) in (str, bytes) and len(value) > MAX_TEXT:
        value = value[:MAX_TEXT]
    try:
        text = repr(value)
    except Exception:  # the host's own code
        return "<broken repr>"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _line(text: str) -> str:
    return text.rstrip("\r\n")[:MAX_TEXT]
