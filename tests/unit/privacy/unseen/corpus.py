"""
Texts as real services write them, and every place of every item that could carry them.

A corpus is a text file: groups begin with `== name`, cases are parted by `---`, a secret stands in ⟦ ⟧. What a group named
"trees" holds are Python literals. Who wrote the first had not seen the rules.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ukemi.privacy import Rules, scrub

RULES = Rules(hash_key=b"a key for the hashes of these tests")


class Case(NamedTuple):
    """One text, or tree, and what of it must not be told."""

    value: Any
    secrets: tuple[str, ...]


def read(name: str) -> dict[str, list[Case]]:
    """The cases of a corpus beside this file, by group."""
    text = (Path(__file__).parent / f"{name}.txt").read_text()
    groups = (group.partition("\n")[::2] for group in re.split(r"(?m)^== ", text)[1:])
    return {title: [_case(title, one) for one in body.strip("\n").split("\n---\n")] for title, body in groups}


def _case(group: str, text: str) -> Case:
    secrets = tuple(re.findall("⟦(.*?)⟧", text))
    bare = re.sub("[⟦⟧]", "", text)
    return Case(ast.literal_eval(bare) if group == "trees" else bare, secrets)


def places(value: Any) -> dict[str, Callable[[], Any]]:
    """Where a value may stand, and the tree it stands in there."""
    text = value if isinstance(value, str) else repr(value)
    trees: dict[str, Any] = {
        "message": {"logentry": {"message": text, "formatted": text}, "message": text},
        "template parameters": {"logentry": {"message": "so it is: %s", "params": [value]}},
        "exception": {"exception": {"values": [{"type": "ValueError", "value": text}]}},
        "variable": {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"line": value}}]}}]}},
        "variable as repr": {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"line": repr(value)}}]}}]}},
        "thread": {"threads": {"values": [{"stacktrace": {"frames": [{"vars": {"args": [value]}}]}}]}},
        "breadcrumb": {"breadcrumbs": {"values": [{"message": text, "data": {"line": value}}]}},
        "extra": {"extra": {"line": value, "deep": [{"in": {"it": value}}]}},
        "context": {"contexts": {"order": {"line": value}}},
        "tag": {"tags": {"line": text}},
        "tag pair": {"tags": [["line", text]]},
        "body": {"request": {"data": value}},
        "span": {"type": "transaction", "spans": [{"description": text, "data": {"line": value}}]},
        "log": {"items": [{"body": text, "attributes": {"line": value}}]},
        "metric": {"items": [{"name": "orders", "attributes": {"line": text}}]},
        "feedback": {"contexts": {"feedback": {"message": text}}},
        "list root": [value],
        "text root": text,
    }
    return {name: lambda tree=tree: tree for name, tree in trees.items()}


def leaks(case: Case) -> Iterator[tuple[str, str]]:
    """Each place, and each word of a secret, that it tells."""
    for place, tree in places(case.value).items():
        told = texts_of(scrub(tree(), RULES).tree)
        for secret in case.secrets:
            for word in secret.split():
                if len(word) >= 4 and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", told):
                    yield place, word


def losses(case: Case) -> Iterator[tuple[str, Any]]:
    """Each place that loses something of a harmless value, and what is left there."""
    for place, tree in places(case.value).items():
        left = scrub(tree(), RULES).tree
        if _plain(left) != _plain(tree()):
            yield place, left


def _plain(tree: Any) -> Any:
    return json.dumps(tree, default=repr, ensure_ascii=False)


def texts_of(tree: Any) -> str:
    """All texts of a tree, escaped or not."""
    if isinstance(tree, dict):
        return "\n".join(texts_of(key) + "\n" + texts_of(value) for key, value in tree.items())
    if isinstance(tree, list | tuple):
        return "\n".join(map(texts_of, tree))
    if isinstance(tree, bytes):
        return tree.decode(errors="replace")
    return str(tree)
