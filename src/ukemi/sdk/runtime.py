"""What `init` decided, for everything else to look up. One per process, replaced as a whole."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ukemi.privacy import DEFAULT_RULES, Rules
from ukemi.protocol.vocabulary import HEALTH_SEGMENTS

if TYPE_CHECKING:
    from ukemi.sdk.request_counts import Reporter
    from ukemi.sdk.storm import StormGuard
    from ukemi.sdk.user import Jwt

log = logging.getLogger("ukemi")

UserOf = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""From an ASGI scope to the user of the request: `id`, `email`, `username`, `role`, `tier`; None when nobody is signed in."""


@dataclass(frozen=True)
class Runtime:
    is_on: bool = False
    rules: Rules = DEFAULT_RULES
    user: UserOf | None = None
    jwt: "Jwt | None" = None
    health: frozenset[str] = HEALTH_SEGMENTS
    counter: "Reporter | None" = None
    expected_level: str = "warning"
    streams_spans: bool = False
    fills_frames: bool = False
    """Whether we put variables and source lines into events (`frames`), and not sentry-sdk."""
    storm: "StormGuard | None" = None
    tells_repeats: bool = False
    """Whether the server knows the item that tells what the storm guard counted."""
    sampler: "Callable[[str, bool | None], float] | None" = None
    """Rate of a request by its path and its caller's decision; None: sentry-sdk decides by options of the app's own."""
    again: "Callable[..., Any] | None" = None
    """While tracking is off: sets it up as the app asked for, with a DSN (`ukemi.sdk.testing`)."""
    claims: dict[bytes, tuple[Mapping[str, Any], float]] = field(default_factory=dict, repr=False)
    """What verified tokens say, by the hash of the token, and until when (wall clock, seconds) that may be taken for known."""
    internal: dict[str, int] = field(default_factory=dict)
    """Failures of our own code by name: what `report_internal` counts."""


_runtime = Runtime()


def current() -> Runtime:
    return _runtime


def install(runtime: Runtime) -> None:
    global _runtime  # noqa: PLW0603 - the one place of a process-wide value
    _runtime = runtime


def report_internal(name: str) -> None:
    """Count a failure of our own code; the first of each name is logged. Never raises."""
    counts = current().internal
    counts[name] = counts.get(name, 0) + 1
    if counts[name] == 1:
        with suppress(Exception):  # sentry-sdk listens to logs, and may be what failed
            log.warning("ukemi: %s; the app is not affected. Further ones are only counted.", name, exc_info=True)  # noqa: LOG014 - called from handlers
