"""Secrets planted everywhere: every kind of secret × every place × every way to write it × every item type. None may be left."""

import base64
import html
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, product
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import pytest

from ukemi.privacy import Rules, scrub
from ukemi.privacy.shapes import is_card_number


@dataclass(frozen=True)
class Kind:
    """A kind of secret."""

    keys: tuple[str, ...]
    """What it is called where it stands under a name."""
    make: Callable[[int], str]
    """A different one for each number."""
    core: Callable[[str], str]
    """The part that must be gone; what stands around it (`Bearer`, a user's name, a host) may stay."""
    tells_itself: bool = False
    """Whether it is known for what it is without a name."""
    tells_itself_cut: bool = False
    """Whether half of it is, too: half a card number or e-mail address is a number or word like any other."""


def mixed(number: int, length: int) -> str:
    """Letters and digits as generators of keys make them; the same for the same number."""
    raw = base64.b32encode(number.to_bytes(4, "big") * 12).decode().rstrip("=")
    return "".join(char.lower() if index % 3 else char for index, char in enumerate(f"zq7{raw}"))[:length]


def upper(number: int, length: int) -> str:
    return mixed(number, length).upper()


def card(prefix: str, length: int) -> Callable[[int], str]:
    def make(number: int) -> str:
        body = f"{prefix}{number:0{length - len(prefix) - 1}d}"
        return next(body + digit for digit in "0123456789" if is_card_number(body + digit))

    return make


def grouped(make: Callable[[int], str], separator: str) -> Callable[[int], str]:
    def make_grouped(number: int) -> str:
        digits = make(number)
        ends = (4, 10, 15) if len(digits) == 15 else (4, 8, 12, 16)
        return separator.join(digits[start:end] for start, end in zip((0, *ends), ends, strict=False))

    return make_grouped


def jwt(number: int) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(f'{{"sub":"{number:010d}"}}'.encode()).decode().rstrip("=")
    return f"{head}.{body}.{mixed(number, 27)}"


def pem(number: int) -> str:
    return f"-----BEGIN RSA PRIVATE KEY-----\n{mixed(number, 40)}\n{mixed(number, 24)}\n-----END RSA PRIVATE KEY-----"


def whole(text: str) -> str:
    return text


def after(separator: str) -> Callable[[str], str]:
    return lambda text: text.rpartition(separator)[2]


def of_vendor(*keys: str, make: Callable[[int], str]) -> Kind:
    return Kind(keys, make, lambda text: text[8:], tells_itself=True, tells_itself_cut=True)


