"""
What was searched before and holds nothing: source lines, names and keys come again and again.

Everything is known by its whole content, and bounded, for strangers write what is remembered.
"""

import copy
from functools import lru_cache
from typing import Any, Final

from ukemi.privacy.rules import Rules

MAX_TEXTS: Final = 20_000
MAX_TEXT: Final = 300
STANDING: Final = frozenset({"sdk", "runtime", "modules", "os", "device", "sys.argv"})
"""What a process says of itself is the same in each of its events."""
_SIGHTS: Final = 1 << 16
"""Texts seen once that are told apart, in a byte each."""
_MAX_STANDING: Final = 8
"""Processes told apart, for a collector hears of many."""
_MAX_STANDING_SIZE: Final = 20_000
_MISSES: Final = 1000
"""So often something unknown comes before what is known is forgotten: learning costs more than searching."""

Clean = dict[str, None]
Plain = dict[str, Clean]


class Memory:
    """Of one set of rules, by sort of text."""

    def __init__(self) -> None:
        self.clean: tuple[Clean, Clean, Clean] = ({}, {}, {})
        self.plain: tuple[Plain, Plain, Plain] = ({}, {}, {})
        """Keys that hold nothing and judge nothing, each with the memory for the texts that stand under it."""
        self.standing: dict[str, list[Any]] = {key: [] for key in STANDING}
        """Mappings and lists without secrets, by the key that they stand under."""
        self._misses = 0
        self._seen = bytearray(_SIGHTS)

    def note_clean(self, sort: int, text: str, *, was_suspicious: bool) -> None:
        # Times and numbers do not come again; but what the patterns had to see, such as `127.0.0.1:8000`, is worth it.
        if len(text) <= MAX_TEXT and (was_suspicious or not text[:1].isdigit()) and self._was_seen(text):
            clean = self.clean[sort]
            if len(clean) >= MAX_TEXTS:
                clean.clear()
            clean[text] = None

    def _was_seen(self, text: str) -> bool:
        """Whether a text comes again. The URL of each request comes once, and a million of them would fill the memory."""
        number = hash(text)
        place, mark = number % _SIGHTS, (number // _SIGHTS) % 255 + 1
        was_seen = self._seen[place] == mark
        self._seen[place] = mark
        return was_seen

    def note_plain(self, sort: int, key: str, sort_of_texts: int) -> None:
        if len(key) <= MAX_TEXT:
            plain = self.plain[sort]
            if len(plain) >= MAX_TEXTS:
                plain.clear()
            plain[key] = self.clean[sort_of_texts]

    def note_standing(self, key: str, value: Any) -> None:
        """Remember a mapping or list that came out of the search as it went in."""
        known = self.standing[key]
        if len(known) >= _MAX_STANDING:
            self._misses += 1
            if self._misses < _MISSES:
                return
            self._misses = 0
            known.clear()
        if len(str(value)) <= _MAX_STANDING_SIZE:
            known.append(copy.deepcopy(value))  # nobody else's to change


def memory_for(rules: Rules) -> Memory:
    """What is clean by the shipped words need not be clean by lists of the user's own: each pair of lists has its memory."""
    return _SHIPPED if not rules.secret_keys and not rules.safe_keys else _own(rules.secret_keys, rules.safe_keys)


_SHIPPED: Final = Memory()


@lru_cache(maxsize=4)
def _own(_secret_keys: frozenset[str], _safe_keys: frozenset[str]) -> Memory:
    return Memory()
