"""The rule set: what a user may change about scrubbing."""

from dataclasses import dataclass
from typing import Final

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


DEFAULT_RULES: Final = Rules()
