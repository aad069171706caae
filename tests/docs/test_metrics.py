"""The page of metrics against the registries."""

import re

from tests.docs.pages import Page, words
from ukemi.collector import health, metrics

PAGE = Page.read("docs/reference/metrics.md")


def declared():
    """Name as it is exposed, type, labels and sentence of every metric."""
    found = {}
    for registry in (metrics.HTTP, metrics.WORKER):
        for collector in list(registry._collector_to_names):
            (family,) = collector.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, list(collector._labelnames), family.documentation)
    return found


def test_the_page_lists_exactly_the_metrics_with_their_types_labels_and_sentences():
    listed = {
        row["metric"].strip("`"): (row["type"], re.findall(r"`(\w+)`", row["labels"]), row["means"])
        for row in PAGE.section("Metrics").table()
    }

    assert listed == declared()


def test_every_metric_has_our_name_and_a_sentence():
    for name, (_, _, sentence) in declared().items():
        assert re.fullmatch(r"ukemi(_[a-z]+)+", name)
        assert sentence[0].isupper() or sentence[0].isdigit()
        assert sentence.endswith(".")


def test_no_metric_belongs_to_both_processes():
    names = [{family.name for family in registry.collect()} for registry in (metrics.HTTP, metrics.WORKER)]
    assert not names[0] & names[1]


def test_the_page_names_exactly_the_paths():
    assert {path for path in words(PAGE.text) if path.startswith("/")} == set(health.PATHS)
