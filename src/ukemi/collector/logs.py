"""
Logs of the collector: one line an event, to standard error, for people on a terminal and as JSON elsewhere.

Log lines name rooms, ids, counts and reasons. Payloads, client keys, tokens and addresses never stand in them. So of an
exception one sees where it was and of what kind, its words only if they cannot quote what somebody sent: "Invalid isoformat
string: '…'" could.
"""

import logging
import sqlite3
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure(level: str) -> None:
    """
    Set up logging for this process.

    Args:
        level: debug, info, warning or error; anything else means info.
    """
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            show_exception,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=sys.stderr, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s"
    )


def show_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the traceback without source lines and, unless they are ours, without the exceptions' words."""
    if event.pop("exc_info", None):
        error = sys.exc_info()[1]
        event["exception"] = "" if error is None else "".join(_show(error))
    return event


def _show(error: BaseException) -> list[str]:
    lines = []
    if (before := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        lines += [*_show(before), "then:\n"]
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f"  {frame.filename}:{frame.lineno} {frame.name}\n")
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    lines.append(f"{name}: {error}\n" if _is_safe(error) else f"{name}\n")
    return lines


def _is_safe(error: BaseException) -> bool:
    """Whether its words come from us, the system or the database, which does not show parameters (see store.database)."""
    is_of_database = isinstance(error, sqlite3.Error) or type(error).__name__ == "OperationalError"
    return isinstance(error, OSError) or is_of_database or type(error).__module__.startswith("ukemi.")
