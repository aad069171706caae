"""Secrets that tell themselves: keys of vendors, tokens, passwords in URLs, cards, and what names a person."""

import ipaddress
import re
from typing import Any, Final

from ukemi.privacy.judging import ALGORITHMS, PLACEHOLDER, REMOVED, identity
from ukemi.privacy.rules import FILTERED, Rules

VENDOR_PREFIXES: Final = (
    r"[sr]k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|xox[abeoprs]-|xapp-|gl(?:pat|dt|rt|ptt|ft|soat|oas|cbt|agent|imt)-"
    r"|AIza|GOCSPX-|ya29\.|SG\.|npm_|pypi-|sntry[su]_|sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-)?|hf_|gsk_|r8_|pplx-|do[opr]_v1_"
    r"|shp(?:at|ca|pa|ss)_|sq0[a-z]{3}-|dp\.(?:pt|st|ct|sa|scim)\.|hv[sbr]\.|dapi|lin_api_|ntn_|PMAK-|pul-|pscale_(?:tkn|pw|oauth)_"
    r"|rubygems_|NRAK-|NRII-|gl(?:c|sa)_|ATATT3|figd_|sbp_|HRKU-|dckr_pat_|rzp_(?:live|test)_|dt0c01\.|LTAI|EAACEdEose0cBA|tfp_|AGE-SECRET-KEY-1"
    r"|xkeysib-|xai-|CFPAT-|FLWSECK(?:_TEST)?-|duffel_(?:live|test)_|tskey-(?:auth|api|client)-|bkua_|CCIP(?:AT|RJ)_|CLOJARS_|ph[xc]_|lsv2_[ps][tk]_"
    r"|rdme_|pn[ub]_|ops_eyJ|essu_|EZ[AT]K|fio-u-|fo1_|fm2_|AKCp|p8e-|1//0|ico-|aio_|tk-us-|access-(?:production|sandbox|development)-|sk\.eyJ"
)
VENDOR_WHOLES: Final = (
    r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{8,}|SK[0-9a-f]{20,32}\b|[0-9]{8,10}:AA[A-Za-z0-9_-]{20,}|[0-9a-f]{32}-us[0-9]{1,2}\b"
    r"|key-[0-9a-f]{32}\b|ATTA[0-9a-f]{60,}|ATBB[A-Za-z0-9]{28,}|\bcio[A-Za-z0-9]{32}\b|secret_[A-Za-z0-9]{43}\b"
    r"|EAAA[A-Za-z0-9_-]{56,}|A21AA[A-Za-z0-9_-]{40,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9]{40,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|pat(?:\.[A-Za-z0-9]{20,}){3}"
    r"|[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}|[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}|1/[0-9]{16}:[0-9a-f]{32}"
    r"|[A-Za-z0-9_-]{7,11}:APA91b[A-Za-z0-9_-]{40,}|access_token\$[a-z]+\$[0-9a-f$]{32,}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}|v1\.0-[0-9a-f]{24}-[0-9a-f]{32,}"
)
VENDOR_HINTS: Final = (
    r"AKIA|ASIA|ABIA|ACCA|SK[0-9a-f]{6}|:AA|-us[0-9]|key-[0-9a-f]{8}|ATTA|ATBB|\bcio[A-Za-z0-9]|EAAA|A21AA|atlasv1|\bpat[.A-Z]|\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}"
    r"|[0-9]Q~|1/[0-9]{8}|APA91b|\bre_|v1\.0-"
)
"""Something of each of these that is quick to find."""
VENDOR_URLS: Final = r"hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/"
"""Keys that say who issued them. A word with such a beginning is a key when a digit is in it; the list is the vendors' own prefixes."""

_DIGITS: Final = re.compile("[0-9]+")
_MORE_OF_VERSION: Final = re.compile(r"(?i)-(?:alpha|beta|rc|dev|pre|post|snapshot|final)|\.\d")
_VERSION_BEFORE: Final = re.compile(r"(?i)\b(?:version|release|build|v|ver)[ =:/]*\Z")


def filtered(_match: Any, _rules: Rules) -> str:
    return FILTERED


def after_word(match: Any, _rules: Rules) -> str | None:
    """`Bearer TOKEN`: only if the token looks like one, so that `basic understanding` stays."""
    token = match.group(2)
    is_parameter = token[:-1].isalpha() and match.string[match.end() : match.end() + 1] in ('"', "'")
    if ALGORITHMS.fullmatch(token) or (token[-1] == "=" and is_parameter):
        return None  # `Bearer realm="shop"` is asked for, not told
    is_random = (
        any(c.isdigit() for c in token) or "=" in token or (token != token.lower() and token != token.capitalize())
    )
    return f"{match.group(1)}{FILTERED}" if is_random or len(token) >= 24 else None


