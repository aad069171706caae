"""
Parameters of a message: `log.error("password: %s", password)` tells in its template what the parameter, on its own, does not.
"""

import re
from collections.abc import Callable
from typing import Final

TEMPLATE: Final = "sentry.message.template"
PARAMETER: Final = "sentry.message.parameter."
"""Under these names sentry-sdk sends template and parameters of a log; an event has both in its `logentry`."""

_PLACE: Final = re.compile(r"%(?:%|[-#0 +]*(?:\*|\d+)?(?:\.\d+)?[sdrifxaegucoX])")


def telling_places(template: str, searched: Callable[[str], str]) -> frozenset[int]:
    """
    Which of the positional parameters of `template` (`%s`, `%d`) are secrets, by number from 0.

    Args:
        searched: takes out of a text what looks like a secret. The template is filled with words of no meaning: where one of
            them goes, the parameter has to go, too.
    """
    words: list[str] = []

    def fill(place: re.Match[str]) -> str:
        if place.group(0) == "%%":
            return "%"
        words.append(f"q7x{len(words)}k2w9")
        return words[-1]

    filled = _PLACE.sub(fill, template)
    left = searched(filled) if words else ""
    return frozenset(at for at, word in enumerate(words) if word not in left)
