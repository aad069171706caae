"""
What secrets look like in running text. Patterns run in re2: in linear time, on text that strangers write.

Keys are found by a pattern and judged by their words; only the value of a key that counts is read, so that a secret
inside the value of another key is found too: `url=https://host/?token=…`.
"""

import ipaddress
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import re2

from ukemi.privacy.identity import hash_identity
from ukemi.privacy.keys import PHRASES, TELLING_STEMS, is_group_key, is_identity_key, is_phrase, is_secret_key, words_of
from ukemi.privacy.rules import FILTERED, Rules

Replace = Callable[[Any, Rules], str | None]
"""From a match to what shall stand there; None leaves it."""
Finder = Callable[[str, Rules], str]
"""From a text to the text without what was looked for."""

_VENDOR_PREFIXES: Final = (
    r"[sr]k_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|xox[abeoprs]-|xapp-|gl(?:pat|dt|rt|ptt|ft|soat|oas|cbt|agent|imt)-"
    r"|AIza|GOCSPX-|ya29\.|SG\.|npm_|pypi-|sntry[su]_|sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-)?|hf_|gsk_|r8_|pplx-|do[opr]_v1_"
    r"|shp(?:at|ca|pa|ss)_|sq0[a-z]{3}-|key-|dp\.(?:pt|st|ct|sa|scim)\.|hv[sbr]\.|dapi|lin_api_|ntn_|PMAK-|pul-|pscale_(?:tkn|pw|oauth)_"
    r"|rubygems_|NRAK-|NRII-|gl(?:c|sa)_|ATATT3|figd_|sbp_|HRKU-|dckr_pat_|rzp_(?:live|test)_|dt0c01\.|LTAI|EAACEdEose0cBA|tfp_|AGE-SECRET-KEY-1"
)
_VENDOR_WHOLES: Final = r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{8,}|SK[0-9a-f]{20,32}\b|[0-9]{8,10}:AA[A-Za-z0-9_-]{20,}|[0-9a-f]{32}-us[0-9]{1,2}\b"
_VENDOR_URLS: Final = r"hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/"
"""Keys that say who issued them. A word with such a beginning is a key when a digit is in it; the list is the vendors' own prefixes."""

