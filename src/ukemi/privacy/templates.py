"""
Parameters of a message: `log.error("password: %s", password)` tells in its template what the parameter, on its own, does not.
"""

import re
from collections.abc import Callable
from itertools import count
from typing import Final

TEMPLATE: Final = "sentry.message.template"
PARAMETER: Final = "sentry.message.parameter."
"""Under these names sentry-sdk sends template and parameters of a log; an event has both in its `logentry`."""

_PLACE: Final = re.compile(
    r"%%|%(?:\((\w{1,63})\))?[-#0 +]*(?:\*|\d+)?(?:\.\d+)?[sdrifxaegucoX]|\{(\w{0,63})(?:![rsa])?(?::[^{}]{0,20})?\}"
)
_WORD: Final = re.compile("q7x([0-9]{1,9})k2w9")


def telling_places(template: str, searched: Callable[[str], str]) -> frozenset[str]:
    """
    Which of the parameters of `template` are secrets: numbers from 0 for `%s` and `%d`, names for `%(name)s` and `{name}`.

    Args:
        searched: takes out of a text what looks like a secret. The template is filled with words of no meaning: where one of
            them goes, the parameter has to go, too.
    """
    names: list[str] = []
    numbers = count()

    def fill(place: re.Match[str]) -> str:
        if place[0] == "%%":
            return "%"
        names.append(place[1] or place[2] or str(next(numbers)))
        return f"q7x{len(names) - 1}k2w9"

    filled = _PLACE.sub(fill, template)
    left = {int(at) for at in _WORD.findall(searched(filled))}
    return frozenset(name for at, name in enumerate(names) if at not in left)
