"""
Which keys name secrets: decided by words, not by substrings.

`X-Api-Key`, `db_password`, `stripeSignature`, `sessionid` do; `author`, `tokenizer`, `passenger` do not.
"""

import re
from functools import lru_cache
from typing import Final

_BOUNDARY = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_SECRET_WORDS: Final = frozenset(
    "password passwords passwd pwd passphrase passcode secret secrets token tokens apikey apikeys authorization "
    "credential credentials cookie cookies sessionid sessid phpsessid jsessionid csrf xsrf csrftoken xsrftoken jwt "
    "signature privatekey accesskey secretkey cvc cvv cvc2 cvv2 ssn otp totp bearer pin creditcard cardnumber ccnumber "
    "pan passcodes mfa sid htpasswd mysqlpwd saml samlresponse".split()
)
_SECRET_PHRASES: Final = (
    ("api", "key"),
    ("api", "keys"),
    ("private", "key"),
    ("access", "key"),
    ("account", "key"),
    ("signing", "key"),
    ("encryption", "key"),
    ("master", "key"),
    ("auth", "key"),
    ("license", "key"),
    ("routing", "key"),
    ("session", "id"),
    ("session", "key"),
    ("card", "number"),
    ("card", "num"),
    ("card", "no"),
    ("credit", "card"),
    ("cc", "number"),
    ("security", "code"),
    ("verification", "code"),
    ("social", "security"),
    ("two", "factor"),
    ("auth", "code"),
    ("recovery", "code"),
    ("recovery", "codes"),
    ("pass", "phrase"),
    ("pass", "word"),
)
_SECRET_ALONE: Final = frozenset({"auth", "session", "credential", "pass", "card"})
"""Secret as the whole key only: `auth_method` and `session_length` are not."""
_SECRET_ENDINGS: Final = ("password", "passwd", "passphrase", "apikey", "sessionid", "token", "secret")
"""Words written together: `userpassword`, `accesstoken`."""
_ABOUT: Final = frozenset(
    "count counts type types length len at url uri expires expiry expired ttl limit max min used usage required enabled "
    "disabled valid invalid policy strength age changed updated created format algorithm total num number per version "
    "name field error errors missing rotation scheme status hash_method provider".split()
)
"""A last or first word that makes a key speak *about* a secret: `token_count`, `password_changed_at`, `max_tokens`."""
_IDENTITY_WORDS: Final = frozenset({"email", "emails", "mail", "username", "ip", "ipaddress", "remoteaddr"})
_IDENTITY_PHRASES: Final = (
    ("user", "name"),
    ("e", "mail"),
    ("ip", "address"),
    ("remote", "addr"),
    ("remote", "ip"),
    ("forwarded", "for"),
    ("real", "ip"),
    ("client", "ip"),
)
_IDENTITY_ALONE: Final = frozenset({"login", "email", "mail"})


@lru_cache(maxsize=8192)
def words_of(key: str) -> tuple[str, ...]:
    """`X-Api-Key`, `xApiKey`, `x_api_key` → ("x", "api", "key")."""
    return tuple(word.lower() for word in _BOUNDARY.split(key[:200]) if word)


@lru_cache(maxsize=8192)
def is_secret_key(key: str) -> bool:
    """Whether the value under `key` is a secret, whatever it looks like."""
    words = tuple(word.rstrip("0123456789") or word for word in words_of(key))  # forms ask for password1 and password2
    if not words:
        return False
    if len(words) == 1 and words[0] in _SECRET_ALONE:
        return True
    is_named = any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS) for word in words) or _has(
        words, _SECRET_PHRASES
    )
    if not is_named:
        return False
    is_about = len(words) > 1 and (words[-1] in _ABOUT or words[0] in ("max", "min", "num", "total", "has", "is", "n"))
    # `card_number` and `ssn_number` end in a word of _ABOUT, yet are the thing itself.
    return not is_about or _has(words, _SECRET_PHRASES) or (words[-1] == "number" and words[0] in ("ssn", "pin"))


@lru_cache(maxsize=8192)
def is_identity_key(key: str) -> bool:
    """Whether the value under `key` tells who somebody is, and is hashed: e-mail, user name, IP address."""
    words = words_of(key)
    if not words:
        return False
    if len(words) == 1:
        return words[0] in _IDENTITY_WORDS or words[0] in _IDENTITY_ALONE
    if words[-1] in ("domain", "count", "sent", "verified", "template", "id", "subject", "type"):
        return False
    return words[-1] in ("email", "username") or _has(words, _IDENTITY_PHRASES) or (words[-1] == "ip")


@lru_cache(maxsize=8192)
def is_group_key(key: str) -> bool:
    """Whether a mapping under `key` is a group of facts, to be judged one by one: `auth: {"method": "password"}`."""
    words = words_of(key)
    return len(words) == 1 and words[0] in _SECRET_ALONE


@lru_cache(maxsize=8192)
def is_user_name_key(key: str) -> bool:
    """Whether the value under `key` is a user's name: `username`, `user_name`, `loginUsername`."""
    words = words_of(key)
    return bool(words) and (words[-1] == "username" or words[-2:] == ("user", "name"))


def _has(words: tuple[str, ...], phrases: tuple[tuple[str, str], ...]) -> bool:
    return any((words[i], words[i + 1]) in phrases for i in range(len(words) - 1))
