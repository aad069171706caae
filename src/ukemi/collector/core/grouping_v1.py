"""
Fingerprint version 1: what of an event says which problem it is. Frozen once it is released; a better way is a version 2.

The place of a bug is told by the *text* of the line that failed and by its function. Unlike the file's name, the line's
number and the chain of callers, these stay when the file is moved, lines are added above, a decorator or a task comes
in between; and unlike the function alone, they tell two bugs of one function apart. Where the app's own line raised,
that is all; where a library raised it, many problems share the calling line, so its caller counts as well.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from ukemi.collector.core.ours import is_ours
from ukemi.collector.core.parameters import parameterized
from ukemi.protocol.event import Event, ExceptionValue, Frame

_MAX_FRAMES: Final = 60
_MAX_LINE: Final = 240
_SHORT_LINE: Final = 12
_MAX_CHILDREN: Final = 20
_CALLERS: Final = 2
"""Functions that count where one would not say enough."""


class Part(msgspec.Struct, frozen=True):
    """One thing that counted."""

    kind: str
    """client | rule | type | function | line | name | frame | message | logger | nothing"""
    text: str


class Grouped(msgspec.Struct, frozen=True):
    because: str
    """A sentence or two for the issue page."""
    parts: list[Part]


_GENERATED: Final = [
    (re.compile(r"<locals>\."), ""),
    (re.compile(r"<lambda>(?:\d+)?"), "<lambda>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), ""),
    (re.compile(r"[.-](?=[A-Za-z_]*\d)[A-Za-z0-9_]{8,}(?=\.|$)"), ""),  # app.3f9a01c2.js: the hash of a build
    (re.compile(r"\d{4,}"), "N"),
    # How V8 and its bundlers dress the name of a function.
    (re.compile(r"^(?:async |new |Object\.|Module\.|exports\.|Function\.)+"), ""),
]
_COMPREHENSIONS: Final = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
_NATIVE: Final = {"<anonymous>", "[native code]", "native"}
"""Where V8 and others say that a function of the engine itself stands."""
_ENTRY_POINTS: Final = {"<module>", "main", "_main", "__main__", "amain", "async_main", "run_main", ""}
_PASSES_ON: Final = re.compile(r"\((?:\s*[\w.]+\s*,)*\s*(?:\*\w+\s*,\s*\*\*\w+|\.\.\.\w+)\s*,?\s*\)")
"""`return await function(*args, **kwargs)`: a wrapper."""
_RAISE: Final = re.compile(r"raise|throw")
_SAYS_WHAT: Final = re.compile(
    r"""["'`][^"'`]*[A-Za-z]{3}|^raise[A-Z]\w*(?:\(\))?(?:from\w+)?$|^thrownew[A-Z]\w*(?:\(\))?;?$"""
)
"""The line itself names the problem: by a text, or by a type of its own."""
_NO_CAUSE: Final = {"CancelledError", "GeneratorExit", "StopIteration", "StopAsyncIteration"}
"""How Python itself passes control, so no cause of anything."""
_DATABASE: Final = re.compile(r"^(?:sqlite3|sqlalchemy|psycopg2?|asyncpg|pymysql|MySQLdb|oracledb|django\.db)\b")
_TOO_DEEP: Final = re.compile(r"^(?:RecursionError$|RangeError$|StackOverflowError$)")
_MANGLED: Final = re.compile(r"[\w$]{1,2}")
_MANGLED_IN_MESSAGE: Final = re.compile(
    r"(?<![\w$.'\"])[a-zA-Z_$][\w$]?(?![\w$'])(?=\.|\(| is | of | before|\[|$)|(?<=')[a-zA-Z_$][\w$]?(?=' before)"
)
_IN_QUOTES: Final = re.compile(r"['\"]([A-Za-z_$][\w$]{0,60})['\"]")
_QUOTED: Final = re.compile(r"['\"]([\w$ .-]{1,60})['\"]")
_ADDRESS: Final = re.compile(r"^[a-z-]+://[^/]*|[?#].*$")


