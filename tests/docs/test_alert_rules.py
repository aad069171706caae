"""The page of rules against the rules' types, and the shipped rules against their table."""

import re
from typing import get_args

import msgspec
import pytest

from tests.docs.pages import Page, words
from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.rules_file import ChannelConfig, RuleSet
from ukemi.collector.core.change import ChangeKind
from ukemi.collector.core.rule import Condition, EventCondition, Label, Rule, Severity, Step, kind_of
from ukemi.protocol.vocabulary import KeyKind, Level

PAGE = Page.read("docs/reference/alert-rules.md")
COOKBOOK = Page.read("docs/how-to/alert-cookbook.md")


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


def test_the_page_lists_exactly_the_keys_of_a_step():
    keys = [key for row in PAGE.section("A step").table() for key in re.findall("`([^`]+)`", row["key"])]

    assert keys == list(described(Step))


def page_of(condition):
    return Page.read(f"docs/reference/conditions/{kind_of(condition).replace('_', '-')}.md")


@pytest.mark.parametrize("condition", get_args(Condition), ids=kind_of)
def test_a_condition_has_a_page_with_exactly_its_keys_and_their_defaults(condition):
    assert listed(page_of(condition)) == {"kind": "", **described(condition)}


@pytest.mark.parametrize("condition", get_args(Condition), ids=kind_of)
def test_each_condition_has_its_formula_and_says_what_it_will_not_catch(condition):
    page = page_of(condition)

    assert page.section("Exactly").text.count("```") >= 2
    assert page.section("What it will not catch").text.count("\n- ") >= 4


def test_the_page_names_every_condition():
    rows = PAGE.section("Conditions").table()

    assert {word for row in rows for word in words(row["kind"])} == {kind_of(one) for one in get_args(Condition)}


def test_the_page_lists_exactly_the_keys_of_each_kind_of_channel():
    rows = {row["kind"].strip("`"): words(row["keys"]) for row in PAGE.section("A channel").table()}

    assert rows == {c.__struct_config__.tag: set(c.__struct_fields__) for c in get_args(ChannelConfig)}


def test_the_page_lists_exactly_the_changes():
    page = page_of(EventCondition)
    changes = page.text.index("| change |")

    assert set(Page(page.path, page.text[changes:]).column("change")) == {kind.value for kind in ChangeKind}


def test_the_page_names_every_severity_level_and_kind_of_key():
    text = PAGE.text + page_of(EventCondition).text

    assert {*get_args(Severity), *get_args(Level), *get_args(KeyKind), *get_args(Label)} <= words(text)


def shipped_names():
    """Rules and their steps, with severity."""
    for rule in rules_file.load(None).rules:
        yield rule.name, rule.severity
        for step in rule.steps:
            yield step.name, step.severity


def test_the_table_of_shipped_rules_is_true():
    rows = {row["rule"].strip("`"): row["severity"].strip("`") for row in PAGE.section("The shipped rules").table()}

    assert rows == dict(shipped_names())


def test_the_how_to_tells_the_severities_that_ship():
    rows = Page.read("docs/how-to/channels.md").table()
    names = {"Slack": "slack", "PagerDuty": "pagerduty", "webhook": "webhook", "e-mail": "email"}
    shipped = rules_file.load(None)

    assert {
        row["severity"].strip("`"): [names[n] for n in row["told"].split(", ")] for row in rows
    } == shipped.severities
    for row in rows:
        rules = [name for name, severity in shipped_names() if severity == row["severity"].strip("`")]
        assert set(row["rules that ship with it"].split(", ")) == {f"`{name}`" for name in rules}


@pytest.mark.parametrize("text", [*PAGE.snippets("toml"), *COOKBOOK.snippets("toml")])
def test_an_example_is_a_rules_file(text):
    assert rules_file.parse(text).rules


def test_the_cookbook_names_every_shipped_rule_and_step_and_keys_that_they_have():
    rows = COOKBOOK.section("What ships, and where it is changed").table()
    shipped = {rule.name: rule for rule in rules_file.load(None).rules}

    assert {name for row in rows for name in re.findall("`([^`]+)`", row["rule"])} == {
        name for name, _ in shipped_names()
    }
    for row in rows:
        (rule,) = [shipped[name] for name in re.findall("`([^`]+)`", row["rule"]) if name in shipped] or [None]
        if rule:
            keys = {word.split(" = ")[0] for word in re.findall("`([^`]+)`", row["change it by"])}
            assert keys <= {*rule.__struct_fields__, *rule.when.__struct_fields__}
