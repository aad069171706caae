"""The search of the issue list: `is:open level:error user.id:42 message text` → what to look for. Pure."""

import re
from typing import Final

import msgspec

_TERM: Final = re.compile(r'(?:(?P<key>[A-Za-z][\w.-]{0,63}):)?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')
_STATUS: Final = {
    "open": "open",
    "unresolved": "open",
    "resolved": "resolved",
    "muted": "muted",
    "ignored": "muted",
    "any": "",
}
_USER_KEYS: Final = {"user.id": "id", "user.username": "username", "user.email": "email", "user.ip": "ip_address"}
MAX_TERMS: Final = 20


class Search(msgspec.Struct, frozen=True):
    status: str = "open"
    """open | resolved | muted, or "" for any."""
    texts: list[str] = []
    """Each stands somewhere in the title or the culprit."""
    tags: list[tuple[str, str]] = []
    """Key and value; level, environment and release are tags too."""
    user_keys: list[str] = []
    """As `User.key` writes them: `id:42`."""
    unknown: list[str] = []
    """Terms that mean nothing here; the page says so."""


def parse_search(text: str) -> Search:
    """Read what somebody typed. Never fails: what is no `key:value` is text."""
    status, texts, tags, users, unknown = "open", [], [], [], []
    for match in list(_TERM.finditer(text[:500]))[:MAX_TERMS]:
        key, value = match["key"], match["quoted"] if match["quoted"] is not None else match["bare"]
        if key is None or value.startswith("//"):  # a URL is text
            texts.append(match[0].strip('"'))
        elif key == "is" and value in _STATUS:
            status = _STATUS[value]
        elif key == "is":
            unknown.append(match[0])
        elif key in _USER_KEYS:
            users.append(f"{_USER_KEYS[key]}:{value}")
        else:
            tags.append((key, value))
    return Search(status, [text for text in texts if text], tags, users, unknown)
