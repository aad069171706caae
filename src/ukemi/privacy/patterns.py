"""
What secrets look like in running text. Patterns run in re2: in linear time, on text that strangers write.

Keys are found by a pattern and judged by their words; only the value of a key that counts is read, so that a secret
inside the value of another key is found too: `url=https://host/?token=…`.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import re2

from ukemi.privacy.identity import hash_identity
from ukemi.privacy.keys import is_group_key, is_identity_key
from ukemi.privacy.rules import FILTERED, Rules

Replace = Callable[[Any, Rules], str | None]
"""From a match to what shall stand there; None leaves it."""
Finder = Callable[[str, Rules], str]
"""From a text to the text without what was looked for."""

SUSPICIOUS: Final = re2.compile(
    r"(?i)pass|pwd|secret|token|key|auth|cookie|sess|csrf|xsrf|jwt|signature|cv[cv]|ssn|credential|otp|pin|bearer|basic|card"
    r"|(?:security|verification|recovery)[^0-9a-z]*code|two[^0-9a-z]*factor|social|\bpan|_pan|cc[^0-9a-z]*num|mail|user|login|\bip|_ip|addr"
    r"|\bsid|_sid|saml|mfa"
    r"|eyJ|-----BEGIN|://[^/\s]*@|@[a-z0-9-]+\.|(?:\d[ .-]?){9}|\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]*:[0-9a-f]*:[0-9a-f]*:"
    r"|sk_|rk_|pk_|AKIA|ASIA|gh[pousr]_|github_pat|xox|glpat|AIza|SG\.|npm_|sntry|whsec|hooks\.slack"
)
"""Texts without any of this hold nothing that the patterns below could find: one look instead of ten."""
_NO_VALUES: Final = frozenset({"true", "false", "none", "null", "required", "missing", "invalid", "is", "not", "was"})
"""What stands after a secret's key when the secret does not."""
_DIGITS: Final = re.compile("[0-9]+")
_REMOVED: Final = ("[email]", "[ip]")
"""Stand for addresses when there is no key to hash them with."""


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
    """`password is …`, and the like: judged by the key, as if it stood in the tree."""
    replacement = _judge(match.group(2), match.group(4), rules)
    return None if replacement is None else f"{match.group(1)}{match.group(2)}{match.group(3)}{replacement}"


def _judge(key: str, value: str, rules: Rules) -> str | None:
    """What shall stand for `value` under `key`; None leaves it."""
    bare = value.strip("\\\"'")
    if not bare or FILTERED.startswith(bare):
        return None
    if rules.names_secret(key):
        return None if bare.lower() in _NO_VALUES else FILTERED
    is_value = not _NO_IDENTITY.match(bare) and bare.lower() not in {"none", "null", "true", "false"}
    return _identity(bare, rules) if is_identity_key(key) and is_value else None


def _pair(match: Any, rules: Rules) -> str | None:
    """`('authorization', '…')`: the first names the second."""
    replaced = _key_and_value(match, rules)
    return None if replaced is None else f"{replaced}{match.group(5)}"


def _header(match: Any, rules: Rules) -> str | None:
    """`Authorization: Scheme TOKEN` and `Cookie: a=1; b=2`: longer than a value elsewhere."""
    if match.group(4).split()[0].lower() in _NO_VALUES:
        return None
    return _key_and_value(match, rules)


def _card(match: Any, _rules: Rules) -> str | None:
    """Every card among groups of digits; a quantity may stand before it, and its expiry or code behind."""
    text = match.group(2)
    groups = [group.span() for group in _DIGITS.finditer(text)]
    parts, done = [], 0
    for first, (start, _) in enumerate(groups):
        digits, card_end = "", 0
        for group_start, end in groups[first : first + 19] if start >= done else ():
            digits += text[group_start:end]
            if len(digits) > 19:
                break
            if len(digits) >= 13 and is_card_number(digits):
                card_end = end
        if card_end:
            parts += [text[done:start], FILTERED]
            done = card_end
    return "".join([match.group(1), *parts, text[done:], match.group(3)]) if parts else None


def _ssn(match: Any, _rules: Rules) -> str | None:
    area, group, serial = match.group(2), match.group(3), match.group(4)
    is_valid = area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"
    return f"{match.group(1)}{FILTERED}{match.group(5)}" if is_valid else None


