"""
The log of a process that must stay small: the same lines as `logs` makes, without structlog.

structlog brings asyncio, and rich where that is installed: 11 MB, for a process that has a dozen things to say.
"""

import datetime as dt
import json
import sys
from typing import Final

_LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3}


class PlainLog:
    """Writes to standard error: for people on a terminal, and as JSON elsewhere."""

    def __init__(self) -> None:
        self._least = _LEVELS["info"]

    def configure(self, level: str) -> None:
        """
        Say from which level on lines are written.

        Args:
            level: debug, info, warning or error; anything else means info.
        """
        self._least = _LEVELS.get(level.lower(), _LEVELS["info"])

    def info(self, event: str, **fields: str | float | None) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: str | float | None) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: str | float | None) -> None:
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, str | float | None]) -> None:
        if _LEVELS[level] < self._least:
            return
        timestamp = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        if sys.stderr.isatty():
            line = " ".join([timestamp, f"[{level:9}]", event, *(f"{name}={value}" for name, value in fields.items())])
        else:
            line = json.dumps({**fields, "event": event, "level": level, "timestamp": timestamp})
        print(line, file=sys.stderr, flush=True)