SUSPICIOUS: Final = re2.compile(
    r"(?i)pass|pwd|secret|token|key|auth|cookie|sess|csrf|xsrf|jwt|signature|cv[cv]|ssn|credential|otp|pin|bearer|basic|card"
    r"|(?:security|verification|recovery|access|time)[^0-9a-z]*code|security[^0-9a-z]*answer|two[^0-9a-z]*factor|social|\bpan|_pan"
    r"|cc[^0-9a-z]*num|mail|user|login|\bip|_ip|addr|\bsid|_sid|saml|mfa|row contains|\bpw|_pw|psw|\bsig\b|-u |identified|name=|\[parameters"
    r"|eyJ|-----BEGIN|://[^/\s]*[@:]|@[^\s@/]+\.|(?:\d[ .+-]?){9}|\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]*:[0-9a-f]*:[0-9a-f]*:"
    r"|%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[nrt][A-Z]|&#"
    f"|{_VENDOR_PREFIXES}|{_VENDOR_WHOLES}|{_VENDOR_URLS}"
)
"""
Texts without any of this hold nothing that the patterns below could find: one look instead of ten.

What is written in escapes (`%40`) is suspicious as such.
"""
_NO_VALUES: Final = frozenset(
    # what a sentence goes on with, after the name of a secret
    "a an the this that these those your our his her its their my is are was were be been has have had do does did will would "
    "shall should can could may might must cannot not no nor neither to of in on at by for from with without into onto via per and "
    "or but if when while because as than then so too also only again already still never always either both which who whose "
    # what is said of one that is not there or not good
    "true false none null nil undefined required missing invalid valid empty blank expired wrong incorrect unknown failed ok okay "
    "rejected refused denied accepted changed unchanged reset updated revoked mismatch mismatched absent optional disabled enabled "
    "unsupported malformed unauthorized forbidden removed redacted filtered hidden masked set unset given field value ensure string "
    "please error failure success successful n/a yes see eof unexpected closed open opened declined started ended stopped found "
    "created deleted ready pending active inactive approved lost stale new old does minimum maximum min max between exactly cleared dropped loaded saved sent skipped".split()
)
"""What stands after a secret's key when the secret does not: the closed classes of English words, and states."""
_TYPES: Final = frozenset(
    "str int float bool bytes bytearray object any dict list tuple set none optional union annotated string number integer boolean "
    "secretstr secretbytes emailstr".split()
)
"""Types of Python and of JSON schemas: `password: str`."""
_SCHEMES: Final = frozenset({"bearer", "basic", "token", "digest", "apikey"})
_PLACEHOLDER: Final = re.compile(
    r"""%(?:\(\w+\))?[-+#0 ]*\d*[sdrifx]|\$\d+|\$\{[^{}]*\}|\$[A-Z_]+|\?|\{(?:[A-Za-z_.!:\[\]()]*|\d)\}|\{\{[^{}]*\}\}|\w*\(?["']?[*•]{3,}["']?\)?|\.\.\.|…|<[a-z_ -]{1,30}>|Ellipsis"""
)
"""Where a value will be put, or was hidden: `%s`, `{token}`, `$1`, `?`, `***`."""
_OBJECT: Final = re.compile(
    r"""<(?:[A-Za-z_][\w.]* )+(?:object )?at 0x[0-9A-Fa-f]+>|<(?:class|function|module|property|enum|coroutine object|generator object) [^<>=]*>|<[a-z_-]+(?: [a-z_-]+){0,4}>"""
)
"""How Python shows an object that says nothing of itself."""
_DIGITS: Final = re.compile("[0-9]+")
_ALGORITHMS: Final = re.compile(
    r"(?i)HTTP/[\d.]+|(?:oauth|sha|md|base|utf|hs|rs|es|ps|argon|pbkdf|ipv|http|x|s|p|k|v|api|web|level|step|type|part|phase|tier)-?\d+\w{0,2}"
)
"""Words with digits in them that are no secrets: `base64`, `HS256`, `v2`, `OAuth2`."""
_MORE_OF_VERSION: Final = re.compile(r"(?i)-(?:alpha|beta|rc|dev|pre|post|snapshot|final)|\.\d")
_VERSION_BEFORE: Final = re.compile(r"(?i)\b(?:version|release|build|v|ver)[ =:/]*\Z")
_SQL_WORD: Final = re.compile(r"[A-Za-z_]\w+", re.ASCII)
_STATEMENT: Final = re2.compile(r"(?s)(\[SQL: )(.*?)(\]\s*\[parameters: )[(\[][^{].*?[)\]]\]")
_REMOVED: Final = ("[email]", "[ip]")
"""Stand for addresses when there is no key to hash them with."""


def _filtered(_match: Any, _rules: Rules) -> str:
    return FILTERED


def _after_word(match: Any, _rules: Rules) -> str | None:
    """`Bearer TOKEN`: only if the token looks like one, so that `basic understanding` stays."""
    token = match.group(2)
    if _ALGORITHMS.fullmatch(token):
        return None
    is_random = (
        any(c.isdigit() for c in token) or "=" in token or (token != token.lower() and token != token.capitalize())
    )
    return f"{match.group(1)}{FILTERED}" if is_random or len(token) >= 24 else None


def _is_random(word: str) -> bool:
    """Letters and digits mixed, as in no word of a sentence."""
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word) and not _ALGORITHMS.fullmatch(word)


def _told_in_a_sentence(match: Any, _rules: Rules) -> str | None:
    """`with password hunter2`: only what no sentence would go on with."""
    word = match.group(3)
    return f"{match.group(1)}{match.group(2)}{FILTERED}" if _is_random(word) else None


def _option(match: Any, rules: Rules) -> str | None:
    """`--password hunter2` of a command line; `--token TOKEN` of its manual stays."""
    key, value = match.group(2), match.group(4)
    bare = value.strip("\\\"'")
    if rules.names_secret(bare) and bare == bare.upper():
        return None
    replacement = _judge(key, value, rules)
    return None if replacement is None else f"{match.group(1)}{key}{match.group(3)}{replacement}"


