"""
What secrets look like in running text. All patterns run in re2: in linear time, on text that strangers write.

Each finder takes the text and the rules and returns the text without what it found, and the name of what it found.
"""

import ipaddress
from collections.abc import Callable
from typing import Any, Final

import re2

from ukemi.privacy.identity import hash_identity
from ukemi.privacy.keys import is_identity_key, is_secret_key
from ukemi.privacy.rules import FILTERED, Rules

Replace = Callable[[Any, Rules], str | None]
"""From a match to what shall stand there; None leaves it."""

SUSPICIOUS: Final = re2.compile(
    r"(?i)pass|pwd|secret|token|key|auth|cookie|sess|csrf|xsrf|jwt|signature|cv[cv]|ssn|credential|otp|pin|bearer|basic|card"
    r"|mail|user|login|\bip|addr|\bsid|saml|mfa"
    r"|eyJ|-----BEGIN|://[^/\s]*@|@[a-z0-9-]+\.|(?:\d[ .-]?){9}|\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]*:[0-9a-f]*:[0-9a-f]*:"
    r"|sk_|rk_|pk_|AKIA|ASIA|gh[pousr]_|github_pat|xox|glpat|AIza|SG\.|npm_|sntry|whsec|hooks\.slack"
)
"""Texts without any of this hold nothing that the patterns below could find: one look instead of ten."""


def _filtered(_match: Any, _rules: Rules) -> str:
    return FILTERED


def _after_word(match: Any, _rules: Rules) -> str | None:
    """`Bearer TOKEN`: only if the token looks like one, so that `basic understanding` stays."""
    token = match.group(2)
    is_random = (
        any(c.isdigit() for c in token) or "=" in token or (token != token.lower() and token != token.capitalize())
    )
    return f"{match.group(1)}{FILTERED}" if is_random or len(token) >= 24 else None


def _url_auth(match: Any, _rules: Rules) -> str:
    return f"{match.group(1)}{FILTERED}@"


def _key_and_value(match: Any, rules: Rules) -> str | None:
    """`password=…`, `"token": "…"`, `username='…'`: judged by the key, as if it stood in the tree."""
    opening, key, separator, value = match.group(1), match.group(2), match.group(3), match.group(4)
    bare = value.strip("\\\"'")
    if not bare or bare == FILTERED or FILTERED.startswith(bare):
        return None
    if is_secret_key(key) and key not in rules.safe_keys:
        if bare.lower() in {"true", "false", "none", "null", "required", "missing", "invalid", "is", "not", "was"}:
            return None
        return f"{opening}{key}{separator}{FILTERED}"
    if is_identity_key(key) and _is_value(bare):
        return f"{opening}{key}{separator}{_identity(bare, rules)}"
    return None


def _is_value(text: str) -> bool:
    """Not a hash already, nor a nested structure or a keyword."""
    return not text.startswith(("hmac:", "{", "[", "<")) and text.lower() not in {"none", "null", "true", "false"}


def _card(match: Any, _rules: Rules) -> str | None:
    digits = "".join(c for c in match.group(2) if c.isdigit())
    return f"{match.group(1)}{FILTERED}{match.group(3)}" if is_card_number(digits) else None


def _ssn(match: Any, _rules: Rules) -> str | None:
    area, group, serial = match.group(2), match.group(3), match.group(4)
    is_valid = area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"
    return f"{match.group(1)}{FILTERED}{match.group(5)}" if is_valid else None


def _email(match: Any, rules: Rules) -> str | None:
    """An address; `shop@1.2.3` is a release, for no domain begins with two numbers."""
    domain = match.group(0).rpartition("@")[2].split(".")
    if len(domain) > 1 and domain[0].isdigit() and domain[1][:1].isdigit():
        return None
    return _identity(match.group(0), rules, "[email]")


def _ip(match: Any, rules: Rules) -> str | None:
    try:
        address = ipaddress.ip_address(match.group(2))
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    return f"{match.group(1)}{_identity(match.group(2), rules, '[ip]')}"


def _identity(text: str, rules: Rules, removed: str = FILTERED) -> str:
    return hash_identity(text, rules.hash_key) if rules.hash_key else removed


def is_card_number(digits: str) -> bool:
    """Whether digits are a payment card's: a brand's prefix and length, and a right check digit (Luhn)."""
    first, length = digits[:1], len(digits)
    is_branded = (
        (first == "4" and length in (13, 16, 19))
        or (length == 16 and ("51" <= digits[:2] <= "55" or "2221" <= digits[:4] <= "2720" or digits[:2] == "35"))
        or (length == 15 and digits[:2] in ("34", "37"))
        or (length == 14 and digits[:2] in ("30", "36", "38", "39"))
        or (first == "6" and 16 <= length <= 19)
    )
    if not is_branded or len(set(digits)) == 1:
        return False
    doubled = [int(d) if i % 2 == 0 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


PATTERNS: Final[list[tuple[str, Any, Replace]]] = [
    ("@pemkey", re2.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)"), _filtered),
    ("@jwt", re2.compile(r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}"), _filtered),
    (
        "@vendorkey",
        re2.compile(
            r"\b(?:[sr]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{8,}|A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{16,}"
            r"|github_pat_[A-Za-z0-9_]{16,}|xox[abeoprs]-[A-Za-z0-9-]{8,}|glpat-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}"
            r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|sntry[su]_[A-Za-z0-9_+/=-]{20,})"
            r"|hooks\.slack\.com/services/[A-Za-z0-9/]+"
        ),
        _filtered,
    ),
    ("@urlauth", re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@'\"]*:[^\s/@]+@"), _url_auth),
    ("@bearer", re2.compile(r"(?i)\b((?:bearer|basic|digest|token)\s+)([A-Za-z0-9+/=._~-]{6,})"), _after_word),
    (
        "@password",
        re2.compile(r"(?i)()\b(password|passwd|pwd|passphrase|pin)(\s+(?:is|was)\s+)(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)"),
        _key_and_value,
    ),
    (
        "@password",
        re2.compile(
            r"""(\\*["']?)([A-Za-z_][A-Za-z0-9_.-]{1,63})(\\*["']?\]?\s*(?:[:=]|=>|%3[DdAa])\s*)"""
            r"""(\\+"(?:[^"\\]|\\[^"])*(?:\\+"|$)|b?"(?:[^"\\]|\\.)*(?:"|$)|b?'(?:[^'\\]|\\.)*(?:'|$)|[^\s&,;)}\]"']+)"""
        ),
        _key_and_value,
    ),
    ("@creditcard", re2.compile(r"(^|[^0-9A-Za-z.-])(\d(?:[ -]?\d){12,18})([^0-9A-Za-z-]|$)"), _card),
    ("@usssn", re2.compile(r"(^|[^0-9A-Za-z-])(\d{3})-(\d{2})-(\d{4})([^0-9A-Za-z-]|$)"), _ssn),
    ("@usssn", re2.compile(r"(?i)(\bssn\W{0,3}(?:is\s+)?)(\d{3})[ -]?(\d{2})[ -]?(\d{4})([^0-9]|$)"), _ssn),
    ("@email", re2.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"), _email),
]
IP_PATTERNS: Final[list[tuple[str, Any, Replace]]] = [
    ("@ip", re2.compile(r"(^|[^0-9A-Za-z./_-]|//)((?:\d{1,3}\.){3}\d{1,3})\b"), _ip),
    ("@ip", re2.compile(r"(^|[^0-9A-Za-z:.]|\[)([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7})"), _ip),
]