VISA, MASTERCARD, AMEX = card("41", 16), card("53", 16), card("37", 15)
KINDS: dict[str, Kind] = {
    "password": Kind(("password", "db_password", "passwd", "PGPASSWORD", "newPassword"), lambda n: f"Zq7.{n:06d}!x", whole),
    "api key": Kind(("api_key", "X-Api-Key", "apikey", "secretKey"), lambda n: mixed(n, 32), whole),
    "token": Kind(("token", "access_token", "refreshToken", "csrf_token"), lambda n: mixed(n, 24), whole),
    "session id": Kind(("session_id", "sessionid", "PHPSESSID", "connect.sid"), lambda n: f"{n:08x}zq7f{n:08x}", whole),
    "cookie": Kind(("Cookie", "Set-Cookie"), lambda n: f"theme=dark; sid={mixed(n, 20)}; page=1", lambda t: t[16:24]),
    "pin": Kind(("pin", "cvv", "otp"), lambda n: f"{n:09d}", whole),
    "bearer": Kind(("Authorization",), lambda n: f"Bearer {mixed(n, 28)}", after(" "), tells_itself=True, tells_itself_cut=True),
    "basic": Kind(
        ("Authorization", "Proxy-Authorization"),
        lambda n: "Basic " + base64.b64encode(f"bob:zq{n:07d}".encode()).decode(),
        after(" "),
        tells_itself=True,
        tells_itself_cut=True,
    ),
    "jwt": Kind(("id_token", "jwt"), jwt, lambda text: text[24:], tells_itself=True, tells_itself_cut=True),
    "pem": Kind(
        ("private_key", "ssh_private_key"), pem, lambda text: text[34:70], tells_itself=True, tells_itself_cut=True
    ),
    "visa": Kind(("card_number", "pan"), VISA, whole, tells_itself=True),
    "visa, spaced": Kind(("cardNumber",), grouped(VISA, " "), whole, tells_itself=True),
    "visa, dashed": Kind(("card_number",), grouped(VISA, "-"), whole, tells_itself=True),
    "mastercard": Kind(("credit_card",), MASTERCARD, whole, tells_itself=True),
    "amex": Kind(("card_no",), AMEX, whole, tells_itself=True),
    "amex, spaced": Kind(("ccnumber",), grouped(AMEX, " "), whole, tells_itself=True),
    "ssn": Kind(("ssn", "social_security_number"), lambda n: f"5{n % 90 + 10}-{n // 90 % 90 + 10}-{n + 1:04d}", whole, tells_itself=True),
    "URL password": Kind(
        ("database_password",),
        lambda n: f"postgresql://shop:{mixed(n, 16)}@db.example.org:5432/shop",
        lambda text: text[18:34],
        tells_itself=True,
        tells_itself_cut=True,
    ),
    "URL token": Kind(
        ("clone_secret",), lambda n: f"https://{mixed(n, 30)}@git.example.org/shop", lambda t: t[8:38], tells_itself=True
    ),
    "AWS key": of_vendor("aws_access_key_id", make=lambda n: f"AKIA{upper(n, 16)}"),
    "GitHub token": of_vendor("github_token", make=lambda n: f"ghp_{mixed(n, 36)}"),
    "GitHub fine token": of_vendor("github_token", make=lambda n: f"github_pat_{mixed(n, 40)}"),
    "Slack token": of_vendor("slack_token", make=lambda n: f"xoxb-{n:012d}-{mixed(n, 24)}"),
    "Stripe key": of_vendor("stripe_api_key", make=lambda n: f"sk_live_{mixed(n, 24)}"),
    "Stripe test key": of_vendor("stripe_api_key", make=lambda n: f"rk_test_{mixed(n, 24)}"),
    "Google key": of_vendor("google_api_key", make=lambda n: f"AIza{mixed(n, 35)}"),
    "Google OAuth secret": of_vendor("client_secret", make=lambda n: f"GOCSPX-{mixed(n, 28)}"),
    "Google token": of_vendor("access_token", make=lambda n: f"ya29.{mixed(n, 60)}"),
    "GitLab token": of_vendor("gitlab_token", make=lambda n: f"glpat-{mixed(n, 20)}"),
    "npm token": of_vendor("npm_token", make=lambda n: f"npm_{mixed(n, 36)}"),
    "PyPI token": of_vendor("pypi_token", make=lambda n: f"pypi-AgEIcHlwaS5vcmc{mixed(n, 40)}"),
    "SendGrid key": of_vendor("sendgrid_api_key", make=lambda n: f"SG.{mixed(n, 22)}.{mixed(n, 43)}"),
    "Twilio key": of_vendor("twilio_api_key", make=lambda n: f"SK{n:08x}{'0a1b2c3d' * 3}"),
    "OpenAI key": of_vendor("openai_api_key", make=lambda n: f"sk-proj-{mixed(n, 40)}"),
    "Anthropic key": of_vendor("api_key", make=lambda n: f"sk-ant-api03-{mixed(n, 40)}"),
    "DigitalOcean token": of_vendor("do_token", make=lambda n: f"dop_v1_{n:08x}{'0a1b2c3d' * 7}"),
    "Hugging Face token": of_vendor("hf_token", make=lambda n: f"hf_{mixed(n, 34)}"),
    "Shopify token": of_vendor("shop_token", make=lambda n: f"shpat_{n:08x}{'0a1b2c3d' * 3}"),
    "Slack webhook": of_vendor("webhook_secret", make=lambda n: f"https://hooks.slack.com/services/T{n:08d}/B{n:08d}/{mixed(n, 24)}"),
    "e-mail": Kind(("email", "user_email"), lambda n: f"bob.zq{n:06d}@example.org", lambda t: t[4:12], tells_itself=True),
    "IPv4": Kind(("ip", "ip_address", "client_ip"), lambda n: f"203.{n % 200 + 20}.{n // 200 % 200 + 20}.{n // 40000 + 77}", whole, tells_itself=True),
    "IPv6": Kind(("remote_addr", "X-Real-IP"), lambda n: f"2001:db8:{n % 9999:x}:77:{n // 9999:x}1:2:3:4", whole, tells_itself=True),
    "user name": Kind(("username", "user_name", "USERNAME"), lambda n: f"kiyoshi.zq{n:06d}", whole),
}  # fmt: skip