def vendor_key(match: Any, _rules: Rules) -> str | None:
    """A word of prose may begin as a key does (`key-value-store`); a key has a digit in it, and mostly no words."""
    tail = match.group(0)[4:]
    is_mixed = len(tail) >= 16 and any(map(str.isupper, tail)) and any(map(str.islower, tail))
    return FILTERED if is_mixed or any(map(str.isdigit, tail)) or (tail.count(".") == 1 and len(tail) >= 32) else None


def url_auth(match: Any, _rules: Rules) -> str | None:
    """`scheme://user:password@`; what is put in later stays (`{user}:{password}`)."""
    password = match.group(2).partition(":")[2]
    return None if PLACEHOLDER.fullmatch(password) or password == FILTERED else f"{match.group(1)}{FILTERED}@"


def url_token(match: Any, _rules: Rules) -> str | None:
    """`https://TOKEN@host`; `ssh://git@host` has a plain name there."""
    name = match.group(2)
    is_plain = (name.isalpha() and len(name) < 16) or PLACEHOLDER.fullmatch(name) or name == FILTERED
    return None if is_plain else f"{match.group(1)}{FILTERED}@"


def cut_url_auth(match: Any, _rules: Rules) -> str | None:
    """A URL that was cut within its password; `http://host:8080` is whole."""
    tail = match.group(2)
    is_port = tail.isdigit() or tail.lower() == "port" or PLACEHOLDER.match(tail)
    return None if is_port or tail == FILTERED or len(tail) < 2 else f"{match.group(1)}{FILTERED}{match.group(3)}"


def password_hash(match: Any, _rules: Rules) -> str | None:
    """A hash of crypt or its kin, as long as one is; `$1$2` puts something in later."""
    return FILTERED if len(match.group(0)) >= 24 else None


def bare_auth(match: Any, _rules: Rules) -> str | None:
    """`user:password@host:5432`, without a scheme."""
    user, _, password = match.group(2).rpartition(":")
    is_digest = match.group(3).startswith("@sha")
    return (
        None
        if is_digest or PLACEHOLDER.fullmatch(password) or password == FILTERED
        else f"{user}:{FILTERED}{match.group(3)}"
    )


def within(match: Any, _rules: Rules) -> str | None:
    value = match.group(2)
    return None if PLACEHOLDER.fullmatch(value) or value == FILTERED else f"{match.group(1)}{FILTERED}{match.group(3)}"


def before_host(match: Any, _rules: Rules) -> str | None:
    """`user/password@host`."""
    password = match.group(2)
    return None if PLACEHOLDER.fullmatch(password) or password == FILTERED else f"{match.group(1)}{FILTERED}@"


def card(match: Any, _rules: Rules) -> str | None:
    """Every card among groups of digits; a quantity may stand before it, and its expiry or code behind."""
    text = match.group(2)
    groups = [group.span() for group in _DIGITS.finditer(text)]
    parts, done = [], 0
    for first, (start, _) in enumerate(groups):
        digits, card_end = "", 0
        for group_start, end in groups[first : first + 19] if start >= done else ():
            digits += text[group_start:end]
            if len(digits) > 19 or end - group_start < 2:  # no card is written digit by digit
                break
            if len(digits) >= 13 and is_card_number(digits):
                card_end = end
        if card_end:
            parts += [text[done:start], FILTERED]
            done = card_end
    return "".join([match.group(1), *parts, text[done:], match.group(3)]) if parts else None


def ssn(match: Any, _rules: Rules) -> str | None:
    area, group, serial = match.group(2), match.group(3), match.group(4)
    is_valid = area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"
    return f"{match.group(1)}{FILTERED}{match.group(5)}" if is_valid else None


def email(match: Any, rules: Rules) -> str | None:
    """An address; `shop@1.2.3` is a release, for no domain begins with two numbers."""
    domain = match.group(0).rpartition("@")[2].split(".")
    if match.group(0).startswith("git@"):
        return None  # the user of every SSH remote
    if len(domain) > 1 and domain[0].isdigit() and domain[1][:1].isdigit():
        return None
    return identity(match.group(0), rules, REMOVED[0])


def ip(match: Any, rules: Rules) -> str | None:
    try:
        address = ipaddress.ip_address(match.group(2))
        start, end = match.span(2)
        if _MORE_OF_VERSION.match(match.string, end) or _VERSION_BEFORE.search(match.string, max(0, start - 12), start):
            return None
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    return f"{match.group(1)}{identity(match.group(2), rules, REMOVED[1])}"


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
