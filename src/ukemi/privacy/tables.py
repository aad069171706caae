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


_COLUMN: Final = re.compile(r"""\s*["'`]?([A-Za-z_][\w .-]{0,60}?)["'`]?\s*""", re.ASCII)
_RULE: Final = re.compile(r"[-+|:= \t]*[-=][-+|:= \t]*")
"""What some draw below the head of a table."""
_SEPARATORS: Final = (",", ";", "\t", "|")
_MAX_LINES: Final = 2000


def columns(text: str, rules: Rules) -> str:
    """Values below a line of names: CSV, and tables as databases and Markdown draw them."""
    lines = text.split("\n")
    if len(lines) < 2 or len(lines) > _MAX_LINES:
        return text
    head: list[str] | None = None
    separator = ""
    for at, line in enumerate(lines):
        cells = line.split(separator) if head else []
        if head and len(cells) == len(head):
            lines[at] = separator.join(
                _cell(name, cell, rules) if name else cell for name, cell in zip(head, cells, strict=True)
            )
        elif not (head and _RULE.fullmatch(line)):
            separator, head = _head(line, rules)
    return "\n".join(lines)


def _head(line: str, rules: Rules) -> tuple[str, list[str] | None]:
    """What separates the names in a line, and those that tell of a secret, each in its place; None for another line."""
    for separator in _SEPARATORS:
        cells = line.split(separator)
        if len(cells) < 2 or len(cells) > 200:
            continue
        names = [found.group(1) if (found := _COLUMN.fullmatch(cell)) else None for cell in cells]
        is_drawn = separator == "|" and not cells[0].strip() and not cells[-1].strip()
        if all(names[1:-1] if is_drawn else names):
            wanted = [name if name and len(name.split()) < 4 and rules.names_secret(name) else "" for name in names]
            return (separator, wanted) if any(wanted) else ("", None)
    return "", None


def _cell(name: str, cell: str, rules: Rules) -> str:
    value = cell.strip()
    replacement = judge(name, value, rules) if value else None
    return cell if replacement is None else cell.replace(value, replacement, 1)


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
