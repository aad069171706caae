"""
User names: what was typed into a form comes back in messages and variables, where nothing tells that it is one.

So a name that stands under its key goes wherever it stands in the same tree.
"""

import re
from collections.abc import Callable, Collection, Mapping
from itertools import count
from typing import Any, Final

from ukemi.privacy.identity import hash_identity, is_hashed
from ukemi.privacy.keys import is_user_name_key
from ukemi.privacy.rules import FILTERED, Rules

Place = tuple[Any, str] | None
"""Where a value stands: the place of its container, and its name there; None is the root."""
Note = Callable[[Place, str, str, object], None]
"""Takes a remark: place, rule, kind, and the value that was changed."""

MAX_NAMES: Final = 20
_MIN_NAME: Final = 3
"""Shorter names would be found inside of ordinary words."""
_MAX_NAME: Final = 100
_NOT_NAMES: Final = frozenset(
    {"none", "null", "true", "false", "undefined", "anonymous", "unknown", "user", "username"}
)
_MAX_DEPTH: Final = 100
_IDS: Final = frozenset({"event_id", "trace_id", "span_id", "parent_span_id", "profiler_id", "replay_id"})
_HEX: Final = re.compile(r"[0-9a-fA-F-]{1,64}")
_PROTOCOL: Final = frozenset(
    "type level platform timestamp start_timestamp received release environment dist server_name sdk logger transaction transaction_info "
    "exception threads stacktrace frames values value mechanism handled filename abs_path function module lineno colno in_app vars "
    "pre_context context_line post_context message logentry formatted params request url method headers query_string cookies data env user "
    "id email username ip_address role tier contexts trace runtime browser os device response op status description origin tags extra "
    "modules breadcrumbs category spans measurements fingerprint errors debug_meta name version packages integrations items attributes "
    "payload body trace_id span_id parent_span_id event_id".split()
)
"""Keys of the protocol. Whoever calls himself `exception` must not make his errors unreadable."""
_FRAMES: Final = [(what, "values", "stacktrace", "frames") for what in ("exception", "threads")]
_CODE: Final = "module function filename abs_path pre_context context_line post_context"
_OF_THE_APP: Final = frozenset(
    [
        *((key,) for key in "_meta type level platform timestamp start_timestamp release environment dist sdk".split()),
        *(("exception", "values", key) for key in ("type", "module")),
        *((*frames, key) for frames in _FRAMES for key in _CODE.split()),
    ]
)
"""What stands there is of the app or its code, and issues and alerts go by it: nobody's name is in it."""
_TAKEN_BEFORE: Final = r"hmac:[0-9a-f]{4}:[0-9a-f]{20}|\[Filtered\]|\[email\]|\[ip\]"


def is_id_name(key: str) -> bool:
    return key in _IDS


def is_id(key: str, text: str) -> bool:
    """Whether a text is an id of the protocol: hex digits under such a name. Nobody looks into them."""
    return key in _IDS and _HEX.fullmatch(text) is not None


def user_name(text: str) -> str | None:
    """The name in a text that stands under the key of one; None when it holds none."""
    # Variables of stack frames come as reprs: 'bob'.
    name = text.strip().strip("'\"")
    is_name = name.lower() not in _NOT_NAMES and name != FILTERED and not is_hashed(name)
    return name if is_name and _MIN_NAME <= len(name) <= _MAX_NAME else None


def collect(value: Any, found: set[str], depth: int = 0) -> None:
    """Add the user names that stand under their key anywhere in `value`."""
    if depth > _MAX_DEPTH or len(found) >= MAX_NAMES:
        return
    if isinstance(value, Mapping):
        for key, entry in value.items():
            kind = type(entry)
            if kind is not str:
                collect(entry, found, depth + 1)
            elif isinstance(key, str) and is_user_name_key(key) and (name := user_name(entry)):
                found.add(name)
    elif isinstance(value, list | tuple):
        for entry in value:
            if type(entry) is not str:
                collect(entry, found, depth + 1)


def without_names(tree: Any, names: Collection[str], rules: Rules, note: Note) -> Any:
    """
    A scrubbed tree without `names`, in whatever case they are written; the same object when none stands in it.

    Args:
        tree: mappings, lists and scalars of JSON.
    """
    texts: list[str] = []
    _gather(tree, texts)
    everything = "\n".join(texts).casefold()
    present = [name for name in names if name and name.casefold() in everything]
    return _Taking(present, rules, note).put(tree, (), None) if present else tree


def _gather(value: Any, texts: list[str]) -> None:
    """All texts of a tree."""
    kind = type(value)
    if kind is str:
        texts.append(value)
    elif kind is dict or kind is list:
        if kind is dict:
            texts.extend(value)
            value = value.values()
        for entry in value:
            if type(entry) is str:
                texts.append(entry)
            elif entry:  # not an empty one, and no None
                _gather(entry, texts)


class _Taking:
    """One pass that takes names out."""

    def __init__(self, names: list[str], rules: Rules, note: Note) -> None:
        self._folded = [name.casefold() for name in names]
        longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._pattern = re.compile(rf"({_TAKEN_BEFORE})|{longest_first}", re.IGNORECASE)
        self._key, self._note = rules.hash_key, note

    def put(self, value: Any, path: tuple[str, ...], place: Place) -> Any:
        """
        Args:
            path: the keys down to the value; a list has none of its own.
        """
        kind = type(value)
        if path in _OF_THE_APP:
            return value
        if kind is dict:
            return self._mapping(value, path, place)
        if kind is list:
            return [self.put(entry, path, (place, str(index))) for index, entry in enumerate(value)]
        if kind is not str or (path and is_id(path[-1], value)):
            return value
        taken = self._taken(value)
        if taken != value:
            self._note(place, "@identity:hash", "p", value)
        return taken

    def _mapping(self, value: dict[str, Any], path: tuple[str, ...], place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, entry in value.items():
            shown = name if name in _PROTOCOL else self._taken(name)
            if shown != name:
                shown = unused(shown, result)
                self._note((place, shown), "@identity:hash", "p", name)
            result[shown] = self.put(entry, (*path, name), (place, shown))
        return result

    def _taken(self, text: str) -> str:
        folded = text.casefold()
        if not any(name in folded for name in self._folded):
            return text
        return self._pattern.sub(self._hashed, text)

    def _hashed(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[0]
        return hash_identity(match[0], self._key) if self._key else FILTERED


def unused(key: str, known: Collection[str]) -> str:
    """The key, numbered when it is there already: two addresses as keys may look alike without what was taken."""
    return key if key not in known else next(other for n in count(2) if (other := f"{key} ({n})") not in known)
