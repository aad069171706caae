"""Secrets that are told: in sentences, headers, command lines, statements and forms, where no plain pair names them."""

import re
from typing import Any, Final

from ukemi.privacy.judging import NO_VALUES, PLACEHOLDER, SCHEMES, TYPES, is_random, is_telling, judge, says_nothing
from ukemi.privacy.keys import is_identity_key
from ukemi.privacy.rules import FILTERED, Rules

_COMPLAINT: Final = re.compile("(?i)invalid|wrong|bad|weak|incorrect|expired")
_ID: Final = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[a-z]+[-_])*[0-9-]+|[\w-]+\.[a-z]{2,4}")
"""A UUID, an order's number, a file."""
_CUT: Final = re.compile(r"[\w.@:!$%^&*+=/-]+")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_PLACE: Final = re.compile(r"[\d:.-]+(?:/(?:tcp|udp))?\Z|[./~]")
_ASKED: Final = re.compile(r"(?:mysql|mariadb)[\w.-]*\s[^\n|;]*\Z")
_MAX_COMMAND: Final = 200
_ITEM: Final = re.compile(r"(?m)(^[ \t]*-[ \t]+)(\S+)")
_SQL_WORD: Final = re.compile(r"[A-Za-z_]\w+", re.ASCII)


def told_in_a_sentence(match: Any, _rules: Rules) -> str | None:
    """`with password hunter2`: only what no sentence would go on with."""
    word = match.group(3)
    return f"{match.group(1)}{match.group(2)}{FILTERED}" if is_random(word) else None


def set_to(match: Any, _rules: Rules) -> str | None:
    """`password for account 7 changed from … to "blue horse"`; `password set to expire` is none."""
    before, value = match.group(3), match.group(5)
    if not (value[0] in "\"'" or is_random(value)) or says_nothing(value.strip("\"'")):
        return None
    return f"{match.group(1)}{match.group(2) or ''}{FILTERED if before else ''}{match.group(4)}{FILTERED}"


def got(match: Any, _rules: Rules) -> str | None:
    """
    `password must be longer, got 'hunter2'`, `secret rotated, old='…' new='…'`.

    A parser that got another token than it expected tells none.
    """
    is_parsed = match.group(2).lower().endswith("token")
    values = [one and _is_got(one, is_parsed=is_parsed) for one in (match.group(3), match.group(5))]
    if not any(values):
        return None
    first, second = (FILTERED if is_told else one or "" for is_told, one in zip(values, match.group(3, 5), strict=True))
    return f"{match.group(1)}{first}{match.group(4) or ''}{second}"


def _is_got(value: str, *, is_parsed: bool) -> bool:
    bare = value.strip("\"'")
    return (is_random(bare) or (value[0] in "\"'" and not is_parsed)) and not says_nothing(bare)


def called(match: Any, rules: Rules) -> str | None:
    """`user.set_password('hunter2')`; `InvalidToken('expired')` tells none."""
    is_told = not _COMPLAINT.match(match.group(2)) or is_random(match.group(4).strip("\"'"))
    return key_and_value(match, rules) if is_told and rules.names_secret(match.group(2)) else None


def told_for(match: Any, rules: Rules) -> str | None:
    """`password for lena: …`; `password for lena: rotating` tells none."""
    value = match.group(4)
    bare = value.strip("\"'")
    is_told = value[0] in "\"'" or is_random(bare) or (bare.isdigit() and len(bare) >= 4)
    return key_and_value(match, rules) if is_told else None


def linked(match: Any, _rules: Rules) -> str | None:
    """`/reset-password/…`, `/magic-login/…`: whoever has the link gets in; ids and names of pages do not."""
    token = match.group(2)
    is_random_enough = is_random(token) and sum(map(str.isdigit, token)) > 1 and not _ID.fullmatch(token)
    return f"{match.group(1)}{FILTERED}" if is_random_enough else None


def user_and_password(match: Any, rules: Rules) -> str | None:
    """`curl -u USER:PASSWORD`; `docker run -u app:app` names a group."""
    user, _, password = match.group(2).partition(":")
    return None if user == password else after_option(match, rules)