def _vendor_key(match: Any, _rules: Rules) -> str | None:
    """A word of prose may begin as a key does (`key-value-store`); a key has a digit in it, and mostly no words."""
    tail = match.group(0)[4:]
    is_mixed = len(tail) >= 16 and any(map(str.isupper, tail)) and any(map(str.islower, tail))
    return FILTERED if is_mixed or any(map(str.isdigit, tail)) or (tail.count(".") == 1 and len(tail) >= 32) else None


def _url_auth(match: Any, _rules: Rules) -> str | None:
    """`scheme://user:password@`; what is put in later stays (`{user}:{password}`)."""
    password = match.group(2).partition(":")[2]
    return None if _PLACEHOLDER.fullmatch(password) or password == FILTERED else f"{match.group(1)}{FILTERED}@"


def _url_token(match: Any, _rules: Rules) -> str | None:
    """`https://TOKEN@host`; `ssh://git@host` has a plain name there."""
    name = match.group(2)
    is_plain = (name.isalpha() and len(name) < 16) or _PLACEHOLDER.fullmatch(name) or name == FILTERED
    return None if is_plain else f"{match.group(1)}{FILTERED}@"


def _cut_url_auth(match: Any, _rules: Rules) -> str | None:
    """A URL that was cut within its password; `http://host:8080` is whole."""
    tail = match.group(2)
    is_port = tail.isdigit() or tail.lower() == "port" or _PLACEHOLDER.match(tail)
    return None if is_port or tail == FILTERED or len(tail) < 2 else f"{match.group(1)}{FILTERED}"


def _after_option(match: Any, _rules: Rules) -> str:
    return f"{match.group(1)}{FILTERED}"


def _quoted_after(match: Any, rules: Rules) -> str | None:
    """`WITH PASSWORD 'hunter2'`, `IDENTIFIED BY 'hunter2'`: the words of a statement, or of a sentence."""
    replacement = _judge("password", match.group(4), rules)
    return None if replacement is None else f"{match.group(2)}{match.group(3)}{replacement}"


def _parameters(match: Any, rules: Rules) -> str | None:
    """Parameters of a failed statement as SQLAlchemy shows them, without names: all go when the statement names a secret."""
    is_wanted = any(rules.names_secret(word) or is_identity_key(word) for word in _SQL_WORD.findall(match.group(2)))
    return f"{match.group(1)}{match.group(2)}{match.group(3)}({FILTERED})]" if is_wanted else None


def _row(match: Any, _rules: Rules) -> str:
    return f"{match.group(1)}({FILTERED})"


def _key_and_value(match: Any, rules: Rules) -> str | None:
    """`password is …`, and the like: judged by the key, as if it stood in the tree."""
    replacement = _judge(match.group(2), match.group(4), rules)
    return None if replacement is None else f"{match.group(1)}{match.group(2)}{match.group(3)}{replacement}"


def _judge(key: str, value: str, rules: Rules) -> str | None:
    """What shall stand for `value` under `key`; None leaves it."""
    bare = value.strip("\\\"'")
    if not bare or FILTERED.startswith(bare) or says_nothing(bare):
        return None
    if (bare[0] == ":" and is_telling(bare[1:])) or (bare.isdigit() and words_of(key)[-1] == "tokens"):
        return None  # a parameter of SQL; what a language model counts
    if rules.names_secret(key):
        return None if bare.lower().rstrip(".:!") in _NO_VALUES | _SCHEMES else FILTERED
    if is_identity_key(key) and value == bare:
        # `email: delivered`, `Login: 3 attempts left`
        is_word = bare.isascii() and bare.isalpha() and words_of(key)[-1] in ("email", "emails", "mail")
        if is_word or (bare.isdigit() and len(bare) < 3):
            return None
    is_value = not _NO_IDENTITY.match(bare) and "=" not in bare and bare.lower().rstrip(".:!") not in _NO_VALUES
    return _identity(bare.strip("()"), rules) if is_identity_key(key) and is_value else None


def is_telling(name: str) -> bool:
    """Whether a name says that a secret or an identity stands under it."""
    return is_secret_key(name) or is_identity_key(name)


