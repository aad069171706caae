"""The engine: walks every value of a tree and returns a new tree without secrets. Never changes its argument."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, count
from typing import Any, Final

from ukemi.privacy.identity import hash_identity, is_hashed
from ukemi.privacy.keys import is_group_key, is_identity_key, is_secret_key, is_user_name_key, words_of
from ukemi.privacy.patterns import FINDERS, SUSPICIOUS, is_card_number, says_nothing, source_values
from ukemi.privacy.readings import folded, read_otherwise
from ukemi.privacy.rules import FILTERED, Rules

Remarks = dict[str, Any]
"""In the shape of Sentry's `_meta`: mirrors the tree; at each place the key "" says what was done there."""

Found = list[tuple[str, str]]
"""Rule and kind of what was found in a text."""
_Place = tuple[Any, str] | None
"""Where a value stands: the place of its container, and its name there; None is the root."""

_SKIPPED: Final = frozenset({"_meta", "event_id", "trace_id", "span_id", "parent_span_id", "profiler_id", "replay_id"})
"""Ids and remarks. Only texts of hex digits are skipped under these names."""
_REPR: Final = re.compile(r"""b?(['"])(.*)\1""")
_HEX: Final = re.compile(r"[0-9a-fA-F-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)
"""What may be the first of a pair; a sentence is not."""
_VERSION_WORDS: Final = frozenset({"version", "release", "build", "dist", "versions", "modules", "packages", "agent"})
"""Under keys of these words, `1.2.3.4` is a version and not an address."""
_NOTHING: Final = frozenset(
    {"None", "True", "False", "null", "undefined", "''", '""', "b''", "[]", "{}", "()", "set()"}
)
"""Variables of stack frames come as reprs."""
_TEXTS: Final = (str, bytes, bytearray, memoryview)
_MAX_TEXT: Final = 200_000
_MAX_DEPTH: Final = 200
_MAX_USER_NAMES: Final = 20
_MIN_USER_NAME: Final = 3
"""Shorter names would be found inside of ordinary words."""
_MAX_USER_NAME: Final = 100
_NOT_NAMES: Final = frozenset(
    {"none", "null", "true", "false", "undefined", "anonymous", "unknown", "user", "username"}
)


_MAX_REMEMBERED: Final = 20_000
_MAX_REMEMBERED_TEXT: Final = 300
_TEXT: Final = 0
_VERSION: Final = 1
"""A text without addresses: `1.2.3.4` is a version there."""
_SOURCE: Final = 2
"""A line of source code: names secrets without holding them."""
_Clean = tuple[dict[str, None], dict[str, None], dict[str, None]]
_CLEAN: Final[_Clean] = ({}, {}, {})
"""Texts of each sort that were searched and hold nothing: source lines, names, versions come again and again."""
_SOURCE_KEYS: Final = frozenset({"context_line", "pre_context", "post_context"})


@dataclass
class _SetAside:
    """A text that waits to be searched."""

    into: Any
    at: Any
    text: str
    sort: int
    place: _Place
    is_clean: bool = True


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
    walk = _Walk(rules)
    root: list[Any] = [None]
    walk.put(root, 0, tree, "", None, 0)
    walk.search()
    return Scrubbed(root[0], walk.remarks)


def scrub_text(text: str, rules: Rules) -> str:
    """Running text without what looks like a secret."""
    return _searched(_readable(text), rules, _TEXT)[0]


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
            kind = type(entry)
            if kind is str and isinstance(key, str) and is_user_name_key(key):
                # Variables of stack frames come as reprs: 'bob'.
                name = entry.strip().strip("'\"")
                is_name = name.lower() not in _NOT_NAMES and name != FILTERED and not is_hashed(name)
                if is_name and _MIN_USER_NAME <= len(name) <= _MAX_USER_NAME:
                    found.add(name)
            elif kind is not str:
                _collect(entry, found, depth + 1)
    elif isinstance(value, list | tuple):
        for entry in value:
            if type(entry) is not str:
                _collect(entry, found, depth + 1)


class _Walk:
    """
    One pass over a tree: builds the new one, judges values by their keys, and sets texts aside.

    Texts are then searched all at once: one look over all of them finds the few that the patterns must see
    (benchmarks/scrub.py). What was searched before and found clean is not searched again.
    """

    def __init__(self, rules: Rules) -> None:
        self.remarks: Remarks = {}
        self._rules = rules
        self._texts: list[_SetAside] = []
        # Lists of the user's own change what counts, so what is clean by the shipped words need not be clean by them.
        self._lists_keys = bool(rules.secret_keys)
        self._clean = _CLEAN if not rules.secret_keys else ({}, {}, {})

    def put(self, into: Any, at: Any, value: Any, key: str, place: _Place, depth: int) -> None:
        """
        Set `into[at]` to `value` without secrets.

        Args:
            key: the name that the value stands under; of a list's entry, the list's.
            place: of the value, for remarks.
        """
        kind = type(
            value
        )  # exact types first: they are nearly all, and asking for abstract ones costs ten times as much
        if depth > _MAX_DEPTH:
            into[at] = "<nested too deep>"
        elif value is None or kind is bool:
            into[at] = value
        elif key and (_names(key) or self._lists_keys) and self._is_judged(into, at, value, key, place):
            pass
        elif kind is str:
            into[at] = value
            if not (key in _SKIPPED and _HEX.fullmatch(value)):
                self._set_aside(into, at, value, _sort_of(key), place)
        elif kind is dict or isinstance(value, Mapping):
            into[at] = self._mapping(value, key, place, depth)
        elif kind is list or isinstance(value, list | tuple | set | frozenset):
            into[at] = self._list(list(value), key, place, depth)
        elif isinstance(value, float):
            into[at] = value
            if value >= 10**12 and value.is_integer():
                self._put_number(into, at, int(value), place)
        elif isinstance(value, int):
            into[at] = value
            if value >= 10**12:
                self._put_number(into, at, value, place)
        else:
            into[at] = text = _plain(value) if isinstance(value, _TEXTS) else repr(value)
            self._set_aside(into, at, text, _TEXT, place)

    def search(self) -> None:
        """Take secrets out of the texts that were set aside."""
        for index in _suspicious([one.text for one in self._texts], self._rules):
            one = self._texts[index]
            text, found = _searched(one.text, self._rules, one.sort)
            one.into[one.at] = text
            for rule, kind in found:
                self._note(one.place, rule, kind, one.text)
            one.is_clean = not found
        for one in self._texts:
            if one.is_clean and len(one.text) <= _MAX_REMEMBERED_TEXT:
                clean = self._clean[one.sort]
                if len(clean) >= _MAX_REMEMBERED:
                    clean.clear()
                clean[one.text] = None

    def _is_judged(self, into: Any, at: Any, value: Any, key: str, place: _Place) -> bool:
        """Whether the key alone decides; then it is done."""
        rules = self._rules
        is_group = isinstance(value, Mapping) and is_group_key(key)
        if (is_secret_key(key) and key not in rules.safe_keys and not is_group) or rules.is_listed(key):
            is_count = isinstance(value, int | float) and "token" in words_of(key)[-1]
            if value in ("", [], {}) or value == FILTERED or is_count:
                into[at] = value
            elif isinstance(value, str) and _stands_for_nothing(value):
                return False
            else:
                into[at] = FILTERED
                self._note(place, "@password:filter", "s", value)
            return True
        if isinstance(value, str | bytes) and is_identity_key(key):
            if _stands_for_nothing(text := _plain(value)):
                return False
            into[at], found = _hashed(text, rules)
            for rule, kind in found:
                self._note(place, rule, kind, value)
            return True
        return False

    def _put_number(self, into: Any, at: Any, value: int, place: _Place) -> None:
        if is_card_number(str(value)):
            into[at] = FILTERED
            self._note(place, "@creditcard:filter", "s", value)

    def _set_aside(self, into: Any, at: Any, text: str, sort: int, place: _Place) -> None:
        if text in self._clean[sort] and not self._rules.known_identities:
            return
        readable = _readable(text)
        into[at] = readable
        self._texts.append(_SetAside(into, at, readable, sort, place))

    def _mapping(self, value: Mapping[Any, Any], key: str, place: _Place, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        sort = _sort_of(key)
        for raw_name, entry in value.items():
            name = raw_name if isinstance(raw_name, str) else _plain(raw_name)
            if name == "_meta" and depth == 0:
                result[name] = entry
                continue
            shown = name
            if name not in self._clean[sort] or self._rules.known_identities:
                shown, found = _searched(_readable(name), self._rules, sort)
                if not found and len(name) <= _MAX_REMEMBERED_TEXT:
                    self._clean[sort][name] = None
                for rule, kind in found:
                    self._note((place, shown), rule, kind, name)
            if shown in result:  # two addresses as keys may look alike without what was taken
                shown = next(other for number in count(2) if (other := f"{shown} ({number})") not in result)
            self.put(result, shown, entry, name, (place, shown), depth + 1)
        return result

    def _list(self, value: list[Any], key: str, place: _Place, depth: int) -> list[Any]:
        result: list[Any] = [None] * len(value)
        is_pair = (
            len(value) == 2 and isinstance(value[0], str | bytes) and not isinstance(value[1], list | tuple | Mapping)
        )
        for index, entry in enumerate(value):
            # A pair such as ["Authorization", "Bearer …"] of a header list: the first names the second.
            first = _unquoted(_plain(value[0])) if is_pair and index == 1 else ""
            if index and not first and isinstance(before := value[index - 1], str) and before[:2] in ("--", "'-"):
                first = _unquoted(before).lstrip("-")  # ["--password", "…"] of a command line
            name = first if _names_something(first, self._rules) else key
            if isinstance(entry, list | tuple | Mapping):
                name = ""
            self.put(result, index, entry, name, (place, str(index)), depth + 1)
        return result

    def _note(self, place: _Place, rule: str, kind: str, value: object) -> None:
        """Kinds: s substituted, x removed, p pseudonymised."""
        path: list[str] = []
        while place is not None:
            place, name = place
            path.append(name)
        remarks = self.remarks
        for name in reversed(path):
            remarks = remarks.setdefault(name, {})
        entry = remarks.setdefault("", {"rem": []})
        if len(entry["rem"]) < 10 and not any(old[0] == rule for old in entry["rem"]):
            entry["rem"].append([rule, kind])
        if isinstance(value, str):
            entry["len"] = len(value)


def _suspicious(texts: list[str], rules: Rules) -> Iterable[int]:
    """Which of the texts the patterns must see."""
    if rules.secret_keys or rules.known_identities:
        yield from range(len(texts))
        return
    encoded = [folded(text).encode() for text in texts]
    starts = list(accumulate((len(text) + 1 for text in encoded), initial=0))
    joined = b"\n".join(encoded)
    position = 0
    while (match := SUSPICIOUS.search(joined, position)) is not None:
        index = bisect_right(starts, match.start()) - 1
        yield index
        position = starts[index + 1]
        if position >= len(joined):
            return


@lru_cache(maxsize=8192)
def _names(key: str) -> bool:
    """Whether a key may decide about its value."""
    return is_secret_key(key) or is_identity_key(key)


@lru_cache(maxsize=8192)
def _sort_of(key: str) -> int:
    """What texts under a key are."""
    if key in _SOURCE_KEYS:
        return _SOURCE
    return _VERSION if _VERSION_WORDS.intersection(words_of(key)) else _TEXT


def _stands_for_nothing(value: str) -> bool:
    """Whether a text, or its repr, tells only that there is no value: `None`, `'***'`, `<shop.Session object at 0x…>`."""
    return value in _NOTHING or (says_nothing(_unquoted(value)) and not value.isspace())


def _names_something(text: str, rules: Rules) -> bool:
    return bool(_NAME.fullmatch(text)) and (rules.names_secret(text) or is_identity_key(text))


def _unquoted(text: str) -> str:
    """What a repr of a text or of bytes holds: variables of stack frames come so."""
    found = _REPR.fullmatch(text)
    return found[2] if found else text


def _plain(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def _readable(text: str) -> str:
    """The text as the patterns take it: bounded, and without lone surrogates."""
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _hashed(value: str, rules: Rules) -> tuple[str, Found]:
    """An identity as its hash, or removed when there is no key to hash with."""
    if not value or value == FILTERED or is_hashed(value) or value == "{{auto}}":
        return value, []
    if rules.hash_key is None:
        return FILTERED, [("@identity:remove", "x")]
    parts = [part for part in value.split(",") if part.strip()]  # X-Forwarded-For lists several
    return ", ".join(hash_identity(part, rules.hash_key) for part in parts[:10]), [("@identity:hash", "p")]


def _searched(text: str, rules: Rules, sort: int) -> tuple[str, Found]:
    """A text without what looks like a secret in it, however it is written, and what was found."""
    found: Found = []
    for identity in rules.known_identities:
        if identity and identity.casefold() in text.casefold():
            hashed = hash_identity(identity, rules.hash_key) if rules.hash_key else FILTERED
            text = re.sub(re.escape(identity), lambda _: hashed, text, flags=re.IGNORECASE)  # noqa: B023 - used at once
            found.append(("@identity:hash", "p"))
    if not rules.secret_keys and not SUSPICIOUS.search(folded(text)):
        return text, found
    clean, more = _taken_out(folded(text), rules, sort)
    if more:
        text, found = clean, found + more
    for reading in read_otherwise(text):
        clean, more = _taken_out(reading, rules, sort)
        if more:
            return _searched(clean, rules, sort)[0], found + more
    return text, found


def _taken_out(text: str, rules: Rules, sort: int) -> tuple[str, Found]:
    found: Found = []
    for finder in FINDERS:
        if (sort == _VERSION and finder.is_of_ips) or (sort == _SOURCE and finder.is_of_prose):
            continue
        if finder.may_find(text):
            find = source_values if sort == _SOURCE and finder.is_of_values else finder.find
            changed = find(text, rules)
            if changed != text:
                text = changed
                found.append((f"{finder.name}:filter", "s"))
    return text, found