def group(event: Event) -> Grouped:
    """What counts for `event`, leaving wishes of app and project aside. Pure; the same event gives the same for ever."""
    thrown = [value for value in event.exceptions if not (value.is_synthetic and event.message)]
    if thrown:
        return _of_exceptions(thrown)
    if event.message:
        text = parameterized(event.template or event.message)
        if len(text.split()) < 3 and event.logger:
            return Grouped("Same message text and same logger.", [Part("message", text), Part("logger", event.logger)])
        return Grouped("Same message text. Numbers, ids and quoted texts in it do not count.", [Part("message", text)])
    return Grouped("The event says nothing that could be compared.", [Part("nothing", event.transaction)])


# --- exceptions, their causes and groups ------------------------------------------------------------------------------


def _of_exceptions(values: Sequence[ExceptionValue]) -> Grouped:
    if any(value.is_group for value in values):
        found = _Tree(values).group()
        if found is not None:
            return found
    return _chain(values, [])


def _chain(values: Sequence[ExceptionValue], outer: list[Frame]) -> Grouped:
    """The last was thrown, those before it are its causes. A cause inside of a library does not count beside our lines."""
    has_ours = any(is_ours(frame) for frame in (*outer, *values[-1].frames))
    count = [
        value
        for value in values
        if value is values[-1]
        or (value.type not in _NO_CAUSE and (not has_ours or any(is_ours(frame) for frame in value.frames)))
    ]
    singles = [_single(value, outer if value is values[-1] else []) for value in count]
    parts = [part for single in singles for part in single.parts]
    because = singles[-1].because
    if len(singles) > 1:
        because += " The same of the exceptions that caused it."
    return Grouped(because, parts)


class _Tree:
    """Exceptions that refer to their parents: groups, and causes inside of groups."""

    def __init__(self, values: Sequence[ExceptionValue]) -> None:
        ids = [value.exception_id for value in values]
        self._values = {value.exception_id: value for value in values if value.exception_id is not None}
        self._is_readable = None not in ids and len(self._values) == len(values) and 0 in self._values
        self._children: dict[int | None, list[ExceptionValue]] = {}
        for value in sorted(self._values.values(), key=lambda value: value.exception_id or 0):
            if not value.exception_id:
                continue
            # A cause follows its parent; sentry-sdk 2.75 says 0 is the parent of all that stand in a group.
            parent = value.parent_id if _is_member(value) else value.exception_id - 1
            if parent is not None and parent < value.exception_id:
                self._children.setdefault(parent, []).append(value)

    def group(self) -> Grouped | None:
        return self._of(self._values[0], [], 0) if self._is_readable else None

    def _of(self, value: ExceptionValue, outer: list[Frame], depth: int) -> Grouped:
        children = self._children.get(value.exception_id, [])[:_MAX_CHILDREN]
        causes = [child for child in children if not _is_member(child)]
        members = [child for child in children if _is_member(child)] if value.is_group and depth < 8 else []
        if members:
            inner = [frame for frame in (*outer, *value.frames) if is_ours(frame)]
            distinct = {tuple(one.parts): one for one in (self._of(child, inner, depth + 1) for child in members)}
            if len(distinct) == 1:
                (only,) = distinct.values()
                return Grouped(f"{only.because} A group that holds only this does not count.", only.parts)
            parts = [part for key in sorted(distinct, key=lambda key: [part.text for part in key]) for part in key]
            return Grouped(
                "The same exceptions in the group, in whatever order and however often.",
                [*parts, Part("type", value.type)],
            )
        line: list[ExceptionValue] = [value]
        while causes and len(line) < _MAX_CHILDREN:
            line.insert(0, causes[0])
            causes = [one for one in self._children.get(causes[0].exception_id, []) if not _is_member(one)]
        return _chain(line, outer)


def _is_member(value: ExceptionValue) -> bool:
    return "[" in value.source or not value.source


# --- one exception ----------------------------------------------------------------------------------------------------