class FakeModel:
    """Shows itself as pydantic models and dataclasses do."""

    def __init__(self, key: str, secret: str) -> None:
        self._shown = f"Login(page=1, {identifier(key)}={secret!r}, size=3)"

    def __repr__(self) -> str:
        return self._shown


def identifier(key: str) -> str:
    return key.replace("-", "_").replace(".", "_")


NAMED: dict[str, Callable[[str, str], Any]] = {
    "key of a mapping": lambda k, s: {"a": 1, k: s},
    "key of a mapping in lists": lambda k, s: [[{"deep": [{k: s}]}]],
    "key of a mapping, in a list": lambda k, s: {k: [s, s]},
    "key of a mapping, bytes": lambda k, s: {k: s.encode()},
    "key of a mapping, tuple": lambda k, s: {k: (s, 1)},
    "key of bytes": lambda k, s: {k.encode(): s.encode()},
    "headers": lambda k, s: {"headers": [["Host", "example.org"], [k, s]]},
    "headers of bytes": lambda k, s: {"headers": [(b"host", b"example.org"), (k.lower().encode(), s.encode())]},
    "headers as reprs": lambda k, s: {"headers": [["b'host'", "b'h'"], [repr(k.lower().encode()), repr(s.encode())]]},
    "headers as one repr": lambda k, s: repr([(b"host", b"h"), (k.lower().encode(), s.encode())]),
    "cookies": lambda k, s: {"cookies": {"theme": "dark", k: s}},
    "query string": lambda k, s: {"query_string": f"page=1&{k}={quote(s, safe='')}&size=2"},
    "query string as pairs": lambda k, s: {"query_string": [["page", "1"], [k, s]]},
    "URL": lambda k, s: f"GET https://shop.example/orders?page=1&{k}={quote_plus(s)} returned 502",
    "JSON in a text": lambda k, s: f"body: {json.dumps({'page': 1, k: s})}",
    "JSON in JSON": lambda k, s: json.dumps({"body": json.dumps({k: s, "page": 1})}),
    "JSON as bytes": lambda k, s: json.dumps({"page": 1, k: s}).encode(),
    "repr of a mapping": lambda k, s: {"vars": {"form": repr({"page": 1, k: s, "x": [1]})}},
    "repr of a model": lambda k, s: {"vars": {"form": f"Login(page=1, {identifier(k)}={s!r}, size=3)"}},
    "a model": lambda k, s: {"vars": {"form": FakeModel(k, s)}},
    "repr of a wrapped secret": lambda k, s: f"Settings({identifier(k)}=SecretStr({s!r}), debug=False)",
    "variable": lambda k, s: {"vars": {identifier(k): repr(s)}},
    "exception": lambda k, s: {"type": "ValueError", "value": f"cannot log in with {k}={s!r}: refused"},
    "assignment": lambda k, s: f"{identifier(k)} = {s!r}",
    "SQL update": lambda k, s: f"UPDATE account SET {identifier(k)} = '{s}' WHERE id = 7",
    "SQL insert": lambda k, s: f"INSERT INTO account (id, {identifier(k)}, page) VALUES (7, '{s}', 'x')",
    "log line": lambda k, s: f'2026-01-02T03:04:05Z WARN shop.auth request_id=r-1 {k}="{s}" status=401',
    "lines": lambda k, s: f"Request failed\n  page: 1\n  {k}: {json.dumps(s)}\n  size: 2",
    "traceback": lambda k, s: (
        f'Traceback (most recent call last):\n  File "/srv/shop/app.py", line 7, in login\n    log_in({identifier(k)}={s!r})\nValueError: no'
    ),
    "source line": lambda k, s: {"context_line": f"    client = Client({identifier(k)}={s!r}, page=1)"},
    "source lines around": lambda k, s: {"pre_context": ["x = 1", f'{identifier(k)}: str = "{s}"'], "post_context": [f"d['{k}'] = '{s}'"]},
    "command line": lambda k, s: f"subprocess failed: shop-admin --{k} '{s}' --page 1",
    "command line as list": lambda k, s: {"argv": ["shop-admin", f"--{k}={s}", f"--{k}", s, "--page", "1"]},
    "key of a key": lambda k, s: {f"{k}={s!r}": 1},
}  # fmt: skip
UNNAMED: dict[str, Callable[[str], Any]] = {
    "value": lambda s: {"note": s},
    "list": lambda s: {"notes": ["x", [s]]},
    "tuple": lambda s: {"notes": ("x", s)},
    "set": lambda s: {"notes": {s}},
    "bytes": lambda s: {"body": s.encode()},
    "key": lambda s: {"seen": {s: 1}},
    "sentence": lambda s: f"We could not go on with {s}, sorry.",
    "sentence, in brackets": lambda s: f"request of ({s}) was <{s}>",
    "exception": lambda s: {"type": "ValueError", "value": f"bad value: {s}"},
    "repr": lambda s: {"vars": {"value": repr(s), "values": repr([s, {"a": s}])}},
    "JSON in a text": lambda s: json.dumps({"page": 1, "note": s}),
    "JSON in JSON": lambda s: json.dumps({"body": json.dumps({"note": s})}),
    "SQL": lambda s: f"SELECT id FROM account WHERE note = '{s}' LIMIT 1",
    "log line": lambda s: f'198.51.100.7 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 401 - "{s}"',
    "lines": lambda s: f"Request failed\n{s}\nsize: 2",
    "traceback": lambda s: f'Traceback (most recent call last):\n  File "/srv/app.py", line 7, in f\nValueError: {s}',
    "source line": lambda s: {"context_line": f'    value = "{s}"  # {s}'},
    "query string": lambda s: {"query_string": f"page=1&note={quote(s, safe='')}"},
}


