"""The page of commands against the tree of commands."""

import inspect
import re
from enum import Enum
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from typer.main import get_command

from tests.docs.pages import Page, words
from ukemi.cli import users
from ukemi.cli.app import app

PAGE = Page.read("docs/reference/commands.md")


def leaves(command, path):
    """Every command that does something, by its words."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), command


COMMANDS = dict(leaves(get_command(app), ("ukemi",)))


def heading(name):
    arguments = [p.name.upper() for p in COMMANDS[name].params if p.param_type_name == "argument"]
    return f"`{' '.join([name, *arguments])}`"


def test_the_page_has_a_section_for_each_command_with_its_arguments_and_no_other():
    assert set(PAGE.headings()) == {"Commands", *map(heading, COMMANDS)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_lists_exactly_the_options_of_its_command(name):
    options = {opt for p in COMMANDS[name].params if p.param_type_name == "option" for opt in p.opts}

    listed = {option.split()[0] for option in PAGE.section(heading(name)).column("option")}

    assert listed == options - {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_the_choices_and_defaults_of_its_options(name):
    function = inspect.unwrap(COMMANDS[name].callback)
    choices = {choice for hint in get_type_hints(function).values() for choice in choices_of(hint)}
    options = {p.name for p in COMMANDS[name].params if p.param_type_name == "option"}
    defaults = {p.default for p in inspect.signature(function).parameters.values() if p.name in options}

    named = choices | {str(default) for default in defaults if default not in (None, False)}

    assert named <= words(PAGE.section(heading(name)).text)


def choices_of(hint):
    """The texts that an annotation allows, however deep it holds them."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {member.value for member in hint}
    return set().union(*map(choices_of, get_args(hint)))


def test_only_the_roles_that_pages_know_can_be_given():
    """A role that nothing knows is a typing mistake, and would be an account that may do less than was meant."""
    assert choices_of(get_type_hints(users.create)["role"]) == {"owner", "member"}


def test_the_page_names_no_option_that_does_not_exist():
    existing = {opt for command in COMMANDS.values() for p in command.params for opt in p.opts}

    assert set(re.findall(r"--[a-z][a-z-]+", PAGE.prose)) <= existing | {"--help"}