def _single(value: ExceptionValue, outer: list[Frame]) -> Grouped:
    kind = Part("type", value.type or "Error")
    stack = [*outer, *value.frames]
    stack = [frame for frame in stack if frame.filename not in _NATIVE] or stack
    ours = [frame for frame in stack if is_ours(frame)]
    if not stack:
        return Grouped(
            "Same exception type and message; there is no stack trace.",
            [kind, Part("message", parameterized(value.value))],
        )
    frames = _without_wrappers(ours or stack)
    if _is_minified(frames[-1]):
        return _minified(value, kind, frames)
    if _TOO_DEEP.match(value.type) and (cycle := _cycle(frames)):
        return Grouped("Same exception type, and the same functions that call each other without end.", [kind, *cycle])
    if not ours:
        return _foreign(value, kind, stack)
    with_source = [(frame, line) for frame in frames[-8:] if (line := _line(frame))]
    if not with_source:
        return Grouped(
            "Same exception type and same functions of your code in the stack; the client sent no source lines.",
            [kind, *_distinct(_places(frames))],
        )
    crash, line = with_source[-1]
    more = [Part("name", name) for name in _names(value.value, line)]
    if _DATABASE.match(value.module):
        more.append(Part("message", parameterized(value.value, keep_names=True)))
    is_own = is_ours(stack[-1]) and crash is frames[-1]
    functions = _distinct(_functions(frame for frame in frames if frame is crash or _line(frame)))
    if len(line) >= _SHORT_LINE and (_says_what(crash) or (is_own and not _RAISE.match(line))):
        raised = (
            "from the same line of your code"
            if is_own
            else "raised by a library that the same line of your code called"
        )
        return Grouped(
            f"Same exception type, {raised}. Where the line stands, who called it and the values in it do not count."
            + (" What the database said does." if _DATABASE.match(value.module) else ""),
            [kind, *functions[-1:], Part("line", line), *more],
        )
    because = (
        "Same exception type, from the same line of your code, called by the same function."
        if is_own
        else "Same exception type: a library raised it, called by the same line of your code, called by the same function."
    )
    if _DATABASE.match(value.module):
        because += " What the database said counts as well."
    return Grouped(because, [kind, *functions[-_CALLERS:], Part("line", line), *more])


def _foreign(value: ExceptionValue, kind: Part, stack: Sequence[Frame]) -> Grouped:
    """No frame is the app's own, or none is marked so: many problems may share the line that failed, so more callers count."""
    last = _distinct(_places(stack))[-5:]
    line = _line(stack[-1])
    if not line:
        return Grouped(
            "Same exception type and same last functions; none of them is marked as your code.", [kind, *last]
        )
    return Grouped(
        "Same exception type, from the same line, called by the same functions; none of them is marked as your code.",
        [kind, *last, Part("line", line), *(Part("name", name) for name in _names(value.value, line))],
    )


def _names(message: str, line: str) -> list[str]:
    """What the message names of the line itself, such as the key that is missing: it tells two mistakes of one line apart."""
    found = dict.fromkeys(_QUOTED.findall(message[:400]))
    return [name for name in found if f'"{name}"' in line or re.search(rf"\.{re.escape(name)}\b", line)]


def _without_wrappers(frames: Sequence[Frame]) -> list[Frame]:
    """Without decorators' wrappers, entry points and comprehensions, unless nothing else is there."""
    kept: list[Frame] = []
    for frame in frames:
        if frame.function in _COMPREHENSIONS and kept:  # Python 3.12 shows them as their function
            kept[-1] = msgspec.structs.replace(frame, function=kept[-1].function)
        elif not (frame.context_line and _PASSES_ON.search(frame.context_line)):
            kept.append(frame)
    kept = kept or list(frames)
    first = next((index for index, frame in enumerate(kept) if _name(frame) not in _ENTRY_POINTS), len(kept) - 1)
    return kept[first:]


def _cycle(frames: Sequence[Frame]) -> list[Part]:
    """The functions that stand in the stack again and again, in no order: where it breaks off is chance."""
    counts: dict[str, int] = {}
    for frame in frames:
        counts[_name(frame)] = counts.get(_name(frame), 0) + 1
    return [Part("function", name) for name in sorted(counts) if counts[name] > 2 and name]


