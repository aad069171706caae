"""What a channel answered, for people: the status, what it says in a few words (what is wrong first), and all of it. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

MAX_TEXT: Final = 240
_WRONG: Final = ("errors", "error", "error_description", "detail", "details")
"""Where services say what is wrong …"""
_SAID: Final = ("message", "msg", "description", "title", "reason", "result", "status")
"""… and what they say beside it; of these the first."""
_CUT_MEMBER: Final = re.compile(rf'"({"|".join((*_WRONG, *_SAID))})"\s*:\s*\[?\s*"((?:[^"\\]|\\.)*)"')
_TITLE: Final = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)
_MARKUP: Final = re.compile(r"^\s*<(!doctype|html|\?xml)", re.IGNORECASE)


class Answered(msgspec.Struct, frozen=True):
    status: str
    """`202`; "" when none is known."""
    text: str
    """In one line of at most MAX_TEXT characters; "" when it said nothing."""
    raw: str = ""
    """All that came, where `text` is not the same."""


def read_answer(answer: str) -> Answered:
    """
    Make sense of an answer.

    Args:
        answer: the status, a space, and what came with it, perhaps cut: `202 {"status":"success"}`.
    """
    found = re.match(r"(\d{3})(?:\s+|$)", answer)
    status, raw = (found[1], answer[found.end() :]) if found else ("", answer)
    raw = raw.strip()
    text = one_line(_text(raw))
    return Answered(status, text, "" if text == one_line(raw) else raw)


def one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _text(raw: str) -> str:
    if _MARKUP.match(raw):
        title = _TITLE.search(raw)
        return f"a web page: {title[1].strip()}" if title else "a web page"
    if not raw.startswith(("{", "[")):
        return raw
    try:
        tree, end = json.JSONDecoder().raw_decode(raw)
    except (ValueError, RecursionError):  # cut, or no JSON after all
        members = dict(reversed(_CUT_MEMBER.findall(raw)))
        return _joined(members) or raw
    words = _joined(tree if isinstance(tree, dict) else {"errors": tree})
    return f"{words}{raw[end:]}" if words else raw


def _joined(tree: dict[str, Any]) -> str:
    wrong = [text for name in _WRONG for text in _texts(tree.get(name))]
    said = next((text for name in _SAID for text in _texts(tree.get(name))), None)
    return "; ".join(dict.fromkeys([*wrong[:3], *([said] if said else [])]))


def _texts(value: object) -> Iterator[str]:
    """Texts of a member: itself, those of a list, and of objects what they say."""
    if isinstance(value, str) and value.strip():
        yield value.strip().rstrip(".")
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict) and (text := _joined(value)):
        yield text
