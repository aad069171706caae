"""
Privacy: what is secret, and how it leaves a JSON tree. One rule set and one engine, shared by the SDK and the collector.

`scrub(tree, rules)` looks at every value. Keys that name secrets lose their values; texts lose what looks like a secret;
e-mail addresses, IP addresses and user names become keyed hashes. What was taken is noted in remarks.
"""

from ukemi.privacy.engine import Scrubbed, scrub, scrub_text
from ukemi.privacy.identity import hash_identity, key_id
from ukemi.privacy.keys import is_identity_key, is_secret_key
from ukemi.privacy.rules import DEFAULT_RULES, FILTERED, Rules

__all__ = [
    "DEFAULT_RULES",
    "FILTERED",
    "Rules",
    "Scrubbed",
    "hash_identity",
    "is_identity_key",
    "is_secret_key",
    "key_id",
    "scrub",
    "scrub_text",
]
