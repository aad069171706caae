"""The engine: walks every value of a tree and returns a new tree without secrets. Never changes its argument."""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, compress, count, islice
from typing import Any, Final

from ukemi.privacy.identity import hash_identity, is_hashed
from ukemi.privacy.judging import is_tally, says_nothing
from ukemi.privacy.keys import is_group_key, is_identity_key, is_secret_key, is_user_name_key, words_of
from ukemi.privacy.memory import STANDING, Clean, Plain, memory_for
from ukemi.privacy.names import MAX_NAMES, Place, collect, is_id, is_id_name, unused, user_name, without_names
from ukemi.privacy.patterns import FINDERS, SUSPICIOUS, in_command, signed
from ukemi.privacy.readings import folded, read_otherwise
from ukemi.privacy.rules import FILTERED, Rules
from ukemi.privacy.shapes import is_card_number
from ukemi.privacy.templates import PARAMETER, TEMPLATE, telling_places
from ukemi.privacy.values import source_values

Remarks = dict[str, Any]
"""In the shape of Sentry's `_meta`: mirrors the tree; at each place the key "" says what was done there."""

Found = list[tuple[str, str]]
"""Rule and kind of what was found in a text."""

_REPR: Final = re.compile(r"""b?(['"])(.*)\1""")
_WHOLE_REPR: Final = re.compile(r"""(?s)b?(?:"(?P<a>(?:[^"\\]|\\.)*)"|'(?P<b>(?:[^'\\]|\\.)*)')""")
_LINE_ENDS: Final = (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"))
_MAX_NAME: Final = 110
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
_MAX_DEPTH: Final = 100
_MIN_COPY_DEPTH: Final = 4
"""What is equal stands deeper, in the variables of frames; what stands in each event, such as `sdk`, higher."""
_DIGITS: Final = frozenset("0123456789")
_HARMLESS: Final = re.compile(
    r"[0-9]{1,8}|[0-9]{1,2}\.[0-9]{1,6}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
)
"""Small numbers and times never come twice, and hold nothing that the patterns could find."""
_OPTION_SIGNS: Final = ("-", "'-")
_BETWEEN_ARGUMENTS: Final = "\f"
"""A space to the patterns, and in no argument."""
_LEAST_PUT_IN: Final = 5
"""Shorter ones stand in other words, too."""
_MAX_PUT_IN: Final = 100
_LEAST_CARD: Final = 10**12
"""Card numbers have 13 digits or more."""
_TEXT: Final = 0
_VERSION: Final = 1
"""A text without addresses: `1.2.3.4` is a version there."""
_SOURCE: Final = 2
"""A line of source code: names secrets without holding them."""
_NAME_ENTRIES: Final = frozenset({"name", "key", "field", "header", "loc", "path", "param", "property"})
_VALUE_ENTRIES: Final = frozenset({"value", "input", "received", "content", "default", "val"})
"""Names of the two halves where a pair is written as a mapping."""
_SOURCE_KEYS: Final = frozenset({"context_line", "pre_context", "post_context"})


@dataclass(slots=True)
class _SetAside:
    """A text that waits to be searched."""

    into: Any
    at: Any
    text: str
    sort: int
    place: Place
    is_clean: bool = True
    was_suspicious: bool = False


_Walked = tuple[Any, Any, Place, int]
"""A mapping or list, what became of it, its place and depth."""


@dataclass(frozen=True)
class Scrubbed:
    tree: Any
    """The new tree: objects, lists, texts, numbers, booleans, null."""
    remarks: Remarks
    """Empty when nothing was taken."""


def scrub(tree: object, rules: Rules, *, finds_names: bool = False) -> Scrubbed:
    """
    Take secrets out of `tree`.

    Mappings, lists, tuples, sets, texts, bytes and numbers are looked into; any other object becomes its scrubbed repr.
    Doing it twice changes nothing more.

    Args:
        finds_names: user names that stand under their key in the tree go wherever they stand in it, as those do that the
            rules know.
    """
    walk = _Walk(rules)
    root: list[Any] = [None]
    walk.put(root, 0, tree, "", None, 0)
    walk.search()
    clean = root[0]
    if names := rules.known_identities | walk.names if finds_names else rules.known_identities:
        clean = without_names(clean, names, rules, walk.note)
    return Scrubbed(clean, walk.remarks)


def scrub_text(text: str, rules: Rules) -> str:
    """Running text without what looks like a secret."""
    clean = _searched(_readable(text), rules, _TEXT)[0]
    return str(without_names(clean, rules.known_identities, rules, lambda *_: None))


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
        self._last: dict[str, _Walked] = {}
        self._copies: list[tuple[Place, Place]] = []
        self.names: set[str] = set()
        """User names that stood under their key."""
        self._standing: list[tuple[str, Any, Any]] = []
        self._lists_keys = bool(rules.secret_keys)
        self._memory = memory_for(rules)

    def put(self, into: Any, at: Any, value: Any, key: str, place: Place, depth: int) -> None:
        """
        Set `into[at]` to `value` without secrets.

        Args:
            key: the name that the value stands under; of a list's entry, the list's.
            place: of the value, for remarks.
        """
        kind = type(value)  # exact types first: they are nearly all; asking for abstract ones costs ten times as much
        if depth > _MAX_DEPTH:
            into[at] = "<nested too deep>"
        elif value is None or kind is bool:
            into[at] = value
        elif key and self._judges(key) and self._is_judged(into, at, value, key, place):
            pass
        elif kind is str:
            into[at] = value
            if not is_id(key, value):
                self._set_aside(into, at, value, _sort_of(key), place)
        elif kind is dict or isinstance(value, Mapping):
            into[at] = self._mapping(value, key, place, depth)
        elif kind is list or isinstance(value, list | tuple | set | frozenset):
            into[at] = self._list(list(value), key, place, depth)
        elif isinstance(value, float):
            into[at] = value
            if value >= _LEAST_CARD and value.is_integer():
                self._put_number(into, at, int(value), place)
        elif isinstance(value, int):
            into[at] = value
            if value >= _LEAST_CARD:
                self._put_number(into, at, value, place)
        else:
            into[at] = text = _plain(value) if isinstance(value, _TEXTS) else repr(value)
            self._set_aside(into, at, text, _TEXT, place)

    def search(self) -> None:
        """Take secrets out of the texts that were set aside. One that stands in many places is searched once."""
        searched: dict[tuple[int, str], tuple[str, Found]] = {}
        for index in _suspicious([one.text for one in self._texts], self._rules) if self._texts else ():
            one = self._texts[index]
            key = (one.sort, one.text)
            if key not in searched:
                searched[key] = _cleaned(one.text, self._rules, one.sort)
            one.into[one.at], found = searched[key]
            for rule, kind in found:
                self.note(one.place, rule, kind, one.text)
            one.is_clean, one.was_suspicious = not found, True
        for one in self._texts:
            if one.is_clean:
                self._memory.note_clean(one.sort, one.text, was_suspicious=one.was_suspicious)
        for name, value, clean in self._standing:
            if clean == value:
                self._memory.note_standing(name, clean)
        self._note_copies()

    def _is_judged(self, into: Any, at: Any, value: Any, key: str, place: Place) -> bool:
        """Whether the key alone decides; then it is done."""
        rules = self._rules
        if type(value) is str and is_user_name_key(key) and len(self.names) < MAX_NAMES and (name := user_name(value)):
            self.names.add(name)
        is_secret = is_secret_key(key) and key not in rules.safe_keys
        is_group = is_secret and isinstance(value, Mapping) and is_group_key(key)
        if (is_secret and not is_group) or rules.is_listed(key):
            is_count = isinstance(value, int | float) and ("token" in words_of(key)[-1] or is_tally(key, str(value)))
            is_count = is_count or (isinstance(value, str) and value.isdigit() and words_of(key)[-1] == "tokens")
            if value in ("", [], {}) or value == FILTERED or is_count:
                into[at] = value
            elif isinstance(value, str) and _stands_for_nothing(value):
                return False
            else:
                collect(value, self.names)  # what is taken as a whole is not walked
                into[at] = FILTERED
                self.note(place, "@password:filter", "s", value)
            return True
        if isinstance(value, str | bytes) and is_identity_key(key):
            text = _plain(value)
            hashed = (_known if len(text) <= _MAX_NAME else _hashed)(text, rules.hash_key)
            if hashed is None:
                return False
            into[at], found = hashed
            for rule, kind in found:
                self.note(place, rule, kind, value)
            return True
        return False

    def _judges(self, key: str) -> bool:
        """Whether a key may decide about its value."""
        return _names(key) or (self._lists_keys and self._rules.is_listed(key))

    def _put_number(self, into: Any, at: Any, value: int, place: Place) -> None:
        if is_card_number(str(value)):
            into[at] = FILTERED
            self.note(place, "@creditcard:filter", "s", value)

    def _set_aside(self, into: Any, at: Any, text: str, sort: int, place: Place) -> None:
        if text in self._memory.clean[sort] or (text[:1] in _DIGITS and _HARMLESS.fullmatch(text)):
            return
        readable = _readable(text)
        into[at] = readable
        self._texts.append(_SetAside(into, at, readable, sort, place))

    def _mapping(self, value: Mapping[Any, Any], key: str, place: Place, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        sort = _sort_of(key)
        if not _VALUE_ENTRIES.isdisjoint(value):
            value = self._named_beside(value, place)
        if "params" in value or TEMPLATE in value:
            value = self._without_parameters(value, place)
        # Nearly all entries are scalars under keys seen before: they are told apart right here (benchmarks/scrub.py).
        plain: Plain = self._memory.plain[sort] if depth < _MAX_DEPTH else {}
        for raw_name, entry in value.items():
            clean = plain.get(raw_name)
            if clean is None or raw_name in result:
                self._entry(result, raw_name, entry, sort, place, depth)
            elif (kind := type(entry)) is str:
                result[raw_name] = entry
                if entry not in clean:
                    self._set_aside(result, raw_name, entry, _sort_of(raw_name), (place, raw_name))
            elif entry is None or kind is bool or (kind is int and entry < _LEAST_CARD):
                result[raw_name] = entry
            elif kind is dict or kind is list:
                if not entry:
                    result[raw_name] = kind()
                elif depth >= _MIN_COPY_DEPTH:
                    result[raw_name] = self._again(entry, raw_name, (place, raw_name), depth + 1)
                elif raw_name in STANDING:
                    result[raw_name] = self._stands(entry, raw_name, (place, raw_name), depth + 1)
                elif kind is dict:
                    result[raw_name] = self._mapping(entry, raw_name, (place, raw_name), depth + 1)
                else:
                    result[raw_name] = self._list(entry, raw_name, (place, raw_name), depth + 1)
            else:
                self.put(result, raw_name, entry, raw_name, (place, raw_name), depth + 1)
        return result

    def _again(self, value: Any, key: str, place: Place, depth: int) -> Any:
        """
        A mapping or list without secrets; the one that stood under `key` last is not walked again when this one equals it.

        Frames that call each other show the same request in their variables.
        """
        last = self._last.get(key)
        if last is not None and last[0] == value and type(last[0]) is type(value) and depth <= last[3]:
            self._copies.append((place, last[2]))
            return last[1]
        clean = self._mapping(value, key, place, depth) if type(value) is dict else self._list(value, key, place, depth)
        self._last[key] = (value, clean, place, depth)
        return clean

    def _stands(self, value: Any, key: str, place: Place, depth: int) -> Any:
        """A mapping or list without secrets; what a process says of itself in each event is not walked each time."""
        if value in self._memory.standing[key]:
            return value
        clean = self._mapping(value, key, place, depth) if type(value) is dict else self._list(value, key, place, depth)
        self._standing.append((key, value, clean))
        return clean

    def _named_beside(self, value: Mapping[Any, Any], place: Place) -> Mapping[Any, Any]:
        """The mapping without a value that another entry names: `{"key": "api_key", "value": "…"}`, a validation error."""
        for entry in _VALUE_ENTRIES.intersection(value):
            names = [value[name] for name in _NAME_ENTRIES.intersection(value)]
            named = [one[-1] if isinstance(one, list | tuple) and one else one for one in names]
            if value[entry] != FILTERED and any(
                isinstance(one, str) and self._rules.names_secret(_unquoted_name(one)) for one in named
            ):
                self.note((place, entry), "@password:filter", "s", value[entry])
                value = {**value, entry: FILTERED}
        return value

    def _without_parameters(self, value: Mapping[Any, Any], place: Place) -> Mapping[Any, Any]:
        """A log entry, or the attributes of a log, without the parameters that its template tells are secret."""
        template, parameters = value.get(TEMPLATE, value.get("message")), value.get("params")
        if isinstance(template, Mapping):
            template = template.get("value")  # an attribute with its type
        if not isinstance(template, str) or parameters in ([], ()):
            return value
        telling = telling_places(template, lambda text: _searched(text, self._rules, _TEXT)[0])
        if isinstance(parameters, list | tuple):
            wanted = [str(at) in telling for at in range(len(parameters))]
            for at in compress(count(), wanted):
                self.note(((place, "params"), str(at)), "@password:filter", "s", parameters[at])
            left = [FILTERED if is_one else one for one, is_one in zip(parameters, wanted, strict=True)]
            return self._without_in_text({**value, "params": left}, compress(parameters, wanted), place)
        if isinstance(parameters, dict):
            telling |= {name for name in parameters if isinstance(name, str) and self._rules.names_secret(name)}
            secrets = [parameters[name] for name in parameters.keys() & telling]
            named = self._without(parameters, telling, (place, "params"))
            return self._without_in_text({**value, "params": named}, secrets, place)
        return self._without(value, {f"{PARAMETER}{name}" for name in telling}, place)

    def _without_in_text(self, value: dict[Any, Any], secrets: Iterable[Any], place: Place) -> dict[Any, Any]:
        """The log entry without the secrets among its parameters where they were put into its text."""
        text = value.get("formatted")
        if not isinstance(text, str):
            return value
        for secret in islice(secrets, _MAX_PUT_IN):
            if isinstance(secret, str) and len(secret) >= _LEAST_PUT_IN and secret in text:
                self.note((place, "formatted"), "@password:filter", "s", text)
                text = text.replace(secret, FILTERED)
        return {**value, "formatted": text}

    def _without(self, value: Mapping[Any, Any], names: Collection[str], place: Place) -> Mapping[Any, Any]:
        """The mapping without the values of these names."""
        for name in value.keys() & names:
            self.note((place, name), "@password:filter", "s", value[name])
            value = {**value, name: FILTERED}
        return value

    def _entry(self, result: dict[str, Any], raw_name: Any, entry: Any, sort: int, place: Place, depth: int) -> None:
        """An entry of a mapping under a key that may hold something, or judge its value."""
        name = raw_name if isinstance(raw_name, str) else _plain(raw_name)
        if type(entry) is str and is_id(name, entry) and name not in result:
            result[name] = entry
            return
        if name == "_meta" and depth == 0:
            result[name] = entry
            return
        shown = name
        if name not in self._memory.clean[sort]:
            shown, found = _searched(_readable(name), self._rules, sort)
            if not found:
                self._memory.note_clean(sort, name, was_suspicious=False)
            for rule, kind in found:
                self.note((place, shown), rule, kind, name)
        if shown is name and name != "_meta" and not is_id_name(name) and not self._judges(name):
            self._memory.note_plain(sort, name, _sort_of(name))
        shown = unused(shown, result)
        self.put(result, shown, entry, name, (place, shown), depth + 1)

    def _list(self, value: list[Any], key: str, place: Place, depth: int) -> list[Any]:
        result: list[Any] = [None] * len(value)
        # A pair such as ["Authorization", "Bearer …"] of a header list: the first names the second.
        is_pair = (
            len(value) == 2 and isinstance(value[0], str | bytes) and not isinstance(value[1], list | dict | tuple)
        )
        if key not in _SOURCE_KEYS and any(type(entry) is str and entry.startswith(_OPTION_SIGNS) for entry in value):
            value = self._command(value, place)
        named = _name_in(_plain(value[0]), self._rules) if is_pair else ""
        judges = named or (key and self._judges(key)) or depth >= _MAX_DEPTH
        clean: Clean = {} if judges else self._memory.clean[_sort_of(key)]
        option = ""
        for index, entry in enumerate(value):
            kind = type(entry)
            if kind is str:
                if not option and entry in clean:
                    result[index] = entry
                else:
                    name = (named if index else "") or option or key
                    self.put(result, index, entry, name, (place, str(index)), depth + 1)
                # ["--password", "…"] of a command line
                option = _name_in(_unquoted(entry).lstrip("-"), self._rules) if entry.startswith(_OPTION_SIGNS) else ""
                continue
            if kind is list and depth < _MAX_DEPTH:
                result[index] = self._list(entry, "", (place, str(index)), depth + 1)
            elif kind is dict and depth < _MAX_DEPTH:
                result[index] = self._mapping(entry, "", (place, str(index)), depth + 1)
            else:
                is_group = isinstance(entry, list | tuple | Mapping)
                name = "" if is_group else (named if index else "") or option or key
                self.put(result, index, entry, name, (place, str(index)), depth + 1)
            option = ""
        return result

    def _command(self, arguments: list[Any], place: Place) -> list[Any]:
        """The arguments of a command without the secrets that only the tool's own options tell: `["mysql", "-phunter2"]`."""
        if not all(type(one) is str for one in arguments):
            return arguments
        line = _BETWEEN_ARGUMENTS.join(arguments)
        left = in_command(line, self._rules).split(_BETWEEN_ARGUMENTS)
        if len(left) != len(arguments):
            return arguments
        for index, (before, after) in enumerate(zip(arguments, left, strict=True)):
            if before != after:
                self.note((place, str(index)), "@password:filter", "s", before)
        return left

    def _note_copies(self) -> None:
        """What equals another value has the same remarks."""
        known: dict[int, Remarks | None] = {}
        for place, like in self._copies if self.remarks else ():
            if id(like) not in known:
                noted: Remarks | None = self.remarks
                for name in _path(like):
                    noted = noted.get(name) if noted else None
                known[id(like)] = noted
            if noted := known[id(like)]:
                *parents, last = _path(place)
                remarks = self.remarks
                for name in parents:
                    remarks = remarks.setdefault(name, {})
                remarks[last] = noted

    def note(self, place: Place, rule: str, kind: str, value: object) -> None:
        """Kinds: s substituted, x removed, p pseudonymised."""
        remarks = self.remarks
        for name in _path(place):
            remarks = remarks.setdefault(name, {})
        entry = remarks.setdefault("", {"rem": []})
        if len(entry["rem"]) < 10 and not any(old[0] == rule for old in entry["rem"]):
            entry["rem"].append([rule, kind])
        if isinstance(value, str):
            entry.setdefault("len", len(value))


def _path(place: Place) -> list[str]:
    """The names from the root to a place."""
    path: list[str] = []
    while place is not None:
        place, name = place
        path.append(name)
    return path[::-1]


def _suspicious(texts: list[str], rules: Rules) -> Iterable[int]:
    """Which of the texts the patterns must see."""
    if rules.secret_keys:
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
    """Whether a key names a secret or an identity."""
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


def _name_in(text: str, rules: Rules) -> str:
    """The key that a text is, or its repr, when such a key judges what stands beside it; else ""."""
    name = _unquoted_name(text)
    return name if name and (rules.names_secret(name) or is_identity_key(name)) else ""


@lru_cache(maxsize=8192)
def _unquoted_name(text: str) -> str:
    """`Authorization` of "Authorization", "b'Authorization'"; "" for what cannot be a key."""
    name = _unquoted(text) if len(text) <= _MAX_NAME else ""
    return name if _NAME.fullmatch(name) else ""


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


def _hashed(value: str, key: bytes | None) -> tuple[str, Found] | None:
    """An identity as its hash, or removed when there is no key to hash with; None when the value stands for nothing."""
    if _stands_for_nothing(value):
        return None
    if not value or value == FILTERED or is_hashed(value) or value == "{{auto}}":
        return value, []
    if key is None:
        return FILTERED, [("@identity:remove", "x")]
    parts = [part for part in value.split(",") if part.strip()]  # X-Forwarded-For lists several
    return ", ".join(hash_identity(part, key) for part in parts[:10]), [("@identity:hash", "p")]


_known: Final = lru_cache(maxsize=2048)(_hashed)
"""The same people come again."""


def _searched(text: str, rules: Rules, sort: int) -> tuple[str, Found]:
    """A text without what looks like a secret in it, however it is written, and what was found."""
    if not rules.secret_keys and not SUSPICIOUS.search(folded(text)):
        return text, []
    return _cleaned(text, rules, sort)


def _cleaned(text: str, rules: Rules, sort: int) -> tuple[str, Found]:
    """The same for a text that is suspicious."""
    found: Found = []
    if quoted := _WHOLE_REPR.fullmatch(text):
        clean, more = _searched(_lines_of(quoted["a"] or quoted["b"] or ""), rules, sort)
        if more:
            quote = text[-1]
            text, found = f"{'b' * (text[0] == 'b')}{quote}{_repr_of(clean)}{quote}", found + more
        return text, found
    clean, more = _taken_out(folded(text), rules, sort)
    if more:
        text, found = clean, found + more
    for reading in read_otherwise(text):
        clean, more = _taken_out(reading, rules, sort)
        if more:
            return _searched(clean, rules, sort)[0], found + more
    return text, found


def _lines_of(inner: str) -> str:
    """What a repr shows, with its lines as lines: a table's, a block's."""
    for escape, meant in _LINE_ENDS:
        inner = inner.replace(escape, meant)
    return inner


def _repr_of(lines: str) -> str:
    for escape, meant in _LINE_ENDS:
        lines = lines.replace(meant, escape)
    return lines


def _taken_out(text: str, rules: Rules, sort: int) -> tuple[str, Found]:
    found: Found = []
    numbers = signed(text)
    for number, finder in enumerate(FINDERS):
        is_wanted = number in numbers or (finder.is_of_values and rules.secret_keys)  # the user's keys bear no sign
        if not is_wanted or (sort == _VERSION and finder.is_of_ips) or (sort == _SOURCE and finder.is_of_prose):
            continue
        find = source_values if sort == _SOURCE and finder.is_of_values else finder.find
        changed = find(text, rules)
        if changed != text:
            text, numbers = changed, signed(changed)
            found.append((f"{finder.name}:filter", "s"))
    return text, found
