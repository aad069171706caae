"""Rules as TOML, and which rules watch which project. Strict: an unknown key is an error that names it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ukemi.collector.core.judge import Watched
from ukemi.collector.core.rule import Rule, RuleError, check

WHERE = "The keys and their values: docs/reference/alert-rules.md"


class Document(msgspec.Struct, frozen=True):
    """A rule that was made for one project, as it was written."""

    project_id: int
    name: str
    text: str
    updated_us: int = 0
    actor: str = ""


def read_rule(text: str) -> Rule:
    """
    One rule from TOML, without a `[[rule]]` around it.

    Raises:
        RuleError: says what is wrong, and where.
    """
    try:
        rule = msgspec.toml.decode(text, type=Rule)
    except msgspec.ValidationError as error:
        raise RuleError(f"{error}. {WHERE}.") from error
    except msgspec.DecodeError as error:
        raise RuleError(f"It is not TOML: {error}.") from error
    check(rule)
    return rule


def write_rule(rule: Rule) -> str:
    """The rule as TOML, such as `read_rule` reads, without what is as by default."""
    return write_toml(rule)


def write_toml(struct: msgspec.Struct) -> str:
    """A struct as TOML, without what is as by default: TOML has no word for "not given"."""
    return msgspec.toml.encode(_plain(struct)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if not isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    tag = type(value).__struct_config__.tag
    plain = {"kind": tag} if tag else {}
    for field in msgspec.structs.fields(type(value)):
        one = getattr(value, field.name)
        if field.required or one != _default(field):
            plain[field.encode_name] = _plain(one)
    return plain


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def watch(file_rules: Iterable[Rule], documents: Sequence[Document]) -> list[Watched]:
    """
    The rules that are judged: those of the file for every project, and those of a project for it alone.

    A project's own rule stands in for the file's of the same name, also to switch it off. Documents that cannot be read (an
    older version wrote them) are passed over, and the file's rule stays.
    """
    own: list[Watched] = []
    replaced: dict[str, set[int]] = {}
    for document in documents:
        try:
            rule = read_rule(document.text)
        except RuleError:
            continue
        own.append(Watched(rule, document.project_id))
        replaced.setdefault(rule.name, set()).add(document.project_id)
    shared = [Watched(rule, None, frozenset(replaced.get(rule.name, ()))) for rule in file_rules]
    return [one for one in [*shared, *own] if one.rule.enabled]
