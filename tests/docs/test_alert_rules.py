"""The page of rules against the rules' types, and the shipped rules against their table."""

from typing import get_args

import msgspec
import pytest

from tests.docs.pages import Page, words
from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.rules_file import ChannelConfig, RuleSet
from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.rule import Condition, Rule, Severity
from ukemi.protocol.vocabulary import KeyKind, Level

PAGE = Page.read("docs/reference/alert-rules.md")


def described(struct):
    """Keys and defaults as the page writes them: TOML, nothing where the key is needed."""
    return {
        field.encode_name: "" if field.required else f"`{msgspec.json.encode(field_default(field)).decode()}`"
        for field in msgspec.structs.fields(struct)
    }


def field_default(field):
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def listed(section):
    return {row["key"].strip("`"): row["default"] for row in section.table()}


def test_the_page_lists_exactly_the_keys_of_the_file():
    assert set(PAGE.section("The file").column("key")) == set(described(RuleSet))


def test_the_page_lists_exactly_the_keys_of_a_rule_with_their_defaults():
    assert listed(PAGE.section("A rule")) == described(Rule)


@pytest.mark.parametrize("condition", get_args(Condition), ids=lambda struct: struct.__struct_config__.tag)
def test_the_page_lists_exactly_the_keys_of_a_condition_with_their_defaults(condition):
    kind = condition.__struct_config__.tag

    assert listed(PAGE.section(f"Condition `{kind}`")) == {"kind": "", **described(condition)}


def test_each_condition_has_its_formula_and_says_what_it_will_not_catch():
    for condition in get_args(Condition):
        section = PAGE.section(f"Condition `{condition.__struct_config__.tag}`")
        assert "ok → firing" in section.text
        assert "What it will not catch:" in section.text


def test_the_page_lists_exactly_the_keys_of_each_kind_of_channel():
    rows = {row["kind"].strip("`"): words(row["keys"]) for row in PAGE.section("A channel").table()}

    assert rows == {c.__struct_config__.tag: set(c.__struct_fields__) for c in get_args(ChannelConfig)}


def test_the_page_lists_exactly_the_changes():
    changes = PAGE.text.index("| change |")

    assert set(Page(PAGE.path, PAGE.text[changes:]).column("change")) == {kind.value for kind in ChangeKind}


def test_the_page_names_every_severity_level_and_kind_of_key():
    assert {*get_args(Severity), *get_args(Level), *get_args(KeyKind)} <= words(PAGE.text)


def test_the_table_of_shipped_rules_is_true():
    rows = {row["rule"].strip("`"): row["severity"].strip("`") for row in PAGE.section("The shipped rules").table()}

    assert rows == {rule.name: rule.severity for rule in rules_file.load(None).rules}


def test_the_how_to_tells_the_severities_that_ship():
    rows = Page.read("docs/how-to/channels.md").table()
    names = {"Slack": "slack", "PagerDuty": "pagerduty", "webhook": "webhook"}
    shipped = rules_file.load(None)

    assert {
        row["severity"].strip("`"): [names[n] for n in row["told"].split(", ")] for row in rows
    } == shipped.severities
    for row in rows:
        rules = [rule.name for rule in shipped.rules if rule.severity == row["severity"].strip("`")]
        assert row["rules that ship with it"] == ", ".join(f"`{name}`" for name in rules)


@pytest.mark.parametrize("text", PAGE.snippets("toml"))
def test_an_example_is_a_rules_file(text):
    assert rules_file.parse(text).rules
