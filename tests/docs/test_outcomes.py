"""The page of outcomes against what the code can produce."""

import ast
from itertools import pairwise
from typing import get_args

from tests.docs.pages import ROOT, Page, words
from ukemi.collector.core.outcome import OutcomeKind
from ukemi.collector.core.reasons import REASONS
from ukemi.collector.ingest.admission import LANES
from ukemi.protocol.vocabulary import ITEM_CATEGORIES

PAGE = Page.read("docs/reference/outcomes.md")
KINDS = set(get_args(OutcomeKind))


def produced():
    """(outcome, reason) of every place in the source that writes both down as constants."""
    found = set()
    for path in (ROOT / "src/ukemi").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            listed = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
            texts = [entry.value if isinstance(entry, ast.Constant) else None for entry in listed]
            found |= {(kind, reason) for kind, reason in pairwise(texts) if kind in KINDS and isinstance(reason, str)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PayloadError":
                found.add(("invalid", texts[0]))
    return {(kind, reason) for kind, reason in found if reason and reason not in KINDS}


def test_the_page_lists_exactly_the_outcomes():
    assert PAGE.column("outcome") == list(get_args(OutcomeKind))


def test_the_page_lists_exactly_the_reasons_that_the_code_gives():
    rows = PAGE.section("Reasons").table()

    assert {(row["outcome"].strip("`"), row["reason"].strip("`")) for row in rows} == produced()


def test_the_accounting_page_has_a_sentence_for_exactly_the_reasons_that_the_code_gives():
    assert {(kind, reason) for kind, reasons in REASONS.items() for reason in reasons} == produced()


def test_every_outcome_but_those_with_reasons_of_others_is_produced():
    assert {kind for kind, _ in produced()} == KINDS - {"accepted", "lost"}


def test_the_page_names_every_item_type_that_is_not_kept():
    text = PAGE.text[PAGE.text.index("The reason of `not_kept`") : PAGE.text.index("The reason of `lost`")]

    assert words(text) - {"not_kept"} == ITEM_CATEGORIES.keys() - LANES.keys()


def test_the_sum_has_every_outcome_as_a_term():
    (formula,) = PAGE.section("The sum").snippets("")

    assert formula.strip() == f"sent = {' + '.join(get_args(OutcomeKind))}"
