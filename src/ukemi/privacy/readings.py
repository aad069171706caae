"""Other readings of a text: what it says once its escapes and its odd spaces are read as they are meant."""

import html
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

_MAX_READINGS: Final = 4
"""Escapes within escapes (`%2540`) so deep."""
_ESCAPE: Final = re.compile(r"\\+(?:u((?![dD][89a-fA-F])[0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([nrt]))")
_WHITE: Final = {"n": "\n", "r": "\n", "t": "\t"}
_URL_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_FORM_SPACE: Final = re.compile(r"(?<=[0-9A-Za-z-])\+(?=[0-9A-Za-z-])")
_FOLDS: Final[dict[int, str]] = {
    **dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000), " "),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63), "-"),
    **dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF), ""),
    **dict.fromkeys((0x2018, 0x2019, 0x201A, 0x201B, 0x2032), "'"),
    **dict.fromkeys((0x201C, 0x201D, 0x201E, 0x201F, 0x2033), '"'),
    **dict.fromkeys((0x2192, 0x21A6, 0x27F6, 0x2794, *range(0x2798, 0x27AF), 0x27B1), "->"),
    0x21D2: "=>",
    0x2236: ":",
    0xA789: ":",
    **{0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)},
}
"""Spaces, dashes, quotes, arrows and wide letters that look like those of ASCII, and characters of no width."""


def folded(text: str) -> str:
    """The text with plain spaces, dashes, quotes and letters where others only look like them."""
    return text if text.isascii() else text.translate(_FOLDS)


def read_otherwise(text: str) -> Iterator[str]:
    """
    The text with its escapes undone, those of URLs, HTML, JSON and forms, layer by layer.

    Nothing comes when it reads as it is written.
    """
    for _ in range(_MAX_READINGS):
        reading = text
        if _URL_ESCAPE.search(reading):
            reading = unquote(reading, errors="replace")
        if "&" in reading:
            reading = html.unescape(reading)
        if "\\" in reading:
            reading = _ESCAPE.sub(lambda match: _WHITE.get(match[3]) or chr(int(match[1] or match[2], 16)), reading)
        if "+" in reading:
            reading = _FORM_SPACE.sub(" ", reading)
        if reading == text:
            return
        text = folded(reading)
        yield text
