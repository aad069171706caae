"""The engine: walks every value of a tree and returns a new tree without secrets. Never changes its argument."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ukemi.privacy.identity import hash_identity, is_hashed
from ukemi.privacy.keys import is_group_key, is_identity_key, is_secret_key, is_user_name_key, words_of
from ukemi.privacy.patterns import FINDERS, IP_FINDERS, SUSPICIOUS, is_card_number
from ukemi.privacy.rules import FILTERED, Rules

Remarks = dict[str, Any]
"""In the shape of Sentry's `_meta`: mirrors the tree; at each place the key "" says what was done there."""

_SKIPPED: Final = frozenset({"_meta", "event_id", "trace_id", "span_id", "parent_span_id", "profiler_id", "replay_id"})
"""Ids and remarks. Only texts of hex digits are skipped under these names."""
_REPR: Final = re.compile(r"""b?(['"])(.*)\1""")
_HEX: Final = re.compile(r"[0-9a-fA-F-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)
"""What may be the first of a pair; a sentence is not."""
_VERSION_WORDS: Final = frozenset({"version", "release", "build", "dist", "versions", "modules", "packages", "agent"})
"""Under keys of these words, `1.2.3.4` is a version and not an address."""
_MAX_TEXT: Final = 200_000
_MAX_DEPTH: Final = 200
_MAX_USER_NAMES: Final = 20
_MIN_USER_NAME: Final = 3
"""Shorter names would be found inside of ordinary words."""
_MAX_USER_NAME: Final = 100
_NOT_NAMES: Final = frozenset(
    {"none", "null", "true", "false", "undefined", "anonymous", "unknown", "user", "username"}
)


@dataclass(frozen=True)
class Scrubbed:
    tree: Any
    """The new tree: objects, lists, texts, numbers, booleans, null."""
    remarks: Remarks
    """Empty when nothing was taken."""


def scrub(tree: object, rules: Rules) -> Scrubbed:
    """
    Take secrets out of `tree`.

    Mappings, lists, tuples, sets, texts, bytes and numbers are looked into; any other object becomes its scrubbed repr.
    Doing it twice changes nothing more.
    """
    remarks: Remarks = {}
    return Scrubbed(_walk(tree, "", rules, remarks, 0), remarks)


def scrub_text(text: str, rules: Rules) -> str:
    """Running text without what looks like a secret."""
    return _text(text, rules, {}, has_ips=True)


def find_user_names(tree: object) -> frozenset[str]:
    """
    The user names that stand under their key anywhere in `tree`, for `Rules.known_identities`.

    A name that was typed into a form comes back in messages and variables, where nothing tells that it is one.
    """
    found: set[str] = set()
    _collect(tree, found, 0)
    return frozenset(found)


def _collect(value: Any, found: set[str], depth: int) -> None:
    if depth > _MAX_DEPTH or len(found) >= _MAX_USER_NAMES:
        return
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(entry, str) and isinstance(key, str) and is_user_name_key(key):
                # Variables of stack frames come as reprs: 'bob'.
                name = entry.strip().strip("'\"")
                is_name = name.lower() not in _NOT_NAMES and name != FILTERED and not is_hashed(name)
                if is_name and _MIN_USER_NAME <= len(name) <= _MAX_USER_NAME:
                    found.add(name)
            else:
                _collect(entry, found, depth + 1)
    elif isinstance(value, list | tuple):
        for entry in value:
            _collect(entry, found, depth + 1)


def _walk(value: Any, key: str, rules: Rules, remarks: Remarks, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return "<nested too deep>"
    if key and value is not None and not isinstance(value, bool):
        is_group = isinstance(value, Mapping) and is_group_key(key)
        if (is_secret_key(key) and key not in rules.safe_keys and not is_group) or rules.is_listed(key):
            if (
                value in ("", [], {})
                or value == FILTERED
                or (isinstance(value, int | float) and "token" in words_of(key)[-1])
            ):
                return value
            _note(remarks, "@password:filter", "s", value)
            return FILTERED
        if is_identity_key(key) and isinstance(value, str):
            return _hashed(value, rules, remarks)
    if isinstance(value, str):
        if key in _SKIPPED and _HEX.fullmatch(value):
            return value
        return _text(value, rules, remarks, has_ips=not _VERSION_WORDS.intersection(words_of(key)))
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        if value >= 10**12 and is_card_number(str(value)):
            _note(remarks, "@creditcard:filter", "s", value)
            return FILTERED
        return value
    if isinstance(value, Mapping):
        return _mapping(value, rules, remarks, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _list(list(value), key, rules, remarks, depth)
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value).decode("utf-8", "replace")
        return _text(value, rules, remarks, has_ips=True)
    return _text(repr(value), rules, remarks, has_ips=True)


def _mapping(value: Mapping[Any, Any], rules: Rules, remarks: Remarks, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for raw_name, entry in value.items():
        name = raw_name if isinstance(raw_name, str) else _plain(raw_name)
        if name == "_meta" and depth == 0:
            result[name] = entry
            continue
        inner: Remarks = {}
        shown = _text(name, rules, inner, has_ips=False)
        result[shown] = _walk(entry, name, rules, inner, depth + 1)
        if inner:
            remarks[shown] = inner
    return result


def _list(value: list[Any], key: str, rules: Rules, remarks: Remarks, depth: int) -> list[Any]:
    result = []
    is_pair = len(value) == 2 and isinstance(value[0], str | bytes) and not isinstance(value[1], list | tuple | Mapping)
    for index, entry in enumerate(value):
        inner: Remarks = {}
        # A pair such as ["Authorization", "Bearer …"] of a header list: the first names the second.
        first = _unquoted(_plain(value[0])) if is_pair and index == 1 else ""
        name = first if _names_something(first, rules) else key
        result.append(
            _walk(entry, name if not isinstance(entry, list | tuple | Mapping) else "", rules, inner, depth + 1)
        )
        if inner:
            remarks[str(index)] = inner
    return result


def _names_something(text: str, rules: Rules) -> bool:
    return bool(_NAME.fullmatch(text)) and (rules.names_secret(text) or is_identity_key(text))


def _unquoted(text: str) -> str:
    """What a repr of a text or of bytes holds: variables of stack frames come so."""
    found = _REPR.fullmatch(text)
    return found[2] if found else text


def _plain(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _hashed(value: str, rules: Rules, remarks: Remarks) -> str:
    """An identity as its hash, or removed when there is no key to hash with."""
    if not value or value == FILTERED or is_hashed(value) or value == "{{auto}}":
        return value
    if rules.hash_key is None:
        _note(remarks, "@identity:remove", "x", value)
        return FILTERED
    _note(remarks, "@identity:hash", "p", value)
    parts = [part for part in value.split(",") if part.strip()]  # X-Forwarded-For lists several
    return ", ".join(hash_identity(part, rules.hash_key) for part in parts[:10])


def _text(value: str, rules: Rules, remarks: Remarks, *, has_ips: bool) -> str:
    text = value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "…"
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # re2 takes no lone surrogates
    for identity in rules.known_identities:
        if identity and identity.casefold() in text.casefold():
            hashed = hash_identity(identity, rules.hash_key) if rules.hash_key else FILTERED
            text = re.sub(re.escape(identity), lambda _: hashed, text, flags=re.IGNORECASE)  # noqa: B023 - used at once
            _note(remarks, "@identity:hash", "p", value)
    if not rules.secret_keys and not SUSPICIOUS.search(text):
        return text
    for name, find in FINDERS + IP_FINDERS if has_ips else FINDERS:
        changed = find(text, rules)
        if changed != text:
            text = changed
            _note(remarks, f"{name}:filter", "s", value)
    return text


def _note(remarks: Remarks, rule: str, kind: str, value: object) -> None:
    """Kinds: s substituted, x removed, p pseudonymised."""
    entry = remarks.setdefault("", {"rem": []})
    if len(entry["rem"]) < 10 and not any(old[0] == rule for old in entry["rem"]):
        entry["rem"].append([rule, kind])
    if isinstance(value, str):
        entry["len"] = len(value)
