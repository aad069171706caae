"""
Events as applications send them, each with one text, or tree, of which it is known what must go or stay.

A line of such a corpus says where the text stands and, behind ` | `, what it is; `↵` is a line's end, ⟦ ⟧ encloses a secret,
`@@name@@` is a key as that vendor writes them. Groups begin with `== name`.
"""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.unit.privacy.unseen.corpus import RULES, texts_of
from ukemi.privacy import scrub

_LETTERS: Final = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
VENDORS: Final = {
    "stripe": f"sk_{'live'}_{_LETTERS[:24]}",
    "openai": f"sk-{'proj'}-{_LETTERS}",
    "ghp": f"ghp_{_LETTERS}",
    "akia": f"AKIA{'IOSFODNN7'}EXAMPLE",
    "slack": f"xoxb-{'123456789012'}-{_LETTERS[:24]}",
    "sendgrid": f"SG.{_LETTERS[:22]}.{_LETTERS}",
    "google": f"AIza{_LETTERS[:35]}",
    "pypi": f"pypi-{_LETTERS}",
    "npm": f"npm_{_LETTERS}",
    "glpat": f"glpat-{_LETTERS[:20]}",
    "anthropic": f"sk-ant-{'api03'}-{_LETTERS}",
    "whsec": f"whsec_{_LETTERS[:32]}",
    "jwt": f"eyJ{'hbGciOiJIUzI1NiJ9'}.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLW9mLXRlc3Q",
}
PLACES: Final[dict[str, Callable[[str, Any], Any]]] = {
    "exc": lambda _, value: {"exception": {"values": [{"type": "Error", "value": value}]}},
    "msg": lambda _, value: {"logentry": {"message": value}},
    "var": lambda name, value: {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {name: value}}]}}]}},
    "src": lambda _, value: {"exception": {"values": [{"stacktrace": {"frames": [{"context_line": value}]}}]}},
    "head": lambda name, value: {"request": {"url": "https://shop.example/a", "headers": {name: value}}},
    "query": lambda _, value: {"request": {"query_string": value}},
    "url": lambda _, value: {"request": {"url": value}},
    "body": lambda _, value: {"request": {"data": value}},
    "env": lambda name, value: {"request": {"env": {name: value}}},
    "crumb": lambda name, value: {"breadcrumbs": {"values": [{"category": name, "message": value}]}},
    "tag": lambda name, value: {"tags": {name: value}},
    "extra": lambda name, value: {"extra": {name: value}},
    "span": lambda name, value: {"type": "transaction", "spans": [{"op": name, "description": value}]},
}


class Event(NamedTuple):
    """One event, and what of it must not be told; of a harmless one, nothing."""

    line: str
    tree: Any
    secrets: tuple[str, ...]

    @property
    def tells(self) -> list[str]:
        """The secrets that are left in it."""
        left = texts_of(scrub(self.tree, RULES).tree)
        return [secret for secret in self.secrets if secret in left]

    @property
    def loses(self) -> bool:
        """Whether anything of it is taken."""
        return bool(scrub(self.tree, RULES).tree != self.tree)


def read(name: str) -> dict[str, list[Event]]:
    """The events of a corpus beside this file, by group."""
    text = (Path(__file__).parent / f"{name}.txt").read_text()
    groups = (group.partition("\n")[::2] for group in re.split(r"(?m)^== ", text)[1:])
    return {title: [_event(line) for line in body.split("\n") if line] for title, body in groups}


def _event(line: str) -> Event:
    text = re.sub(r"@@(\w+)@@", lambda vendor: VENDORS[vendor[1]], line.replace("↵", "\n"))
    place, _, value = text.partition(" | ")
    bare = re.sub("[⟦⟧]", "", value)
    kind, _, name = place.partition(" ")
    tree = ast.literal_eval(bare) if kind == "tree" else PLACES[kind](name, bare)
    return Event(line, tree, tuple(re.findall("(?s)⟦(.*?)⟧", value)))
