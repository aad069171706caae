"""Client reports: what an SDK says it lost. Hints, not facts: anybody with the key can send them, so all is bounded."""

import re

import msgspec

from ukemi.protocol.errors import PayloadError
from ukemi.protocol.vocabulary import CATEGORIES, Category

MAX_ENTRIES = 100
MAX_QUANTITY = 1_000_000
_REASON = re.compile(r"[a-z_]{1,40}")


class Lost(msgspec.Struct, frozen=True):
    category: Category
    reason: str
    quantity: int


class _Entry(msgspec.Struct):
    reason: str = ""
    category: str = ""
    quantity: int = 0


class _Report(msgspec.Struct):
    discarded_events: list[_Entry] = []


def read_client_report(payload: bytes) -> list[Lost]:
    """
    What the client lost. Unknown categories and malformed reasons are kept as `default` and `other`.

    Raises:
        PayloadError: the report cannot be read.
    """
    try:
        report = msgspec.json.decode(payload, type=_Report)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError("bad_client_report", "The client report cannot be read.") from error
    return [
        Lost(
            category=entry.category if entry.category in CATEGORIES else "default",
            reason=entry.reason if _REASON.fullmatch(entry.reason) else "other",
            quantity=min(entry.quantity, MAX_QUANTITY),
        )
        for entry in report.discarded_events[:MAX_ENTRIES]
        if entry.quantity > 0
    ]