def line_of_pgpass(match: Any, rules: Rules) -> str | None:
    """`host:5432:database:user:…`; `a.py:12:E501:…` is a place."""
    return (
        None
        if match.group(1).partition(":")[0].endswith((".py", ".js", ".ts", ".go", ".c", ".h"))
        else after_option(match, rules)
    )


def compared(match: Any, rules: Rules) -> str | None:
    """`assert 'hunter2' == user.password`."""
    replacement = judge(match.group(4), match.group(2), rules) if rules.names_secret(match.group(4)) else None
    return None if replacement is None else f"{replacement}{match.group(3)}{match.group(4)}"


def directive(match: Any, rules: Rules) -> str | None:
    """`requirepass hunter2`: a name and, behind nothing but a space, what no sentence would go on with."""
    name, value = match.group(2), match.group(4)
    is_wanted = (name.startswith("AUTH") or rules.names_secret(name)) and is_random(value) and not value.startswith("-")
    return f"{name}{match.group(3)}{FILTERED}" if is_wanted else None


def came_to_be(match: Any, _rules: Rules) -> str | None:
    """`new API token created: …`; `token created: 2026-11-03T10:22Z` tells when."""
    value = match.group(2)
    return f"{match.group(1)}{FILTERED}" if is_random(value) and not _DATE.match(value) else None


def stored(match: Any, rules: Rules) -> str | None:
    """`SETEX 'access_token:4' 3600 '…'`: what a store keeps under a key; `SET session transaction` sets none."""
    value = match.group(4)
    bare = value.strip("\"'")
    is_value = (value[0] in "\"'" or is_random(bare)) and not says_nothing(bare)
    is_secret = is_value and any(rules.names_secret(part) for part in match.group(2).split(":") if part)
    return f"{match.group(1)}{match.group(2)}{match.group(3)}{FILTERED}" if is_secret else None


def signed_on(match: Any, _rules: Rules) -> str | None:
    """`PASS hunter2` of FTP and POP; test runners say `PASS login.test.js`."""
    value = match.group(2)
    is_test = "/" in value or "." in value or "test" in value.lower()
    return f"{match.group(1)}{FILTERED}" if is_random(value) and not is_test else None


def option_after_user(match: Any, _rules: Rules) -> str | None:
    """`-u USER -p PASSWORD`; behind `mysql -u USER -p` stands a database, elsewhere a port or a path."""
    value = match.group(2).strip("\"'")
    is_other = _PLACE.match(value) or _ASKED.search(match.string, max(0, match.start(2) - _MAX_COMMAND), match.start(2))
    return None if is_other or says_nothing(value) else f"{match.group(1)}{FILTERED}"


def listed(match: Any, rules: Rules) -> str | None:
    """`tokens:` and below it, one in a line: what is no mere name of one."""
    if not rules.names_secret(match.group(2)):
        return None
    items = _ITEM.sub(lambda one: f"{one[1]}{FILTERED}" if is_random(one[2].strip("\"'")) else one[0], match.group(4))
    return f"{match.group(1)}{match.group(2)}{match.group(3)}{items}" if items != match.group(4) else None


def random_key(match: Any, _rules: Rules) -> str | None:
    """`decrypt with key b'…'`: as random as the keys of ciphers are; `key 'orders_by_day'` is of a table."""
    key = match.group(2)
    is_mixed = any(map(str.isupper, key)) and any(map(str.islower, key)) and any(map(str.isdigit, key))
    return f"{match.group(1)}{FILTERED}{match.group(3)}" if is_mixed else None


def parameter_key(match: Any, _rules: Rules) -> str | None:
    """`?key=…` of a URL; `?key=name`, `?key=4711` and a path are data."""
    value = match.group(2)
    return f"{match.group(1)}{FILTERED}" if is_random(value) and len(value) >= 10 else None


def cut_key(match: Any, rules: Rules) -> str | None:
    replacement = judge("password", match.group(3), rules)
    return None if replacement is None else f"{match.group(1)}{match.group(2)}{replacement}"


def option(match: Any, rules: Rules) -> str | None:
    """`--password hunter2` of a command line; `--token TOKEN` of its manual stays."""
    key, value = match.group(2), match.group(4)
    bare = value.strip("\\\"'")
    if rules.names_secret(bare) and bare == bare.upper():
        return None
    replacement = judge(key, value, rules)
    return None if replacement is None else f"{match.group(1)}{key}{match.group(3)}{replacement}"


