"""
Which keys name secrets: decided by words, not by substrings.

`X-Api-Key`, `db_password`, `stripeSignature`, `sessionid` do; `author`, `tokenizer`, `passenger` do not.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_BOUNDARY = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_SECRET_WORDS: Final = frozenset(
    "password passwords passwd pwd passphrase passcode secret secrets token tokens apikey apikeys authorization "
    "credential credentials cookie cookies sessionid sessid phpsessid jsessionid csrf xsrf csrftoken xsrftoken jwt "
    "signature privatekey accesskey secretkey cvc cvv cvc2 cvv2 ssn otp totp bearer pin creditcard cardnumber ccnumber "
    "pan passcodes mfa sid htpasswd mysqlpwd saml samlresponse passkey passkeys pw psw psk sshpass "
    "tok tkn passwort kennwort passe motdepasse contrasena senha wachtwoord haslo heslo losenord passord adgangskode salasana sifre "
    "clave jelszo parola lozinka geslo пароль 密码 密碼 口令 パスワード 비밀번호".split()
)
"""Also the word for password in other languages, without accents."""
_SECRET_AT_END: Final = frozenset({"pin", "pan", "otp", "mfa", "saml", "iban"})
"""Short words of many meanings: secret at the end of a key, or before one of `_CONTENT`; `pan_left` and `pin_map` are not."""
_CONTENT: Final = frozenset(
    "code codes number no value hash block response request assertion confirm confirmation entry digits raw plain old new".split()
)
_PASS_OF: Final = (
    "db user smtp imap mysql postgres pg mongo redis admin root sudo become mail ftp sftp proxy ssh http web webdav require master "
    "login bind my store key cert mqtt amqp kafka ldap vpn wifi wlan router device server service account app api"
).split()
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
    *((what, code) for what in ("recovery", "backup", "scratch") for code in ("code", "codes")),
    ("rediscli", "auth"),
    ("pass", "phrase"),
    ("pass", "word"),
    ("pass", "code"),
    *((place, "pass") for place in _PASS_OF),
    *(
        (what, "key")
        for what in "secret ssh hmac preshared shared subscription deploy consumer storage pgp gpg aes rsa".split()
    ),
    ("x", "auth"),
    ("user", "session"),
    ("access", "code"),
    ("login", "code"),
    ("time", "code"),
    ("pairing", "code"),
    ("activation", "code"),
    ("unlock", "code"),
    ("security", "answer"),
)
_PASS_TOGETHER: Final = frozenset(f"{place}pass" for place in _PASS_OF)
_SECRET_ALONE: Final = frozenset({"auth", "session", "credential", "pass", "card", "sig", "clave"})
"""Secret as the whole key only: `auth_method` and `session_length` are not."""
_SECRET_ENDINGS: Final = ("password", "passwd", "passphrase", "apikey", "sessionid", "token", "secret")
"""Words written together: `userpassword`, `accesstoken`."""
_ABOUT: Final = frozenset(
    # how many, how long, how often, when
    "count counts length len size limit max min num number total ratio rate budget usage used quota remaining left attempts retries "
    "tries index position offset second seconds minute minutes hour hours day days ttl age expires expiry expired expiration "
    "expire lifetime duration timeout interval at in on time timestamp date changed updated created since until "
    # what kind, where from, by which rule
    "type types kind format algorithm algo alg version strength score policy policies rule rules scheme method mode strategy "
    "provider issuer audience scope scopes owner source origin backend engine class model schema serializer field fields column "
    "columns table label placeholder help prompt title description error errors reason status state "
    "name names url urls uri endpoint route path file filename dir directory domain samesite template page form view "
    "store storage bucket cache manager service factory handler helper middleware validator validators validation generator "
    "hasher hashers parser encoder decoder regex pattern prefix suffix separator rotation refresh check checker config settings "
    # yes or no
    "exception warning fault failure required enabled disabled valid invalid missing present set exists secure httponly verified needed allowed exempt "
    "protect protected optional hash_method per details stats metrics changes events consent banner".split()
)
"""A last or first word that makes a key speak *about* a secret: `token_count`, `password_changed_at`, `max_tokens`."""
_COUNTED: Final = frozenset("usage total input output prompt completion reasoning cached".split())
"""Words that tell of the tokens of a language model, which are counted."""
_SPECIAL: Final = frozenset("pad eos bos sep cls mask unk special".split())
"""Words for the tokens of a tokenizer that stand for no text."""
_KEY_OF_DATA: Final = frozenset(
    "primary foreign unique composite natural surrogate sort order group partition row range shard hash index cache lock dedup "
    "idempotency object map dict lookup public host locale translation message feature flag metric event task job queue item file "
    "bucket parent child config setting settings default prefix name user data".split()
)
"""What `X_KEY` finds or orders, where it opens nothing."""
_ABOUT_FIRST: Final = frozenset(
    "max min num total has is n no use uses require requires needs allow show hide with".split()
)
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

PHRASES: Final = (*_SECRET_PHRASES, *_IDENTITY_PHRASES)
"""Two words that tell together."""
TELLING_STEMS: Final = tuple(
    "pass pwd secret token tok tkn key auth cred cookie sess csrf xsrf jwt sig cvc cvv ssn otp bearer pin card cc pan mfa sid saml pw psw "
    "security code social factor answer mail user ip addr forwarded login psk kennwort contrasena senha wachtwoord haslo heslo losenord "
    "adgangskode salasana sifre clave jelszo parola lozinka geslo iban".split()
)
"""Every key that tells of a secret or an identity has one of these in it; so do many that don't."""


