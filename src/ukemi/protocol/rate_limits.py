"""
How to tell an SDK to hold back: the header X-Sentry-Rate-Limits.

`SECONDS:CATEGORIES:SCOPE:REASON`, entries separated by commas; whole seconds (Python's SDK skips decimals), categories
separated by `;`. An answer 429 without it would silence every category, loss reports included, for a minute.
"""

from collections.abc import Iterable

from ukemi.protocol.vocabulary import Category


def write_rate_limits(retry_after_s: int, categories: Iterable[Category], reason: str) -> str:
    """
    The header's value.

    Args:
        categories: what to hold back. Must not be empty: that would mean everything.
    """
    names = ";".join(sorted(set(categories)))
    if not names:
        raise ValueError("A rate limit without categories would silence everything; name what is limited.")
    return f"{retry_after_s}:{names}:project:{reason}"