def says_nothing(value: str) -> bool:
    """Whether a value stands for one that is not there: a placeholder, a mask, a type, an object without a repr."""
    return (
        bool(_PLACEHOLDER.fullmatch(value) or _OBJECT.fullmatch(value))
        or value.lower() in _TYPES
        or not any(map(str.isalnum, value))
    )


def _pair(match: Any, rules: Rules) -> str | None:
    """`('authorization', '…')`: the first names the second."""
    replaced = _key_and_value(match, rules)
    return None if replaced is None else f"{replaced}{match.group(5)}"


def _header(match: Any, rules: Rules) -> str | None:
    """`Authorization: Scheme TOKEN` and `Cookie: a=1; b=2`: longer than a value elsewhere."""
    words = match.group(4).split()
    is_prefix = words[-1] in "bfruBFRU" and match.string[match.end(4) : match.end(4) + 1] in ('"', "'")
    is_scheme_alone = len(words) == 1 and words[0].lower() in _SCHEMES
    if words[0].lower() in _NO_VALUES | _TYPES or is_prefix or is_scheme_alone or _PLACEHOLDER.fullmatch(words[-1]):
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
            if len(digits) > 19 or end - group_start < 2:  # no card is written digit by digit
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
    if match.group(0).startswith("git@"):
        return None  # the user of every SSH remote
    if len(domain) > 1 and domain[0].isdigit() and domain[1][:1].isdigit():
        return None
    return _identity(match.group(0), rules, _REMOVED[0])


def _ip(match: Any, rules: Rules) -> str | None:
    try:
        address = ipaddress.ip_address(match.group(2))
        start, end = match.span(2)
        if _MORE_OF_VERSION.match(match.string, end) or _VERSION_BEFORE.search(match.string, max(0, start - 12), start):
            return None
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


_BEHIND_KEY: Final = (
    r"""\\*["']?(?:\[[0-9]*\])?\]?[ \t]*(?:=>|->|!=|[:=]=?=?|%3[DdAa])[ \t]*(?:\r?\n[ \t]*(?:["'{\[]))?"""
)
"""From a key to its value."""
_ANY_KEY: Final = re2.compile(rf"([A-Za-z_][A-Za-z0-9_.-]{{1,63}}){_BEHIND_KEY}")
_FIRST_WORDS: Final = "|".join(sorted({first for first, _ in PHRASES}))
_TELLING_KEY: Final = re2.compile(
    rf"(?i)(?:((?:{'|'.join(TELLING_STEMS)})[a-z0-9_.-]*)|\b(?:{_FIRST_WORDS})[ -]([a-z0-9_.-]+)){_BEHIND_KEY}"
)
"""From within a key that may tell of a secret or an identity to its value: what stands under others needs no look."""
_MAX_KEY: Final = 63
_KEY_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "_.-")
_KEY_BEGINNINGS: Final = frozenset(string.ascii_letters + "_")
_QUOTED: Final = re.compile(
    r"""(?s)\\+"(?:[^"\\]|\\[^"])*(?:\\+"|\\*\Z)|[bfruBFRU]{0,2}"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[bfruBFRU]{0,2}'(?:[^'\\]|\\.)*(?:'|\\?\Z)"""
)
"""Once begun it always ends: texts are cut, so the end of one is the end of a value too. Hence it is linear in Python's re."""
_ANNOTATION: Final = re.compile(
    r"""(?:Optional|Union|Annotated|Final|ClassVar|[A-Za-z_][\w.]*)(?:\[[^\]=]{0,200}\]+)?(?:\s*\|\s*[A-Za-z_][\w.]*)*\s*=(?!=)\s*"""
)
"""`str = ` of `password: str = "…"`: the value stands behind it."""
_WORD_BEFORE: Final = re.compile(r"([A-Za-z]{2,15})[ -]$", re.ASCII)
_FILE: Final = re.compile(
    r"\.(?:pyx?|[cm]?[jt]sx?|vue|svelte|go|rs|rb|php|java|kt|swift|cs?|cpp|html?|json|ya?ml|toml|ini|cfg|conf|sql|sh|xml|css|md|txt|lock)\Z"
)
_SOURCE: Final = re.compile(
    r"""\s*(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[(:].*|@\w[\w.]*(?:\(.*\))?\s*$|(?:return|await|yield|raise)\s+[\w.]+\(|(?:el)?if\s.*:\s*$|from\s+[\w.]+\s+import\s)"""
)
"""A text that is a line of Python."""
_PATH: Final = re.compile(r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*""", re.ASCII)
_METHOD: Final = re.compile(r"\.(\w+)$")
_NUMBER: Final = re.compile(r"[\w.!@$%^*+-]+")
_COLON: Final = re.compile(r"\s*:")
_BRACES: Final = re.compile(r"\{[^{}]*\}")
_IS_KEYWORD: Final = re.compile(r"\s*=(?!=)")
_LITERAL: Final = re.compile(r"""\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""")
_LOOKED_UP: Final = re.compile(
    r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\[|\.get\w*\(|\()|(?:self|cls|this|settings|config|conf|os|env|app|request|args|options|process)\.[A-Za-z_]"""
)
"""The beginning of a subscript, a call or an attribute."""
_MAX_SOURCE: Final = 1200
"""Longer lines were written by no hand; they are read as any text, in linear time."""
_MAX_EXPRESSION: Final = 300
_STRING_METHODS: Final = frozenset(dir(str)) | frozenset(dir(bytes))
_LOOK_UPS: Final = frozenset(
    "get getenv getlist getattr pop fetch find load read lookup select require input getpass prompt ask header cookie config env "
    "param query open path depends reverse url resolve import".split()
)
"""First words of functions whose argument says where a value is, and is not one."""

