"""What was asked for, line by line: each row names where it lives and a test that shows it, and both exist."""

import ast
import importlib
import re

import pytest

from tests.docs.pages import ROOT, Page, words

PAGE = Page.read("docs/mission-status.md")
SECTIONS = [title for title in PAGE.headings()[1:] if title != "For later"]
ROWS = [row for title in SECTIONS for row in PAGE.section(title).table()]


def exists(name):
    """Whether a path leads to a file or folder, or a dotted name to a module or to something in it."""
    if "/" in name or (ROOT / name).exists():
        return (ROOT / name).exists()
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), attribute)
    return True


def claims_of(path):
    """Names of a file's tests, as pytest writes them behind `::`."""
    found = set()
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def test_there_is_a_row_for_everything_that_the_backend_exports():
    named = {name.rpartition(".")[2] for row in ROWS for name in words(row["lives in"])}
    for module in ("backend.observability", "backend.middleware"):
        # How people's feedback is sent is our own addition.
        assert set(importlib.import_module(module).__all__) - named <= {"send_feedback"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["asked for"])
def test_what_a_row_names_exists(row):
    assert row["asked for"]
    assert words(row["lives in"])
    assert [name for name in words(row["lives in"]) if not exists(name)] == []
    shown_by = words(row["shown by"])
    assert shown_by, "no row without a test"
    for name in shown_by:
        path, _, test = name.partition("::")
        assert test in claims_of(path), f"{name} does not exist"
        assert re.match(r"(tests|backend/tests)/", path)
