"""The page of the SDK against what `ukemi.sdk` exports."""

import ast
import inspect
from dataclasses import fields, is_dataclass

import pytest

import ukemi.sdk
from tests.docs.pages import Page, words

PAGE = Page.read("docs/reference/sdk.md")


def documented(name):
    """The definition that stands under a name's heading."""
    (code,) = PAGE.section(f"`{name}`").snippets("python")
    return ast.parse(code).body[0]


def parameters(definition):
    """Name, kind and default of each parameter; a default that is no plain value is `...`."""
    args = definition.args
    positional = zip(args.args, [None] * (len(args.args) - len(args.defaults)) + args.defaults, strict=True)
    shown = [(arg.arg, "positional", value_of(default)) for arg, default in positional]
    shown += [(arg.arg, "keyword", value_of(d)) for arg, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return shown + ([(args.kwarg.arg, "rest", inspect.Parameter.empty)] if args.kwarg else [])


def value_of(default):
    if default is None:
        return inspect.Parameter.empty
    return default.value if isinstance(default, ast.Constant) else ...


def real_parameters(function):
    kinds = {
        inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
        inspect.Parameter.KEYWORD_ONLY: "keyword",
        inspect.Parameter.VAR_KEYWORD: "rest",
    }
    return [(p.name, kinds[p.kind], p.default) for p in inspect.signature(function).parameters.values()]


def test_the_page_has_a_section_for_each_name_and_no_other():
    headings = [heading.strip("`") for heading in PAGE.headings() if heading.startswith("`")]

    assert sorted(headings) == sorted(ukemi.sdk.__all__)


@pytest.mark.parametrize("name", [name for name in ukemi.sdk.__all__ if inspect.isfunction(getattr(ukemi.sdk, name))])
def test_a_function_stands_there_with_its_signature(name):
    function, shown = getattr(ukemi.sdk, name), documented(name)

    assert isinstance(shown, ast.AsyncFunctionDef) == inspect.iscoroutinefunction(function)
    real = real_parameters(function)
    assert [(n, kind) for n, kind, _ in parameters(shown)] == [(n, kind) for n, kind, _ in real]
    for (_, _, said), (parameter, _, default) in zip(parameters(shown), real, strict=True):
        named = said is ... and default is not inspect.Parameter.empty and default is not None
        assert named or said == default, parameter


@pytest.mark.parametrize("name", [name for name in ukemi.sdk.__all__ if is_dataclass(getattr(ukemi.sdk, name))])
def test_a_class_stands_there_with_its_fields(name):
    shown = [statement.target.id for statement in documented(name).body]

    assert shown == [field.name for field in fields(getattr(ukemi.sdk, name))]


def test_every_argument_of_init_is_explained():
    assert PAGE.section("`init`").column("argument") == list(inspect.signature(ukemi.sdk.init).parameters)


def test_the_path_segments_and_reasons_that_the_page_lists_are_those_of_the_code():
    init = {row["argument"].strip("`"): words(row["means"]) for row in PAGE.section("`init`").table()}
    defaults = {name: p.default for name, p in inspect.signature(ukemi.sdk.init).parameters.items()}

    assert init["critical_paths"] == defaults["critical_paths"]
    assert init["health_paths"] == defaults["health_paths"]
    assert words(PAGE.section("`track_auth_error`").prose) - {"auth"} == ukemi.sdk.domains.USER_CAUSED_AUTH