_NO_IDENTITY: Final = re.compile(r"""[\\"']*+(?:hmac:|[{\[<])""")
"""A hash already, or a nested structure."""


def _values(text: str, rules: Rules) -> str:
    """Values by their keys: `password=…`, `"token": "…"`, `username='…'`."""
    return _values_in(text, rules, is_source=len(text) <= _MAX_SOURCE and bool(_SOURCE.match(text)))


def source_values(text: str, rules: Rules) -> str:
    """The same for a line of source code: it names secrets without holding them, unless it quotes one."""
    return _values_in(text, rules, is_source=len(text) <= _MAX_SOURCE)


def _values_in(text: str, rules: Rules, *, is_source: bool) -> str:
    parts, done = [], 0
    literals = [found.span() for found in _LITERAL.finditer(text)] if is_source else []
    for match in (_ANY_KEY if rules.secret_keys else _TELLING_KEY).finditer(text):
        start = match.end()
        if text[start - 1] in "\"'{[" and "\n" in match.group(0):
            start -= 1
        key_start, key_end = match.span(match.lastindex)
        key_start = _beginning_of_key(text, key_start)
        key = text[key_start:key_end]
        if before := _WORD_BEFORE.search(text, max(0, key_start - 20), key_start):
            key = f"{before.group(1)}_{key}" if is_phrase(before.group(1), key) else key
        if key_start < done or not _is_wanted(key, text, key_start, start, rules):
            continue
        if _FILE.search(key) and text[start : start + 1].isdigit():
            continue  # `tokens.py:42` is a place
        if annotated := _ANNOTATION.match(text, start):
            types = _PATH.findall(annotated.group(0))
            is_annotated = is_source or any(one.lower() in _TYPES or one[0].isupper() for one in types)
            is_annotated = is_annotated and ":" in match.group(0)
            start = annotated.end() if is_annotated else start
        else:
            is_annotated = False
        literal = next((span for span in literals if span[0] < start < span[1]), None)
        is_spaced = match.group(0).endswith(" = ")
        if (is_source and not literal) or _is_code(key, text, start, is_statement=is_annotated or is_spaced):
            replacement, end = _judged_code(key, text, start, rules)
        else:
            end = min(_end_of_value(text, start), literal[1] - 1 if literal else len(text))
            replacement = _judge(key, text[start:end], rules)
        if replacement is not None:
            parts += [text[done:start], replacement]
            done = end
    return "".join([*parts, text[done:]])