@dataclass(frozen=True)
class Encoding:
    encode: Callable[[str], str]
    cuts: bool = False
    space: str = ""
    """Stands for every space, and around the secret."""


ENCODINGS: dict[str, Encoding] = {
    "plain": Encoding(whole),
    "upper case": Encoding(str.upper),
    "URL-encoded": Encoding(lambda s: quote(s, safe="")),
    "form-encoded": Encoding(quote_plus),
    "JSON-escaped": Encoding(lambda s: json.dumps(s)[1:-1]),
    "HTML-escaped": Encoding(html.escape),
    "half cut": Encoding(lambda s: s[: len(s) * 2 // 3], cuts=True),
    "no-break spaces": Encoding(lambda s: s.replace(" ", "\u00a0"), space="\u00a0"),
    "wide spaces": Encoding(lambda s: s.replace(" ", "\u3000"), space="\u3000"),
    "thin spaces": Encoding(lambda s: s.replace(" ", "\u2009"), space="\u2009"),
}


def why_skipped(kind: Kind, name: str, encoding: str, *, is_named: bool) -> str | None:
    """Combinations that make no sense, each with its reason."""
    if not is_named and not kind.tells_itself:
        return "nothing tells a random word from any other when no name stands beside it"
    if encoding == "half cut" and not is_named and not kind.tells_itself_cut:
        return "half of it is a number or a word like any other"
    if encoding == "half cut" and name in ("cookie", "URL token"):
        return "the secret part is cut off, or not told from a host any more"
    if encoding == "upper case" and not is_named and is_spelled(name):
        return "such a key in capitals is no key: they are compared letter by letter"
    return None


def is_spelled(name: str) -> bool:
    return name in ("jwt", "pem") or (KINDS[name].tells_itself_cut and name not in ("bearer", "basic", "URL password"))


@dataclass(frozen=True)
class Case:
    name: str
    planted: Any
    needle: str


Slot = Callable[[Any], Any]
"""From what is planted to an item that holds it somewhere."""


def in_frames(**frame: Any) -> dict[str, Any]:
    return {"exception": {"values": [{"type": "E", "stacktrace": {"frames": [frame]}}]}}


ITEMS: dict[str, list[Slot]] = {
    "event": [
        lambda x: {"logentry": {"message": x}},
        lambda x: {"exception": {"values": [{"type": "ValueError", "value": x}]}},
        lambda x: in_frames(vars={"value": x}),
        lambda x: {"request": {"data": x}},
        lambda x: {"extra": {"note": x}},
        lambda x: {"contexts": {"order": {"note": x}}},
        lambda x: {"tags": [["note", x]]},
    ],
    "transaction": [
        lambda x: {"contexts": {"trace": {"data": {"note": x}}}},
        lambda x: {"spans": [{"description": x}]},
    ],
    "span": [lambda x: {"data": {"note": x}}, lambda x: {"attributes": {"note": {"value": x, "type": "string"}}}],
    "log": [lambda x: {"items": [{"body": x}]}, lambda x: {"items": [{"attributes": {"note": {"value": x}}}]}],
    "metric": [lambda x: {"items": [{"name": "n", "attributes": {"note": {"value": x, "type": "string"}}}]}],
    "breadcrumb": [
        lambda x: {"breadcrumbs": {"values": [{"category": "query", "message": x}]}},
        lambda x: {"breadcrumbs": [{"data": {"note": x}}]},
    ],
    "check-in": [lambda x: {"monitor_slug": x, "status": "ok"}, lambda x: {"monitor_config": {"note": x}}],
    "feedback": [lambda x: {"contexts": {"feedback": {"message": x}}}],
    "client data": [lambda x: {"discarded_events": [{"reason": x}]}, lambda x: {"data": [[{"note": x}]]}],
}


def cases() -> Iterator[Case]:
    """Every combination that makes sense, each with a secret of its own."""
    numbers = count(1)
    places = [(place, True) for place in NAMED] + [(place, False) for place in UNNAMED]
    for (kind_name, kind), (encoding_name, encoding), (place, is_named) in product(
        KINDS.items(), ENCODINGS.items(), places
    ):
        if why_skipped(kind, kind_name, encoding_name, is_named=is_named):
            continue
        number = next(numbers)
        secret = kind.make(number)
        written, needle = encoding.encode(secret), encoding.encode(kind.core(secret))
        if encoding.cuts:
            core = kind.core(secret)
            needle = core[: max(0, len(written) - secret.index(core))]
        if encoding.space and not is_named:
            written = f"{encoding.space}{written}{encoding.space}"
        key = kind.keys[number % len(kind.keys)]
        planted = NAMED[place](key, written) if is_named else UNNAMED[place](written)
        yield Case(f"{kind_name} / {place} / {encoding_name}", planted, needle)


CASES = list(cases())


def test_there_are_thousands_of_cases_and_each_looks_for_something():
    assert len(CASES) > 15_000
    assert [case.name for case in CASES if len(case.needle) < 3] == []


@pytest.mark.parametrize("hash_key", [b"a key", None], ids=["hashed", "removed"])
@pytest.mark.parametrize("item", ITEMS)
def test_no_planted_secret_is_left(item, hash_key):
    """Each item type meets every ninth case; all leaks are told at once."""
    mine = CASES[list(ITEMS).index(item) :: len(ITEMS)]
    slots = ITEMS[item]

    leaks = []
    for at in range(0, len(mine), 100):
        batch = mine[at : at + 100]
        trees = [slots[index % len(slots)](case.planted) for index, case in enumerate(batch)]
        left = written(scrub(trees, Rules(hash_key=hash_key)).tree)
        leaks += [case.name for case in batch if is_in(case.needle, left)]

    assert leaks == []


def test_every_case_would_be_seen_if_it_leaked():
    """The search finds each secret in what was planted."""
    assert [case.name for case in CASES if not is_in(case.needle, written(shown(case.planted)))] == []


def shown(planted: Any) -> Any:
    """A tree as JSON can write it, with nothing taken out."""
    if isinstance(planted, dict):
        return {str(shown(key)): shown(value) for key, value in planted.items()}
    if isinstance(planted, list | tuple | set):
        return [shown(entry) for entry in planted]
    if isinstance(planted, bytes):
        return planted.decode()
    return planted if isinstance(planted, int) else str(planted)


def written(tree: Any) -> str:
    """As it would be sent; and read once and twice as a URL, since places of ours write some secrets so."""
    text = json.dumps(tree, ensure_ascii=False).lower()
    return "\n".join((text, unquote_plus(text), unquote_plus(unquote_plus(text))))


def is_in(needle: str, text: str) -> bool:
    """Plain, or as reprs and one or two layers of JSON write it."""
    lower = needle.lower()
    forms = [lower]
    for ensure_ascii in (False, True):
        once = json.dumps(lower, ensure_ascii=ensure_ascii)[1:-1]
        twice = json.dumps(once)[1:-1]
        forms += [once, twice, json.dumps(twice)[1:-1]]
    forms += [repr(lower)[1:-1], json.dumps(repr(lower)[1:-1])[1:-1], json.dumps(repr(lower.encode())[2:-1])[1:-1]]
    return any(form in text for form in forms)
