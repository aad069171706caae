"""
Messages without their changing parts: `order 4711 not found` and `order 12 not found` are one text.

Part of fingerprint version 1, and frozen with it.
"""

import re
from typing import Final

MAX_MESSAGE: Final = 1000

# What changes between two occurrences of one problem, most specific first.
_PARAMETERS: Final = [
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"), "<email>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)]+"), "<url>"),
    (re.compile(r"\bhmac:[0-9a-f]+:[0-9a-f]+\b|\[Filtered\]"), "<hash>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b"), "<date>"),
    (re.compile(r"\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b"), "<time>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b"), "<ip>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{16,}\b"), "<hex>"),
    # cus_9s6XKzkNRiz8i3, pi_3MtwBwLkdIwHu7ix, usr-20417
    (re.compile(r"\b[A-Za-z]{2,12}[_-](?=[A-Za-z]*\d)[A-Za-z0-9]{6,}\b"), "<id>"),
    (re.compile(r"(?<![\w'\"/])(?:/[\w.@+~-]+){2,}/?"), "<path>"),
    # A quote inside of a word is an apostrophe.
    (re.compile(r"(?<![A-Za-z0-9])[bu]?'[^'\n]{1,200}'(?![A-Za-z0-9])"), "<text>"),
    (re.compile(r'(?<![A-Za-z0-9])[bu]?"[^"\n]{1,200}"(?![A-Za-z0-9])'), "<text>"),
    (re.compile(r"(?<![\w=<>!])([A-Za-z_]\w*)=(?!=)(?!<)[^\s,;)\]}]+"), r"\1=<value>"),
    # Few digits at the end of a word belong to it: utf8, sha256; many are a number that somebody gave: ORD20417.
    (re.compile(r"(?<![A-Za-z\d])[-+]?\d[\d_,]*(?:\.\d+)?(?:e[-+]?\d+)?|\d{4,}", re.IGNORECASE), "<number>"),
    # As many as there happened to be: [1, 2, 3] is [1, 2].
    (re.compile(r"<(\w+)>(?:(?:, ?|; ?| |: ?|/|x)<\1>)+"), r"<\1>"),
    (re.compile(r"\b(error|item|row|time|attempt|second|minute|hour|day|byte|field|record)s\b"), r"\1"),
]
_NAME_IN_QUOTES: Final = re.compile(r"['\"`]([A-Za-z][A-Za-z0-9]*(?:[_.][A-Za-z0-9]+)+)['\"`]")
"""A name with an underscore or a dot is a constraint, a column or a module rather than a value."""


def parameterized(message: str, *, keep_names: bool = False) -> str:
    """
    The first line of a message with its changing parts replaced by what they are: `<number>`, `<uuid>` …

    Args:
        keep_names: quoted names such as "member_email_key" stay.
    """
    text = message.strip().split("\n", 1)[0][:MAX_MESSAGE]
    if keep_names:
        text = _NAME_IN_QUOTES.sub(r"\1", text)
    for pattern, name in _PARAMETERS:
        text = pattern.sub(name, text)
    return text
