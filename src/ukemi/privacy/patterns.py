"""
What secrets look like in running text. Patterns run in re2: in linear time, on text that strangers write.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import re2

from ukemi.privacy import shapes, told
from ukemi.privacy.rules import Rules
from ukemi.privacy.shapes import VENDOR_PREFIXES, VENDOR_URLS, VENDOR_WHOLES
from ukemi.privacy.tables import rows
from ukemi.privacy.values import values

Replace = Callable[[Any, Rules], str | None]
"""From a match to what shall stand there; None leaves it."""
Finder = Callable[[str, Rules], str]
"""From a text to the text without what was looked for."""

SUSPICIOUS: Final = re2.compile(
    r"(?i)pass|pwd|secret|token|key|auth|cookie|sess|csrf|xsrf|jwt|signature|cv[cv]|ssn|credential|otp|pin|bearer|basic|card"
    r"|(?:security|verification|recovery|access|time)[^0-9a-z]*code|security[^0-9a-z]*answer|two[^0-9a-z]*factor|social|\bpan|_pan"
    r"|cc[^0-9a-z]*num|mail|user|login|\bip|_ip|addr|\bsid|_sid|saml|mfa|row contains|\bpw|_pw|psw|\bsig\b|-u |identified|name=|\[parameters"
    r"|eyJ|-----BEGIN|://[^/\s]*[@:]|@[^\s@/]+\.|(?:\d[ .+-]?){9}|\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]*:[0-9a-f]*:[0-9a-f]*:"
    r"|%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[nrt][A-Z]|&#"
    f"|{VENDOR_PREFIXES}|{VENDOR_WHOLES}|{VENDOR_URLS}"
)
"""
Texts without any of this hold nothing that the patterns below could find: one look instead of ten.

What is written in escapes (`%40`) is suspicious as such.
"""
_STATEMENT: Final = re2.compile(r"(?s)(\[SQL: )(.*?)(\]\s*\[parameters: )[(\[][^{].*?[)\]]\]")


def _by(pattern: Any, replace: Replace) -> Finder:
    def find(text: str, rules: Rules) -> str:
        def replaced(match: Any) -> str:
            replacement = replace(match, rules)
            return str(match.group(0)) if replacement is None else replacement

        return str(pattern.sub(replaced, text))

    return find


@dataclass(frozen=True)
class Pattern:
    """One thing to look for in texts."""

    name: str
    may_find: Callable[[str], bool]
    """Quick to say, and true whenever `find` would find something."""
    find: Finder
    is_of_ips: bool = False
    is_of_prose: bool = False
    """Not looked for in source code: what stands there after a header's name is a type or an expression."""
    is_of_values: bool = False
    """Reads what stands after a key; in source code that is done otherwise."""


def _has(*parts: str) -> Callable[[str], bool]:
    """Any of these stands in the text."""
    return lambda text: any(part in text for part in parts)


def _always(_text: str) -> bool:
    return True


def _has_word(*words: str) -> Callable[[str], bool]:
    """Any of these stands in the text, in whatever case."""

    def look(text: str) -> bool:
        lower = text.lower()
        return any(word in lower for word in words)

    return look


def _has_digits(count: int) -> Callable[[str], bool]:
    """At least so many digits are in the text, wherever."""
    return lambda text: sum(map(text.count, "0123456789")) >= count


_LETTERS: Final = r"A-Za-z\x{C0}-\x{24F}\x{370}-\x{1FFF}\x{3040}-\x{D7FF}"
"""Also those of other scripts. Ranges, for `\\pL` repeated makes re2 run out of memory."""

