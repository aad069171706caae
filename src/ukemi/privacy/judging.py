"""What a value says under its key: whether it is a secret, or only says that there is one."""

import re
from typing import Final

from ukemi.privacy.identity import hash_identity
from ukemi.privacy.keys import is_group_key, is_identity_key, is_key_of_settings, is_secret_key, words_of
from ukemi.privacy.rules import FILTERED, Rules

NO_VALUES: Final = frozenset(
    # what a sentence goes on with, after the name of a secret
    "a an the this that these those your our his her its their my is are was were be been has have had do does did will would "
    "shall should can could may might must cannot not no nor neither to of in on at by for from with without into onto via per and "
    "or but if when while because as than then so too also only again already still never always either both which who whose "
    # what is said of one that is not there or not good
    "true false none null nil undefined required missing invalid valid empty blank expired wrong incorrect unknown failed ok okay "
    "rejected refused denied accepted changed unchanged reset updated revoked mismatch mismatched absent optional disabled enabled "
    "unsupported malformed unauthorized forbidden removed redacted filtered hidden masked set unset given field value ensure string "
    "please error failure success successful n/a yes see eof unexpected closed open opened declined started ended stopped found "
    "created deleted ready pending active inactive approved lost stale new old does minimum maximum min max between exactly cleared dropped loaded saved sent skipped timeout data".split()
)
"""What stands after a secret's key when the secret does not: the closed classes of English words, and states."""
TYPES: Final = frozenset(
    "str int float bool bytes bytearray object any dict list tuple set none optional union annotated string number integer boolean "
    "secretstr secretbytes emailstr".split()
)
"""Types of Python and of JSON schemas: `password: str`."""
SCHEMES: Final = frozenset({"bearer", "basic", "token", "digest", "apikey"})
PLACEHOLDER: Final = re.compile(
    r"""%(?:\(\w+\))?[-+#0 ]*\d*[sdrifx]|\$\d+|\$\{[^{}]*\}|\$[A-Z_]+|\?|\{(?:[A-Za-z_.!:\[\]()]*|\d)\}|\{\{[^{}]*\}\}|\w*\(?["']?[*•]{3,}["']?\)?|\.\.\.|…|<[a-z_ -]{1,30}>|<[A-Z_ -]{1,30}>|Ellipsis"""
)
"""Where a value will be put, or was hidden: `%s`, `{token}`, `$1`, `?`, `***`."""
OBJECT: Final = re.compile(
    r"""<(?:[A-Za-z_][\w.]* )+(?:object )?at 0x[0-9A-Fa-f]+>|<bound method [\w.]+ of <[^<>=]*>>|<(?:class|function|module|property|enum|coroutine object|generator object) [^<>=]*>|<[a-z_-]+(?: [a-z_-]+){0,4}>"""
)
"""How Python shows an object that says nothing of itself."""
_JOINED: Final = re.compile(r"""(?:""|'')\.\w+\(""")
"""`"".join(parts)` makes a value, and is none."""
_TEMPLATE: Final = re.compile(r"""(?i)(?:[rf]{1,2}["'])?(?:bearer|basic|token)\s+\{[\w.\[\]()]*\}""")
"""`f"Bearer {token}"`."""
_ANNOTATION: Final = re.compile(r"(?:Optional|Union|Annotated|Literal|[Ll]ist|[Dd]ict|[Tt]uple|[Ss]et)\[[A-Za-z].*\]?")
"""`Annotated[str, Depends(scheme)]`: a type, not a value."""
ALGORITHMS: Final = re.compile(
    r"(?i)HTTP/[\d.]+|(?:oauth|sha|md|base|utf|hs|rs|es|ps|argon|pbkdf|ipv|http|x|s|p|k|v|api|web|level|step|type|part|phase|tier)-?\d+\w{0,2}"
)
"""Words with digits in them that are no secrets: `base64`, `HS256`, `v2`, `OAuth2`."""
_SELECTED: Final = re.compile(r"nth-[a-z-]+\(")
"""`li.token:nth-child(2)`: a selector of CSS."""
_RELEASE: Final = re.compile(r"v?[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}(?:[-+][0-9A-Za-z.]+)?")
REMOVED: Final = ("[email]", "[ip]")
"""Stand for addresses when there is no key to hash them with."""
NO_IDENTITY: Final = re.compile(r"""[\\"']*+(?:hmac:|[{\[<])""")
"""A hash already, or a nested structure."""


def judge(key: str, value: str, rules: Rules) -> str | None:
    """What shall stand for `value` under `key`; None leaves it."""
    bare = value.strip("\\\"'")
    if not bare or FILTERED.startswith(bare) or says_nothing(bare):
        return None
    if _JOINED.match(value) or _SELECTED.match(bare) or _TEMPLATE.fullmatch(bare) or is_tally(key, bare):
        return None
    if (bare[0] in ":$" and is_telling(bare[1:])) or (bare.isdigit() and words_of(key)[-1] == "tokens"):
        return None  # a parameter of SQL or GraphQL; what a language model counts
    if rules.names_secret(key):
        if is_group_key(key) and _is_of_group(words_of(key)[0], bare):
            return None
        if is_key_of_settings(key) and not is_random(bare) and key.isupper() and not is_secret_key(key.lower()):
            return None  # `ROUTE_KEY = "route"`
        return None if bare.lower().rstrip(".:!") in NO_VALUES | SCHEMES else FILTERED
    if is_identity_key(key) and value == bare:
        # `email: delivered`, `Login: 3 attempts left`
        is_word = bare.isascii() and bare.isalpha() and words_of(key)[-1] in ("email", "emails", "mail")
        if is_word or (bare.isdigit() and len(bare) < 3) or (bare[0] == "/" and words_of(key) == ("login",)):
            return None
    is_value = not NO_IDENTITY.match(bare) and "=" not in bare and bare.lower().rstrip(".:!") not in NO_VALUES
    return identity(bare.strip("()"), rules) if is_identity_key(key) and is_value else None


def _is_of_group(name: str, value: str) -> bool:
    """`session:42`, `card: visa`, `auth=oauth2`, `shop/auth:1.2.3`: what is said of one of many, a kind or a release."""
    return (
        (name == "session" and value.isdigit() and len(value) < 10)
        or (name == "card" and value.isalpha())
        or (name == "auth" and bool(ALGORITHMS.fullmatch(value)))
        or (name != "pass" and bool(_RELEASE.fullmatch(value)))
    )


def is_tally(key: str, value: str) -> bool:
    """`pass: 12, fail: 0`: how many did."""
    return key.lower() == "pass" and value.isdigit() and len(value) < 4


def is_telling(name: str) -> bool:
    """Whether a name says that a secret or an identity stands under it."""
    return is_secret_key(name) or is_identity_key(name)


def says_nothing(value: str) -> bool:
    """Whether a value stands for one that is not there: a placeholder, a mask, a type, an object without a repr."""
    return (
        bool(PLACEHOLDER.fullmatch(value) or OBJECT.fullmatch(value) or _ANNOTATION.fullmatch(value))
        or value.lower() in TYPES
        or not any(map(str.isalnum, value))
    )


def is_random(word: str) -> bool:
    """Letters and digits mixed, as in no word of a sentence."""
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word) and not ALGORITHMS.fullmatch(word)


def identity(text: str, rules: Rules, removed: str = FILTERED) -> str:
    return hash_identity(text, rules.hash_key) if rules.hash_key else removed
