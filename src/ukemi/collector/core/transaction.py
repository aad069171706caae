"""Transactions: when one failed, what it is called, how much it weighs, and which are kept as examples. Pure."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from ukemi.protocol.transaction import Transaction

OTHERS: Final = "<< others >>"
"""The name under which transactions count once their project has too many names."""
KEEP_FAILED: Final = 3
KEEP_SLOW: Final = 3
MAX_WEIGHT: Final = 10_000
"""A stranger who says he samples one in a billion counts for so many at most."""
_NO_FAILURE: Final = frozenset({"ok", "cancelled", "unknown"})
_PARAMETERISED: Final = frozenset({"route", "view", "component", "task", "custom", "sanitized"})
_ORIGIN: Final = re.compile(r"^([A-Z]{3,10} )?[a-z][a-z0-9+.-]*://[^/?#\s]*")
_QUERY: Final = re.compile(r"[?#].*$", re.DOTALL)
_SEGMENT: Final = re.compile(r"[^/]+")
_GENERATED: Final = re.compile(
    r"""
    \d+ | \d{4}-\d\d-\d\d.*                                          # number, date
    | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}   # UUID
    | (?:0x)?(?=[a-f]*\d)[0-9a-f]{6,}                                # hexadecimal
    | (?=[^\d]*\d)[A-Za-z0-9_=-]{20,}                                # token
    | [^\s@]+@[^\s@]+                                                # e-mail
    | [A-Za-z]{0,8}[-_.]?\d{2,}                                      # order-1234
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Kept(msgspec.Struct, frozen=True):
    """A kept example, as far as the choice between it and another goes."""

    id: bytes
    is_failed: bool
    duration_us: int


class Verdict(msgspec.Struct, frozen=True):
    is_kept: bool
    in_place_of: bytes | None = None
    """Id of the example that goes for it."""


def is_failed(status: str) -> bool:
    """Whether a transaction of this status failed; one that was cancelled or says nothing did not."""
    return status not in _NO_FAILURE


def name_of(transaction: Transaction) -> str:
    """Its name; one that is a URL as it came loses host, query and whatever looks generated, so that names stay few."""
    if transaction.source in _PARAMETERISED:
        return transaction.name
    name = _ORIGIN.sub(lambda origin: origin[1] or "", _QUERY.sub("", transaction.name)) or "/"
    if "/" not in name:
        return name
    start = name.index("/")
    return name[:start] + _SEGMENT.sub(lambda part: "*" if _GENERATED.fullmatch(part[0]) else part[0], name[start:])


def weigh(sample_rate: float | None, carried: float) -> tuple[int, float]:
    """
    For how many transactions one counts that was sampled at `sample_rate`.

    Whole numbers, yet fair: what rounding left over is carried to the next one, so the sum of all is never off by more
    than a half.

    Returns: the weight, and what is carried.
    """
    exact = min(1 / sample_rate if sample_rate else 1.0, MAX_WEIGHT) + carried
    weight = max(0, round(exact))
    return weight, exact - weight


def choose(kept: Sequence[Kept], candidate: Kept) -> Verdict:
    """
    Whether an example is worth keeping beside those of the same name and hour: the slowest failed and the slowest others.

    So there is always one to look at, and those that hurt are among them.
    """
    if any(one.id == candidate.id for one in kept):
        return Verdict(is_kept=False)
    rivals = [one for one in kept if one.is_failed == candidate.is_failed]
    if len(rivals) < (KEEP_FAILED if candidate.is_failed else KEEP_SLOW):
        return Verdict(is_kept=True)
    fastest = min(rivals, key=lambda one: one.duration_us)
    if candidate.duration_us > fastest.duration_us:
        return Verdict(is_kept=True, in_place_of=fastest.id)
    return Verdict(is_kept=False)