def _distinct(parts: Iterable[Part]) -> list[Part]:
    """Recursion counts once, through however many functions it goes."""
    return list(dict.fromkeys(reversed(list(parts))))[::-1][-_MAX_FRAMES:]


def _places(frames: Iterable[Frame]) -> list[Part]:
    return [Part("frame", _place(frame)) for frame in frames]


def _functions(frames: Iterable[Frame]) -> list[Part]:
    return [Part("function", _name(frame)) for frame in frames]


def _place(frame: Frame) -> str:
    place = frame.module or _ADDRESS.sub("", frame.filename)
    return f"{_plain(place)} in {_name(frame)}" if frame.function else _plain(place)


@lru_cache(maxsize=8192)
def _plain(name: str) -> str:
    for pattern, replacement in _GENERATED:
        name = pattern.sub(replacement, name)
    return name


def _name(frame: Frame) -> str:
    return _plain(frame.function)


# --- the line ---------------------------------------------------------------------------------------------------------


def _line(frame: Frame) -> str:
    """
    The statement that was running, however it was formatted; "" when the client sent no readable source.

    Formatters break lines, add commas and brackets and change quotes; numbers are often values.
    """
    if not frame.context_line:
        return ""
    return _statement(frame.context_line, tuple(frame.post_context[:6]))[0]


def _says_what(frame: Frame) -> bool:
    return _statement(frame.context_line or "", tuple(frame.post_context[:6]))[1]


@lru_cache(maxsize=8192)
def _statement(first: str, following: tuple[str, ...]) -> tuple[str, bool]:
    """The text, and whether it names the problem by itself."""
    if len(first) > _MAX_LINE or "{snip}" in first or not first.strip():
        return "", False
    text, open_brackets = _squeezed(first)
    for line in following:
        if open_brackets <= 0 or len(text) > _MAX_LINE:
            break
        more, change = _squeezed(line)
        text, open_brackets = text + more, open_brackets + change
    text = re.sub(r",(?=[)\]}])", "", text[:_MAX_LINE])
    return re.sub(r"\d+(?:\.\d+)?", "0", re.sub(r"[()]", "", text)), bool(_SAYS_WHAT.search(text))


_CODE: Final = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<comment>\s*(?:#|//(?=\s)).*)|(?P<space>\s+)|(?P<open>[(\[{])|(?P<close>[)\]}])"""
)


def _squeezed(line: str) -> tuple[str, int]:
    """One line without spaces, comments and kinds of quotes; and how many brackets it leaves open."""
    balance = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal balance
        if match["string"]:
            return f'"{match["string"][1:-1]}"'
        if match["open"] or match["close"]:
            balance += 1 if match["open"] else -1
            return match[0]
        return ""

    return _CODE.sub(replaced, line), balance


# --- minified scripts -------------------------------------------------------------------------------------------------


def _is_minified(frame: Frame) -> bool:
    """Its names were made up by a bundler, so another build has others."""
    if _line(frame):
        return False
    last = frame.function.rpartition(".")[2]
    is_script = frame.filename.partition("?")[0].endswith((".js", ".mjs", ".cjs")) or "://" in frame.filename
    return is_script and ((frame.colno or 0) > 300 or ".min." in frame.filename or bool(_MANGLED.fullmatch(last)))


def _minified(value: ExceptionValue, kind: Part, frames: Sequence[Frame]) -> Grouped:
    """Names of methods and properties survive a bundler, those of functions and variables do not."""
    names = [frame.function.rpartition(".")[2] for frame in frames if frame.function]
    methods = _distinct(Part("function", name) for name in names if len(name) > 2 and "<" not in name)
    text = _IN_QUOTES.sub(r"\1", _MANGLED_IN_MESSAGE.sub("<name>", value.value))
    return Grouped(
        "Same exception type and message, and the same names that survived the bundler; the script is minified.",
        [kind, *methods[-_CALLERS:], Part("message", parameterized(text))],
    )