def _email(match: Any, rules: Rules) -> str | None:
    """An address; `shop@1.2.3` is a release, for no domain begins with two numbers."""
    domain = match.group(0).rpartition("@")[2].split(".")
    if len(domain) > 1 and domain[0].isdigit() and domain[1][:1].isdigit():
        return None
    return _identity(match.group(0), rules, _REMOVED[0])


def _ip(match: Any, rules: Rules) -> str | None:
    try:
        address = ipaddress.ip_address(match.group(2))
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    return f"{match.group(1)}{_identity(match.group(2), rules, _REMOVED[1])}"


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


def _by(pattern: Any, replace: Replace) -> Finder:
    def find(text: str, rules: Rules) -> str:
        def replaced(match: Any) -> str:
            replacement = replace(match, rules)
            return str(match.group(0)) if replacement is None else replacement

        return str(pattern.sub(replaced, text))

    return find


_KEY: Final = re2.compile(r"""([A-Za-z_][A-Za-z0-9_.-]{1,63})\\*["']?\]?\s*(?:[:=]|=>|%3[DdAa])\s*""")
_QUOTED: Final = re.compile(
    r"""(?s)\\+"(?:[^"\\]|\\[^"])*(?:\\+"|\\*\Z)|b?"(?:[^"\\]|\\.)*(?:"|\\?\Z)|b?'(?:[^'\\]|\\.)*(?:'|\\?\Z)"""
)
"""Once begun it always ends: texts are cut, so the end of one is the end of a value too. Hence it is linear in Python's re."""

_NO_IDENTITY: Final = re.compile(r"""[\\"']*+(?:hmac:|[{\[<])""")
"""A hash already, or a nested structure."""


def _values(text: str, rules: Rules) -> str:
    """Values by their keys: `password=…`, `"token": "…"`, `username='…'`."""
    parts, done = [], 0
    for match in _KEY.finditer(text):
        start = match.end()
        if match.start() < done or not _is_wanted(match.group(1), text, match.start(), start, rules):
            continue
        value = text[start : _end_of_value(text, start)]
        replacement = _judge(match.group(1), value, rules)
        if replacement is not None:
            parts += [text[done:start], replacement]
            done = start + len(value)
    return "".join([*parts, text[done:]])


def _is_wanted(key: str, text: str, key_start: int, start: int, rules: Rules) -> bool:
    """Whether the value at `start` is to be judged whole; else its parts are, by their own keys."""
    if rules.names_secret(key):
        return not (text.startswith("{", start) and is_group_key(key)) or rules.is_listed(key)
    is_removed = text.startswith(_REMOVED, key_start - 1)  # "[email]: mailbox full"
    return is_identity_key(key) and not is_removed and not _NO_IDENTITY.match(text, start)


def _end_of_value(text: str, start: int) -> int:
    """Before the first delimiter behind its quotes and brackets: `'…'`, `SecretStr('…')`, `{"a": ["…"]}`."""
    if quoted := _QUOTED.match(text, start):
        start = quoted.end()
    depth = 0
    for end in range(start, len(text)):
        char = text[end]
        if char in "[({":
            depth += 1
        elif depth and char in "])}":
            depth -= 1
        elif not depth and (char in "&,;])}\"'" or char.isspace()):
            return end
    return len(text)


@dataclass(frozen=True)
class Pattern:
    """One thing to look for in texts."""

    name: str
    may_find: Callable[[str], bool]
    """Quick to say, and true whenever `find` would find something."""
    find: Finder
    is_of_ips: bool = False


def _has(*parts: str) -> Callable[[str], bool]:
    """Any of these stands in the text."""
    return lambda text: any(part in text for part in parts)


def _has_word(*words: str) -> Callable[[str], bool]:
    """Any of these stands in the text, in whatever case."""

    def look(text: str) -> bool:
        lower = text.lower()
        return any(word in lower for word in words)

    return look


def _has_digits(count: int) -> Callable[[str], bool]:
    """At least so many digits are in the text, wherever."""
    return lambda text: sum(map(text.count, "0123456789")) >= count


_VENDORS: Final = (
    "_live_",
    "_test_",
    "whsec_",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "xox",
    "glpat-",
    "AIza",
    "SG.",
    "npm_",
    "sntry",
    "hooks.slack.com",
)