def _beginning_of_key(text: str, within: int) -> int:
    """Where the key begins that position `within` is in; the position itself when it begins there."""
    start = within
    while start > max(0, within - _MAX_KEY) and text[start - 1] in _KEY_CHARACTERS:
        start -= 1
    while start < within and text[start] not in _KEY_BEGINNINGS:
        start += 1
    return start


def _is_code(key: str, text: str, start: int, *, is_statement: bool) -> bool:
    """
    Whether what follows names a value where it does not stand: `api_key=settings.api_key`, `password=password)`.

    Args:
        is_statement: it is written as in a program, `session = Session(engine)`, and not as an object shows itself.
    """
    if not (path := _PATH.match(text, start)):
        return False
    name, end = path.group(0), path.end()
    if is_statement and name == "await":
        return True
    if not is_statement and text[end : end + 1] == "(" and name.rpartition(".")[2][:1].isupper():
        return False  # `SecretStr('…')`: how an object shows itself
    is_end = end == len(text) or text[end] in ",) \t\r\n]};"
    if not is_end:
        is_named = is_statement or "." in name or "_" in name or is_telling(name)  # `hunter2(` is no call
        is_subscript = text[end] == "[" and text[end + 1 : end + 2] in ("'", '"')
        return is_named and (is_subscript or bool(_LOOKED_UP.match(text, start)))
    if name.lower() == key.rpartition(".")[2].lower():
        return True
    first, _, last = name.rpartition(".")
    is_looked_up = bool(_LOOKED_UP.match(text, start)) and not _is_random(last)
    return bool(first) and (is_telling(last) or first == key or is_looked_up)


def _judged_code(key: str, text: str, start: int, rules: Rules) -> tuple[str | None, int]:
    """An expression with its quoted values replaced, and where it ends."""
    parts, at, done, changed = [], start, start, False
    depth, callees, keyword = 0, [""], ""
    limit = min(len(text), start + _MAX_EXPRESSION)
    while at < limit:
        char = text[at]
        if quoted := _QUOTED.match(text, at):
            literal = quoted.group(0)
            is_subscript = depth > 0 and (callees[-1] == "[" or _COLON.match(text, quoted.end()) is not None)
            if not is_subscript and _holds(key, literal, callees[-1], keyword, rules):
                replacement = _judge(key, literal, rules)
                if replacement is not None:
                    parts += [text[done:at], replacement]
                    done, changed = quoted.end(), True
            at = quoted.end()
            continue
        if path := _PATH.match(text, at):
            at, name = path.end(), path.group(0)
            following = text[at : at + 1]
            if following in ("(", "["):
                depth += 1
                callees.append(name if following == "(" else "[")
                at += 1
                keyword = ""
            elif depth and _IS_KEYWORD.match(text, at):
                keyword = name
            continue
        if char in "[({":
            depth += 1
            # `.get(` after a call or a bracket
            before = _METHOD.search(text, max(start, at - 40), at)
            is_subscript = char == "[" and text[at - 1] in "])\"'" and at > start
            callees.append("[" if is_subscript else before.group(1) if before and char == "(" else "")
        elif char in "])}":
            if not depth:
                break
            depth -= 1
            callees.pop()
        elif char == ",":
            if not depth:
                break
            keyword = ""
            if callees[-1] not in ("", "["):
                callees[-1] = callees[-1].rstrip(",") + ","
        elif char in ";\n#" and not depth:
            break
        elif char.isdigit() and not depth:
            number = _NUMBER.match(text, at)
            literal = number.group(0) if number else char
            if rules.names_secret(key) and len(literal) >= 3 and not text[start:at].strip("=! "):
                parts += [text[done:at], FILTERED]
                done, changed = at + len(literal), True
            at += len(literal)
            continue
        at += 1
    return ("".join([*parts, text[done:at]]) if changed else None), at


