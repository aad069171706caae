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

_PLACE: Final = re.compile(r"%(?:%|[-#0 +]*(?:\*|\d+)?(?:\.\d+)?[sdrifxaegucoX])")
_WORD: Final = re.compile("q7x([0-9]{1,9})k2w9")


def telling_places(template: str, searched: Callable[[str], str]) -> frozenset[int]:
    """
    Which of the positional parameters of `template` (`%s`, `%d`) are secrets, by number from 0.

    Args:
        searched: takes out of a text what looks like a secret. The template is filled with words of no meaning: where one of
            them goes, the parameter has to go, too.
    """
    places = count()
    filled = _PLACE.sub(lambda place: "%" if place[0] == "%%" else f"q7x{next(places)}k2w9", template)
    left = {int(at) for at in _WORD.findall(searched(filled))}
    return frozenset(range(next(places))) - left