FINDERS: Final[list[Pattern]] = [
    Pattern(
        "@pemkey",
        _has("-----BEGIN"),
        _by(re2.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)"), _filtered),
    ),
    Pattern("@jwt", _has("eyJ"), _by(re2.compile(r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}"), _filtered)),
    Pattern(
        "@vendorkey",
        _has(*_VENDORS),
        _by(
            re2.compile(
                r"\b(?:[sr]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{8,}|A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{16,}"
                r"|github_pat_[A-Za-z0-9_]{16,}|xox[abeoprs]-[A-Za-z0-9-]{8,}|glpat-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}"
                r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|sntry[su]_[A-Za-z0-9_+/=-]{20,})"
                r"|hooks\.slack\.com/services/[A-Za-z0-9/]+"
            ),
            _filtered,
        ),
    ),
    Pattern(
        "@urlauth",
        lambda text: "://" in text and "@" in text,
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@'\"]*:[^\s/]+@"), _url_auth),
    ),
    Pattern(
        "@bearer",
        _has_word("bearer", "basic", "token"),
        _by(re2.compile(r"(?i)\b((?:bearer|basic|token)\s+)([A-Za-z0-9+/=._~-]{6,})"), _after_word),
    ),
    Pattern(
        "@password",
        _has_word("authorization"),
        _by(
            re2.compile(
                r"(?i)()\b((?:proxy-)?authorization)([\"']?\s*:\s*)((?:[a-z][\w-]*[ \t]+)?[^\s,;\"'\[\](){}]+)"
            ),
            _header,
        ),
    ),
    Pattern(
        "@password",
        _has_word("cookie"),
        _by(
            re2.compile(
                r"(?i)()\b((?:set-)?cookie)([\"']?\s*:\s*)([^\s,;\"'\[\](){}]+(?:;[ \t]*[^\s,;\"'\[\](){}]+)*)"
            ),
            _header,
        ),
    ),
    Pattern(
        "@password",
        _has_word("pass", "pwd", "pin"),
        _by(
            re2.compile(
                r"(?i)()\b(password|passwd|pwd|passphrase|pin)(\s+(?:is|was)\s+)(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)"
            ),
            _key_and_value,
        ),
    ),
    Pattern(
        "@password",
        lambda text: "," in text and ("[" in text or "(" in text),
        _by(
            re2.compile(
                r"""([\[(]\s*b?["'])([A-Za-z_][A-Za-z0-9_.-]{1,63})(["']\s*,\s*)"""
                r"""(b?"(?:[^"\\]|\\.)*(?:"|\\?$)|b?'(?:[^'\\]|\\.)*(?:'|\\?$))(\s*[\])]|$)"""
            ),
            _pair,
        ),
    ),
    Pattern("@password", _has("=", ":", "%3"), _values),
    Pattern(
        "@creditcard",
        _has_digits(13),
        _by(re2.compile(r"(^|[^0-9A-Za-z.-])(\d(?:[ -]?\d){12,})([^0-9A-Za-z-]|$)"), _card),
    ),
    Pattern(
        "@usssn",
        lambda text: "-" in text and _has_digits(9)(text),
        _by(re2.compile(r"(^|[^0-9A-Za-z-])(\d{3})-(\d{2})-(\d{4})([^0-9A-Za-z-]|$)"), _ssn),
    ),
    Pattern(
        "@usssn",
        _has_word("ssn"),
        _by(re2.compile(r"(?i)(\bssn\W{0,3}(?:is\s+)?)(\d{3})[ -]?(\d{2})[ -]?(\d{4})([^0-9]|$)"), _ssn),
    ),
    Pattern(
        "@email",
        _has("@"),
        _by(re2.compile(r"[A-Za-z0-9._%+-]{1,64}(?:@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)+"), _email),
    ),
    Pattern(
        "@ip",
        lambda text: text.count(".") >= 3,
        _by(re2.compile(r"(^|[^0-9A-Za-z./_-]|//)((?:\d{1,3}\.){3}\d{1,3})\b"), _ip),
        is_of_ips=True,
    ),
    Pattern(
        "@ip",
        lambda text: text.count(":") >= 3,
        _by(re2.compile(r"(^|[^0-9A-Za-z:.]|\[)([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7})"), _ip),
        is_of_ips=True,
    ),
]
