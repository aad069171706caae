"""Values by the names of their columns, which stand once before them."""

import re
from typing import Final

from ukemi.privacy.judging import judge
from ukemi.privacy.rules import Rules

_NAMES_THEN_VALUES: Final = re.compile(r"(?i)\(([^()]{2,2000})\)\s*(?:values\s*|=\s*)(?=\()")
"""`(name, password) VALUES (…), (…)`, and `Key (email)=(…)` of PostgreSQL's own messages."""
_SQL_NAME: Final = re.compile(r":\w+|[a-z_]+\(\)|(?i:default)")
_NEXT_ROW: Final = re.compile(r"\s*,\s*(?=\()")
_SQL_VALUE: Final = re.compile(
    r"""\s*((?:[NEnebxBX]?'(?:[^'\\]|''|\\.)*(?:'|\Z))|\\?"(?:[^"\\]|\\.)*\\?"|[^,()']*)\s*(,|\)|\Z)"""
)


def rows(text: str, rules: Rules) -> str:
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
                replacement = judge(name, value.group(1).strip(), rules) if value.group(1) else None
                if replacement is not None and not _SQL_NAME.fullmatch(value.group(1).strip()):
                    parts += [text[done : value.start(1)], replacement]
                    done = value.end(1)
                at = value.end()
                if value.group(2) != ",":
                    break
            following = _NEXT_ROW.match(text, at)
            at = following.end() if following else len(text)
    return "".join([*parts, text[done:]])
