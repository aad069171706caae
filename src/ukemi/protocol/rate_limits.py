"""
How to tell an SDK to hold back: the header X-Sentry-Rate-Limits.

`SECONDS:CATEGORIES:SCOPE:REASON`, entries separated by commas; whole seconds (Python's SDK skips decimals), categories
separated by `;`. An answer 429 without it would silence every category, loss reports included, for a minute.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from ukemi.protocol.vocabulary import Category


class RateLimit(NamedTuple):
    """What to hold back, and for how long."""

    retry_after_s: int
    category: Category
    scope: Literal["organization", "project", "key"]
    reason: str


def write_rate_limits(limits: Iterable[RateLimit]) -> str:
    """
    The header's value.

    Args:
        limits: must not be empty: a limit without categories would mean everything, loss reports included.
    """
    entries: dict[tuple[int, str, str], set[Category]] = {}
    for limit in limits:
        entries.setdefault((limit.retry_after_s, limit.scope, limit.reason), set()).add(limit.category)
    if not entries or any("" in categories for categories in entries.values()):
        raise ValueError("A rate limit without categories would silence everything; name what is limited.")
    return ", ".join(
        f"{seconds}:{';'.join(sorted(categories))}:{scope}:{reason}"
        for (seconds, scope, reason), categories in sorted(entries.items())
    )