FINDERS: Final[list[Pattern]] = [
    Pattern(
        "@pemkey",
        _has("-----BEGIN"),
        _by(re2.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)"), shapes.filtered),
    ),
    Pattern("@jwt", _has("eyJ"), _by(re2.compile(r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}"), shapes.filtered)),
    Pattern(
        "@vendorkey",
        _always,
        _by(
            re2.compile(
                rf"\b(?:(?:{VENDOR_PREFIXES})[A-Za-z0-9_.+/=-]{{10,}}|{VENDOR_WHOLES})|(?:{VENDOR_URLS})[A-Za-z0-9/_-]{{4,}}"
            ),
            shapes.vendor_key,
        ),
    ),
    Pattern(
        "@urlauth",
        lambda text: "://" in text and "@" in text,
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/@'\"]*:[^\s/]+)@"), shapes.url_auth),
    ),
    Pattern(
        "@urlauth",
        lambda text: "://" in text and "@" in text,
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/@:'\"?#]+)@"), shapes.url_token),
    ),
    Pattern(
        "@urlauth",
        _has("://"),
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@:'\"\[\]]*:)([^\s/@:'\"\])}>,;]+)$"), shapes.cut_url_auth),
    ),
    Pattern(
        "@password",
        _has("--"),
        _by(
            re2.compile(
                r"""(^|[\s"'(\[,])(--[A-Za-z][A-Za-z0-9_.-]{1,63})(\s+)(\\?"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s,;"')\]-][^\s,;"')\]]*)"""
            ),
            told.option,
        ),
    ),
    Pattern(
        "@password",
        _has("--"),
        _by(
            re2.compile(
                r"""([\[(,]\s*b?["'])(--[A-Za-z][A-Za-z0-9_.-]{1,63})(["'],\s*)(b?"[^"]*(?:"|$)|b?'[^']*(?:'|$))"""
            ),
            told.option,
        ),
    ),
    Pattern(
        "@password",
        _has_word("passw", "passphrase", "secret", "key", "token", "session", "pin"),
        _by(
            re2.compile(
                r"(?i)(\b(?:password|passwd|passphrase|secret|api[ _-]?key|(?:access|auth|refresh|session|csrf)[ _-]?token|session[ _-]?id))"
                r"((?:\s+(?:of|for)\s+[\w.@-]+)?\s+(?:is\s+|was\s+)?[\"'`(]?)([^\s,;\"'`()\[\]{}=<>/]{5,})"
            ),
            told.told_in_a_sentence,
        ),
    ),
    Pattern("@password", lambda text: ")" in text and "(" in text, rows),
    Pattern(
        "@password",
        _has("row contains"),
        _by(re2.compile(r"(?s)(row contains )\([^\[].*\)"), told.row),
    ),
    Pattern(
        "@bearer",
        _has_word("bearer", "basic", "token"),
        _by(re2.compile(r"(?i)\b((?:bearer|basic|token)\s+)([A-Za-z0-9+/=._~-]{6,})"), shapes.after_word),
    ),
    Pattern(
        "@password",
        _has_word("authorization"),
        _by(
            re2.compile(
                r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:digest|aws4-hmac-sha256|hawk|oauth|signature)\s)([^\r\n]+)"
            ),
            told.after_option,
        ),
    ),
    Pattern(
        "@password",
        _has_word("authorization"),
        _by(
            re2.compile(
                r"(?i)()\b((?:proxy-)?authorization)([\"']?\s*:\s*)((?:[a-z][\w-]*[ \t]+)?[^\s,;\"'\[\](){}]+)"
            ),
            told.header,
        ),
        is_of_prose=True,
    ),
    Pattern(
        "@password",
        _has_word("cookie"),
        _by(
            re2.compile(
                r"(?i)()\b((?:set-)?cookie)([\"']?\s*:\s*)([^\s,;\"'\[\](){}]+(?:;[ \t]*[^\s,;\"'\[\](){}]+)*)"
            ),
            told.header,
        ),
        is_of_prose=True,
    ),
    Pattern(
        "@password",
        _has_word("password", "passwd", "passphrase", "identified"),
        _by(
            re2.compile(
                r"(?i)()\b(password|passwd|passphrase|identified)(\s+(?:(?:by|like|for\s+\S+\s*=)\s*)?)(\"[^\"]+(?:\"|$)|'[^']+(?:'|$))"
            ),
            told.quoted_after,
        ),
    ),
    Pattern(
        "@password",
        _has_word("pin", "cvv", "cvc", "otp"),
        _by(re2.compile(r"(?i)()\b(pin|cvv|cvc|otp)([ \t]+)([0-9]{3,8})\b"), told.key_and_value),
    ),
    Pattern(
        "@password",
        _has("</"),
        _by(re2.compile(r"(<(?:\w+:)?)([A-Za-z_][\w.-]{1,63})((?:\s[^<>]*)?>)([^<>]+)"), told.key_and_value),
    ),
    Pattern(
        "@password",
        _has("name="),
        _by(
            re2.compile(
                r"""(name=\\*["']?)([A-Za-z_][\w.\[\]-]{1,63})(\\*["']?(?:\s+value=|\s*(?:\r?\n|\\r\\n)(?:[A-Za-z-]+:[^\r\n]*\r?\n)*(?:\r?\n|\\r\\n)))("[^"]*"?|'[^']*'?|[^\s<>]+)"""
            ),
            told.key_and_value,
        ),
    ),
    Pattern(
        "@password",
        _has("-u ", "--user", "--proxy-user"),
        _by(re2.compile(r"((?:^|\s)(?:-u|--user|--proxy-user)[ =]+)([^\s:]*[^\s:0-9][^\s:]*:\S+)"), told.after_option),
    ),
    Pattern("@password", _has("[parameters: ("), _by(_STATEMENT, told.parameters)),
    Pattern("@password", _has("[parameters: [("), _by(_STATEMENT, told.parameters)),
    Pattern(
        "@password",
        _has_word("pass", "pwd", "pin", "identified", "cvv", "cvc", "otp"),
        _by(
            re2.compile(
                r"(?i)()\b(password|passwd|pwd|passphrase|pin)(\s+(?:is|was):?\s+)(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)"
            ),
            told.key_and_value,
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
            told.pair,
        ),
    ),
    Pattern("@password", _has("=", ":", "%3", "->"), values, is_of_values=True),
    Pattern(
        "@creditcard",
        _has_digits(13),
        _by(re2.compile(r"(^|[^0-9A-Za-z.-])(\d(?:[ +-]?\d){12,}|(?:\d{4}\.){3}\d{4})([^0-9A-Za-z-]|$)"), shapes.card),
    ),
    Pattern(
        "@usssn",
        lambda text: "-" in text and _has_digits(9)(text),
        _by(re2.compile(r"(^|[^0-9A-Za-z-])(\d{3})-(\d{2})-(\d{4})([^0-9A-Za-z-]|$)"), shapes.ssn),
    ),
    Pattern(
        "@usssn",
        _has_word("ssn"),
        _by(re2.compile(r"(?i)(\bssn\W{0,3}(?:is\s+)?)(\d{3})[ -]?(\d{2})[ -]?(\d{4})([^0-9]|$)"), shapes.ssn),
    ),
    Pattern(
        "@email",
        _has("@"),
        _by(re2.compile(rf"[{_LETTERS}0-9._%+-]+(?:@[{_LETTERS}0-9-]+(?:\.[{_LETTERS}0-9-]+)+)+"), shapes.email),
    ),
    Pattern(
        "@ip",
        lambda text: text.count(".") >= 3,
        _by(re2.compile(r"(^|[^0-9A-Za-z./_-]|//)((?:\d{1,3}\.){3}\d{1,3})\b"), shapes.ip),
        is_of_ips=True,
    ),
    Pattern(
        "@ip",
        lambda text: text.count(":") >= 3,
        _by(re2.compile(r"(^|[^0-9A-Za-z:.]|\[)([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7})"), shapes.ip),
        is_of_ips=True,
    ),
]