def _holds(key: str, literal: str, callee: str, keyword: str, rules: Rules) -> bool:
    """Whether a quoted text in the expression after a secret's key is a value, and not the name of one."""
    bare = literal.lstrip("bfruBFRU").strip("\\\"'")
    placeless = (_BRACES if literal[0] in "fF" else _PLACEHOLDER).sub("", bare)
    if sum(map(str.isalnum, placeless)) < 2 or placeless.strip().lower() in ("bearer", "basic", "token"):
        return False
    if keyword:
        return keyword in ("default", "value") or rules.names_secret(keyword)
    if not callee:
        return True
    function = callee.rstrip(",").rpartition(".")[2]
    if words_of(bare) == words_of(key):
        return False  # `env.str("SECRET_KEY")` after `SECRET_KEY =`
    if function in _STRING_METHODS:
        return False
    is_first = not callee.endswith(",")
    words = words_of(function)
    return not (words and words[0] in _LOOK_UPS and (is_first or is_telling(bare)))


def _is_wanted(key: str, text: str, key_start: int, start: int, rules: Rules) -> bool:
    """Whether the value at `start` is to be judged whole; else its parts are, by their own keys."""
    if rules.names_secret(key):
        return not (text.startswith("{", start) and is_group_key(key)) or rules.is_listed(key)
    is_removed = text.startswith(_REMOVED, key_start - 1)  # "[email]: mailbox full"
    return is_identity_key(key) and not is_removed and not _NO_IDENTITY.match(text, start)


def _end_of_value(text: str, start: int) -> int:
    """Before the first delimiter behind its quotes and brackets: `'…'`, `SecretStr('…')`, `{"a": ["…"]}`."""
    if shown := _OBJECT.match(text, start):
        return shown.end()
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


_NAMES_THEN_VALUES: Final = re.compile(r"(?i)\(([^()]{2,2000})\)\s*(?:values\s*|=\s*)(?=\()")
"""`(name, password) VALUES (…), (…)`, and `Key (email)=(…)` of PostgreSQL's own messages."""
_SQL_NAME: Final = re.compile(r":\w+|[a-z_]+\(\)|(?i:default)")
_NEXT_ROW: Final = re.compile(r"\s*,\s*(?=\()")
_SQL_VALUE: Final = re.compile(
    r"""\s*((?:[NEnebxBX]?'(?:[^'\\]|''|\\.)*(?:'|\Z))|\\?"(?:[^"\\]|\\.)*\\?"|[^,()']*)\s*(,|\)|\Z)"""
)