@lru_cache(maxsize=8192)
def words_of(key: str) -> tuple[str, ...]:
    """`X-Api-Key`, `xApiKey`, `x_api_key` → ("x", "api", "key"). Letters as in `ｋｅｙ`, `contraseña` count as plain ones."""
    key = key[:200] if key.isascii() else _plain(key[:200])
    return tuple(word.lower() for word in _BOUNDARY.split(key) if word)


def _plain(key: str) -> str:
    """Without what makes a letter only look otherwise: accents, width, characters that nobody sees."""
    parts = unicodedata.normalize("NFKD", key).replace("ł", "l")
    return unicodedata.normalize(
        "NFC", "".join(c for c in parts if not "\u0300" <= c <= "\u036f" and unicodedata.category(c) != "Cf")
    )


@lru_cache(maxsize=8192)
def is_secret_key(key: str) -> bool:
    """Whether the value under `key` is a secret, whatever it looks like."""
    return _is_secret(key) or (_is_odd(key) and _is_secret(key.lower()))


def _is_odd(key: str) -> bool:
    """`X-aPi-KeY`, `aUTHORIZATION`: the case says nothing of words. Header names may be written so."""
    return any(len(word) <= 2 for word in words_of(key)) and not key.islower()


def _is_secret(key: str) -> bool:
    words = tuple(word.rstrip("0123456789") or word for word in words_of(key))  # forms ask for password1 and password2
    if not words:
        return False
    if len(words) == 1 and words[0] in _SECRET_ALONE:
        return True
    if words[-1] == "tokens" and not _COUNTED.isdisjoint(words):
        return False
    if is_key_of_settings(key):
        return True
    is_named = any(_is_secret_word(words, at) for at in range(len(words)))
    if not is_named and not _has(words, _SECRET_PHRASES):
        return False
    if _has(words[-2:], _SECRET_PHRASES):
        return True  # `card_number` ends in a word of _ABOUT, yet is the thing itself
    is_about = len(words) > 1 and (words[-1] in _ABOUT or words[0] in _ABOUT_FIRST or words[-1].endswith("exception"))
    return not is_about or (words[-1] == "number" and words[-2] in ("ssn", "pin", "security"))


@lru_cache(maxsize=8192)
def is_key_of_settings(key: str) -> bool:
    """`MAILGUN_KEY`, `X-Shop-Key`: what environments and headers write so is a credential, other than `CACHE_KEY`."""
    words = words_of(key)
    is_written_so = (
        words[-1:] == ("key",) and len(words) > 1 and (key.isupper() or (words[0] == "x" and len(words) > 2))
    )
    return is_written_so and _KEY_OF_DATA.isdisjoint(words)


def _is_secret_word(words: tuple[str, ...], at: int) -> bool:
    word = words[at]
    if at and word == "token" and words[at - 1] in _SPECIAL:
        return False
    if word in _SECRET_AT_END:
        return at + 1 == len(words) or words[at + 1] in _CONTENT
    return word in _SECRET_WORDS or word in _PASS_TOGETHER or word.endswith(_SECRET_ENDINGS)


@lru_cache(maxsize=8192)
def is_identity_key(key: str) -> bool:
    """Whether the value under `key` tells who somebody is, and is hashed: e-mail, user name, IP address."""
    return _is_identity(key) or (_is_odd(key) and _is_identity(key.lower()))


def _is_identity(key: str) -> bool:
    words = words_of(key)
    if not words:
        return False
    if len(words) == 1:
        return words[0] in _IDENTITY_WORDS or words[0] in _IDENTITY_ALONE
    if _has(words[-2:], _IDENTITY_PHRASES):
        return True
    if words[-1] in _ABOUT or words[-1] in ("sent", "id", "subject", "body", "confirmed", "queue", "host", "port"):
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


@lru_cache(maxsize=8192)
def is_phrase(first: str, second: str) -> bool:
    """Whether two words of a sentence are a name that one key could be: `api key: …`, `user name: …`."""
    words = (*words_of(first)[-1:], *words_of(second)[:1])
    return _has(words, _SECRET_PHRASES) or _has(words, _IDENTITY_PHRASES)


def _has(words: tuple[str, ...], phrases: tuple[tuple[str, str], ...]) -> bool:
    return any((words[i], words[i + 1]) in phrases for i in range(len(words) - 1))
