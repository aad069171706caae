"""
Values by their keys: `password=…`, `"token": "…"`, `username='…'`.

Keys are found by a pattern and judged by their words; only the value of a key that counts is read, so that a secret
inside the value of another key is found too: `url=https://host/?token=…`.
"""

import re
import string
from typing import Final

import re2

from ukemi.privacy.judging import NO_IDENTITY, OBJECT, PLACEHOLDER, REMOVED, TYPES, is_random, is_telling, judge
from ukemi.privacy.keys import PHRASES, TELLING_STEMS, is_group_key, is_identity_key, is_phrase, words_of
from ukemi.privacy.rules import FILTERED, Rules

_BEHIND_KEY: Final = r"""\\*["']?(?:\[[0-9]*\])?\]?[ \t]*(?:=>|->|!=|[:=]=?=?|%3[DdAa]|;s:[0-9]+:)[ \t]*(?:(?:\r?\n[ \t]*)?string\([0-9]+\) |\r?\n[ \t]*(?:["'{\[]))?"""
"""From a key to its value; PHP tells a text's length between."""
_ANY_KEY: Final = re2.compile(rf"([A-Za-z_][A-Za-z0-9_.-]{{1,63}}){_BEHIND_KEY}")
_FIRST_WORDS: Final = "|".join(sorted({first for first, _ in PHRASES}))
TELLING_KEY: Final = (
    rf"(?i)(?:((?:{'|'.join(TELLING_STEMS)})[a-z0-9_.-]*)|\b(?:{_FIRST_WORDS})[ -]([a-z0-9_.-]+)){_BEHIND_KEY}"
)
"""From within a key that may tell of a secret or an identity to its value: what stands under others needs no look."""
_TELLING_KEY: Final = re2.compile(TELLING_KEY)
_QUOTE_OF_KEY: Final = re.compile(r"""(\\*["'])\s*:""")
_MAX_KEY: Final = 63
_KEY_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "_.-")
_KEY_BEGINNINGS: Final = frozenset(string.ascii_letters + "_")
_QUOTED: Final = re.compile(
    r"""(?s)\\+"(?:[^"\\]|\\[^"])*(?:\\+"|\\*\Z)|\\+'(?:[^'\\]|\\[^'])*(?:\\+'|\\*\Z)|[bfruBFRU]{0,2}"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[bfruBFRU]{0,2}'(?:[^'\\]|\\.)*(?:'|\\?\Z)"""
)
"""Once begun it always ends: texts are cut, so the end of one is the end of a value too. Hence it is linear in Python's re."""
_ANNOTATION: Final = re.compile(
    r"""(?:Optional|Union|Annotated|Final|ClassVar|[A-Za-z_][\w.]*)(?:\[[^\]=]{0,200}\]+)?(?:\s*\|\s*[A-Za-z_][\w.]*)*\s*=(?!=)\s*"""
)
"""`str = ` of `password: str = "…"`: the value stands behind it."""
_PARSED: Final = re.compile(r"[^\s0-9]*(?:\s|\Z)")
"""`Unexpected token: punc ())`: what a parser did not want."""
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
_FURTHER: Final = re.compile(r""",[ \t]*([^\s,;:='"(){}\[\]]{4,})(?=[\s,;]|\Z)""")
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


def values(text: str, rules: Rules) -> str:
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
            if before.group(1).lower() == "unexpected" and _PARSED.match(text, start):
                continue
        if key_start < done or not _is_wanted(key, text, key_start, start, rules):
            continue
        if _FILE.search(key) and text[start : start + 1].isdigit():
            continue  # `tokens.py:42` is a place
        if annotated := _ANNOTATION.match(text, start):
            types = _PATH.findall(annotated.group(0))
            is_annotated = is_source or any(one.lower() in TYPES or one[0].isupper() for one in types)
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
            replacement = judge(key, text[start:end], rules)
            if replacement is not None and (quote := _QUOTE_OF_KEY.match(text, key_end)):
                replacement = f"{quote.group(1)}{replacement}{quote.group(1)}"  # JSON stays JSON
        if replacement is not None:
            parts += [text[done:start], replacement]
            done = _end_of_list(text, end) if replacement == FILTERED and words_of(key)[-1].endswith("s") else end
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
    is_looked_up = bool(_LOOKED_UP.match(text, start)) and not is_random(last)
    is_looked_up = is_looked_up or (is_statement and name.count(".") > 1 and any(map(is_telling, name.split("."))))
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
                replacement = judge(key, literal, rules)
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
    placeless = (_BRACES if literal[0] in "fF" else PLACEHOLDER).sub("", bare)
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
    is_removed = text.startswith(REMOVED, key_start - 1)  # "[email]: mailbox full"
    return is_identity_key(key) and not is_removed and not NO_IDENTITY.match(text, start)


def _end_of_list(text: str, end: int) -> int:
    """`codes: ab12-cd34, ef56-gh78`: behind further values that no sentence would go on with."""
    while (following := _FURTHER.match(text, end)) and is_random(following[1]):
        end = following.end()
    return end


def _end_of_value(text: str, start: int) -> int:
    """Before the first delimiter behind its quotes and brackets: `'…'`, `SecretStr('…')`, `{"a": ["…"]}`."""
    if shown := OBJECT.match(text, start):
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