def _rows(text: str, rules: Rules) -> str:
    """Values of rows by the names of their columns, which stand once before them."""
    parts: list[str] = []
    done = 0
    for match in _NAMES_THEN_VALUES.finditer(text):
        names = [name.strip(' \t\r\n`"[]\\').rpartition(".")[2] for name in match.group(1).split(",")]
        at = match.end()
        while at < len(text) and text[at] == "(":
            at += 1
            for name in names:
                value = _SQL_VALUE.match(text, at)
                if value is None:
                    return "".join([*parts, text[done:]])
                replacement = _judge(name, value.group(1).strip(), rules) if value.group(1) else None
                if replacement is not None and not _SQL_NAME.fullmatch(value.group(1).strip()):
                    parts += [text[done : value.start(1)], replacement]
                    done = value.end(1)
                at = value.end()
                if value.group(2) != ",":
                    break
            following = _NEXT_ROW.match(text, at)
            at = following.end() if following else len(text)
    return "".join([*parts, text[done:]])


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
        _by(re2.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)"), _filtered),
    ),
    Pattern("@jwt", _has("eyJ"), _by(re2.compile(r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}"), _filtered)),
    Pattern(
        "@vendorkey",
        _always,
        _by(
            re2.compile(
                rf"\b(?:(?:{_VENDOR_PREFIXES})[A-Za-z0-9_.+/=-]{{10,}}|{_VENDOR_WHOLES})|(?:{_VENDOR_URLS})[A-Za-z0-9/_-]{{4,}}"
            ),
            _vendor_key,
        ),
    ),
    Pattern(
        "@urlauth",
        lambda text: "://" in text and "@" in text,
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/@'\"]*:[^\s/]+)@"), _url_auth),
    ),
    Pattern(
        "@urlauth",
        lambda text: "://" in text and "@" in text,
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/@:'\"?#]+)@"), _url_token),
    ),
    Pattern(
        "@urlauth",
        _has("://"),
        _by(re2.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@:'\"\[\]]*:)([^\s/@:'\"\])}>,;]+)$"), _cut_url_auth),
    ),
    Pattern(
        "@password",
        _has("--"),
        _by(
            re2.compile(
                r"""(^|[\s"'(\[,])(--[A-Za-z][A-Za-z0-9_.-]{1,63})(\s+)(\\?"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s,;"')\]-][^\s,;"')\]]*)"""
            ),
            _option,
        ),
    ),
    Pattern(
        "@password",
        _has("--"),
        _by(
            re2.compile(
                r"""([\[(,]\s*b?["'])(--[A-Za-z][A-Za-z0-9_.-]{1,63})(["'],\s*)(b?"[^"]*(?:"|$)|b?'[^']*(?:'|$))"""
            ),
            _option,
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
            _told_in_a_sentence,
        ),
    ),
    Pattern("@password", lambda text: ")" in text and "(" in text, _rows),
    Pattern(
        "@password",
        _has("row contains"),
        _by(re2.compile(r"(?s)(row contains )\([^\[].*\)"), _row),
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
                r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:digest|aws4-hmac-sha256|hawk|oauth|signature)\s)([^\r\n]+)"
            ),
            _after_option,
        ),
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
        is_of_prose=True,
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
        is_of_prose=True,
    ),
    Pattern(
        "@password",
        _has_word("password", "passwd", "passphrase", "identified"),
        _by(
            re2.compile(
                r"(?i)()\b(password|passwd|passphrase|identified)(\s+(?:(?:by|like|for\s+\S+\s*=)\s*)?)(\"[^\"]+(?:\"|$)|'[^']+(?:'|$))"
            ),
            _quoted_after,
        ),
    ),
    Pattern(
        "@password",
        _has_word("pin", "cvv", "cvc", "otp"),
        _by(re2.compile(r"(?i)()\b(pin|cvv|cvc|otp)([ \t]+)([0-9]{3,8})\b"), _key_and_value),
    ),
    Pattern(
        "@password",
        _has("</"),
        _by(re2.compile(r"(<(?:\w+:)?)([A-Za-z_][\w.-]{1,63})((?:\s[^<>]*)?>)([^<>]+)"), _key_and_value),
    ),
    Pattern(
        "@password",
        _has("name="),
        _by(
            re2.compile(
                r"""(name=\\*["']?)([A-Za-z_][\w.\[\]-]{1,63})(\\*["']?(?:\s+value=|\s*(?:\r?\n|\\r\\n)(?:[A-Za-z-]+:[^\r\n]*\r?\n)*(?:\r?\n|\\r\\n)))("[^"]*"?|'[^']*'?|[^\s<>]+)"""
            ),
            _key_and_value,
        ),
    ),
    Pattern(
        "@password",
        _has("-u ", "--user", "--proxy-user"),
        _by(re2.compile(r"((?:^|\s)(?:-u|--user|--proxy-user)[ =]+)([^\s:]*[^\s:0-9][^\s:]*:\S+)"), _after_option),
    ),
    Pattern("@password", _has("[parameters: ("), _by(_STATEMENT, _parameters)),
    Pattern("@password", _has("[parameters: [("), _by(_STATEMENT, _parameters)),
    Pattern(
        "@password",
        _has_word("pass", "pwd", "pin", "identified", "cvv", "cvc", "otp"),
        _by(
            re2.compile(
                r"(?i)()\b(password|passwd|pwd|passphrase|pin)(\s+(?:is|was):?\s+)(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)"
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
    Pattern("@password", _has("=", ":", "%3", "->"), _values, is_of_values=True),
    Pattern(
        "@creditcard",
        _has_digits(13),
        _by(re2.compile(r"(^|[^0-9A-Za-z.-])(\d(?:[ +-]?\d){12,}|(?:\d{4}\.){3}\d{4})([^0-9A-Za-z-]|$)"), _card),
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
        _by(re2.compile(rf"[{_LETTERS}0-9._%+-]+(?:@[{_LETTERS}0-9-]+(?:\.[{_LETTERS}0-9-]+)+)+"), _email),
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
