"""The rule set: what a user may change about scrubbing."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ukemi.privacy.keys import is_secret_key, words_of

FILTERED: Final = "[Filtered]"
"""Stands where a secret stood."""


@dataclass(frozen=True)
class Rules:
    hash_key: bytes | None = None
    """Keys the hashes of e-mail addresses, IP addresses and user names. Without it they are removed."""
    secret_keys: frozenset[str] = frozenset()
    """Further keys whose values go, such as `membership_number`; compared word by word, so `MembershipNumber` counts."""
    safe_keys: frozenset[str] = frozenset()
    """Keys whose values stay although they sound secret. Their texts are still searched."""
    known_identities: frozenset[str] = frozenset()
    """User names known to the app at this moment: hashed wherever they stand, also in the middle of a text."""

    def names_secret(self, key: str) -> bool:
        """Whether the value under `key` is a secret, by our words or by the user's list."""
        return (is_secret_key(key) and key not in self.safe_keys) or self.is_listed(key)

    def is_listed(self, key: str) -> bool:
        """Whether `secret_keys` names `key`."""
        words = words_of(key) if self.secret_keys else ()
        return bool(words) and words in _words_of(self.secret_keys)


@lru_cache(maxsize=16)
def _words_of(keys: frozenset[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(words_of(key) for key in keys)


DEFAULT_RULES: Final = Rules()