def after_option(match: Any, _rules: Rules) -> str | None:
    value = match.group(2)
    return None if says_nothing(value.strip("\\\"'")) else f"{match.group(1)}{FILTERED}"


def value_of_name(match: Any, rules: Rules) -> str | None:
    """`name="csrf" content="…"`, `"key": "api_key", "value": "…"`: the value of one attribute names that of another."""
    key, value = match.group(2), match.group(4)
    if not rules.names_secret(key) or judge(key, value, rules) is None:
        return None
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    return f"{match.group(1)}{key}{match.group(3)}{quote}{FILTERED}{quote}"


def value_before_name(match: Any, rules: Rules) -> str | None:
    """`value="…" name="csrf"`, `Duplicate entry '…' for key 'users.api_key'`."""
    replacement = judge(match.group(4), match.group(2), rules) if rules.names_secret(match.group(4)) else None
    return None if replacement is None else f"{match.group(1)}{replacement}{match.group(3)}{match.group(4)}"


def on_the_next_line(match: Any, rules: Rules) -> str | None:
    """`password:` and, alone on the line below, its value; `password:` above `type: string` has none."""
    value = match.group(4)
    if value[-1] in ":={[(,>" or not rules.names_secret(match.group(2)):
        return None
    return key_and_value(match, rules)


def pydantic_input(match: Any, rules: Rules) -> str | None:
    """
    `api_key` and, below, what was given for it: a validation error shows the value beside its field.

    Of a missing field it shows what it is missing in.
    """
    is_told = rules.names_secret(match.group(2)) and not match.group(4).startswith("{")
    return key_and_value(match, rules) if is_told else None


def in_braces(match: Any, _rules: Rules) -> str | None:
    """`PWD={…}` of a connection string; `{password}` is put in later."""
    name = match.group(2)
    return None if "." in name or is_telling(name) or not name.strip() else f"{match.group(1)}{{{FILTERED}}}"


def quoted_after(match: Any, rules: Rules) -> str | None:
    """`WITH PASSWORD 'hunter2'`, `IDENTIFIED BY 'hunter2'`: the words of a statement, or of a sentence."""
    replacement = judge("password", match.group(4), rules)
    return None if replacement is None else f"{match.group(2)}{match.group(3)}{replacement}"


def parameters(match: Any, rules: Rules) -> str | None:
    """Parameters of a failed statement as SQLAlchemy shows them, without names: all go when the statement names a secret."""
    is_wanted = any(rules.names_secret(word) or is_identity_key(word) for word in _SQL_WORD.findall(match.group(2)))
    return f"{match.group(1)}{match.group(2)}{match.group(3)}({FILTERED})]" if is_wanted else None


def row(match: Any, _rules: Rules) -> str:
    return f"{match.group(1)}({FILTERED})"


def key_and_value(match: Any, rules: Rules) -> str | None:
    """`password is …`, and the like: judged by the key, as if it stood in the tree."""
    replacement = judge(match.group(2), match.group(4), rules)
    return None if replacement is None else f"{match.group(1)}{match.group(2)}{match.group(3)}{replacement}"


def pair(match: Any, rules: Rules) -> str | None:
    """`('authorization', '…')`: the first names the second."""
    replaced = key_and_value(match, rules)
    return None if replaced is None else f"{replaced}{match.group(5)}"


def element(match: Any, rules: Rules) -> str | None:
    """`<password>…</password>`, and what was cut within; `Bearer <token> in a header` and `(?P<token>\\w+)` are none."""
    is_closed = match.string.startswith("</", match.start(5))
    return pair(match, rules) if is_closed or (not match.group(5) and _CUT.fullmatch(match.group(4))) else None


def header(match: Any, rules: Rules) -> str | None:
    """`Authorization: Scheme TOKEN` and `Cookie: a=1; b=2`: longer than a value elsewhere."""
    words = match.group(4).split()
    is_prefix = words[-1] in "bfruBFRU" and match.string[match.end(4) : match.end(4) + 1] in ('"', "'")
    is_scheme_alone = len(words) == 1 and words[0].lower() in SCHEMES
    if words[0].lower() in NO_VALUES | TYPES or is_prefix or is_scheme_alone or PLACEHOLDER.fullmatch(words[-1]):
        return None
    return key_and_value(match, rules)
