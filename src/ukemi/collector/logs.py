"""
Logs of the collector: one line an event, to standard error, for people on a terminal and as JSON elsewhere.

Log lines name rooms, ids, counts and reasons. Payloads, client keys, tokens and addresses never stand in them.
"""

import logging
import sys

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
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=sys.stderr, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s"
    )
