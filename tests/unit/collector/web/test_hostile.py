"""Everything in an event was written by a stranger: wherever it stands, it stays text."""

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "javascript:alert(1)",
    "</title></pre></code></dl></script><h1>owned",
    "{{ 7*7 }} {% raw %} {# x #} ${7*7} #{7*7}",
    "&lt;script&gt; &#60;script&#62;",
    "\u202egpj.exe \u2066\u2067 \u200f",
    "<!-- --> <![CDATA[ ]]> <?php ?>",
    "\x00\x01\x07\x1b[31m\r\n\u2028",
    'https://example.org/"onclick="alert(1)',
    "x" * 10_240,
    "[x](javascript:alert(1)) %s %(a)s {0.__class__}",
]


def event_full_of(text: str) -> dict[str, object]:
    """An event with `text` in every place that takes one."""
    nested = {text: text, "list": [text, {text: [text]}]}
    frame = {
        "module": text,
        "function": text,
        "filename": text,
        "abs_path": text,
        "lineno": 7,
        "colno": 1,
        "in_app": True,
        "pre_context": [text, text],
        "context_line": text,
        "post_context": [text],
        "vars": nested,
    }
    return {
        "platform": text,
        "logger": text,
        "level": text,
        "transaction": text,
        "server_name": text,
        "culprit": text,
        "logentry": {"message": text, "params": [text]},
        "fingerprint": [text],
        "exception": {
            "values": [
                {
                    "type": text,
                    "value": text,
                    "module": text,
                    "mechanism": {"type": text},
                    "stacktrace": {"frames": [frame]},
                },
                {"type": text, "value": text, "stacktrace": {"frames": [frame, frame | {"in_app": False}]}},
            ]
        },
        "breadcrumbs": [
            {"timestamp": 1, "category": text, "level": text, "message": text, "data": nested, "type": text}
        ],
        "tags": {"domain": text, text: text},
        "user": {
            "id": text,
            "username": text,
            "email": text,
            "ip_address": text,
            "role": text,
            "tier": text,
            text: text,
        },
        "request": {
            "url": text,
            "method": text,
            "query_string": text,
            "headers": {"Referer": text, "X-Note": text},
            "cookies": {"theme": text},
            "data": nested,
        },
        "contexts": {text: nested, "browser": {"name": text, "version": text}, "client_os": {"name": text}},
        "extra": nested,
        "sdk": {"name": text, "version": text},
    }


def pages_with(client: TestClient, *more: str) -> list[str]:
    (issue,) = client.get("/issues.json?q=is:any").json()["issues"]
    paths = ["/issues?q=is:any", f"/projects/1/issues/{issue['id']}", "/alerts", *more]
    answers = [client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    return [answer.text for answer in answers]


def assert_harmless(shown: object) -> None:
    """No script but our files, no style, no handler, no address but on this site or by http."""
    assert {attributes.get("src") for tag, attributes in shown.elements if tag == "script"} == {
        "/static/vendor/htmx.min.js",
        "/static/page.js",
    }
    assert "".join(shown.inline.values()) == ""
    for tag, attributes in shown.elements:
        assert tag not in ("style", "iframe", "object", "embed", "base", "math", "template")
        for name, value in attributes.items():
            assert name != "style"
            assert not name.startswith("on")
            if name in ("href", "src", "action", "formaction", "hx-get"):
                assert re.match(r"/(?!/)|https?://|#", value or "")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text_in_every_place_of_an_event(
    owner: TestClient, digest_event: Callable[..., str], read_html: type, text: str
) -> None:
    digest_event(event_full_of(text))
    for page in pages_with(owner):
        assert_harmless(read_html(page))
        assert "49" not in re.sub(r"[0-9a-f]{8,}", "", page)  # what a template engine would make of 7*7


def test_hostile_text_makes_no_element_that_harmless_text_does_not_make(
    owner: TestClient, digest_event: Callable[..., str], read_html: type
) -> None:
    """Compares kinds of elements and names of attributes, so that a hole is seen that no list of bad names knows."""
    digest_event(event_full_of("plain words"))
    allowed = [read_html(page).shapes() for page in pages_with(owner)]
    for text in HOSTILE[:9]:
        event_id = digest_event(event_full_of(text))
        issues = owner.get("/issues.json?q=is:open").json()["issues"]
        path = next(
            page
            for page in (f"/projects/1/issues/{issue['id']}" for issue in issues)
            if (owner.get(f"{page}.json").json()["event"] or {})["line"]["id"] == event_id
        )
        for address, shapes in zip(("/issues?q=is:open", path, "/alerts"), allowed, strict=True):
            assert read_html(owner.get(address).text).shapes() <= shapes


@pytest.mark.parametrize("text", HOSTILE[:9])
def test_hostile_text_stays_text_in_searches_projects_and_addresses(
    owner: TestClient, digest_event: Callable[..., str], read_html: type, text: str
) -> None:
    digest_event({"message": "one"})
    owner.post("/projects", data={"name": text})
    for answer in (
        owner.get("/issues", params={"q": text}),
        owner.get("/issues", params={"q": f"is:{text}"}),
        owner.get("/projects"),
        owner.post("/projects", data={"name": text}),
        owner.get("/sign-in", params={"next": f"/{text}"}),
        owner.get(f"/projects/1/issues/{text}"),
    ):
        assert_harmless(read_html(answer.text))


def test_a_link_for_a_stranger_does_not_tell_where_it_was_followed(
    owner: TestClient, digest_event: Callable[..., str], read_html: type
) -> None:
    digest_event({"message": "one", "request": {"url": "https://evil.example/"}})
    shown = read_html(pages_with(owner)[1])
    (link,) = [attributes for _, attributes in shown.elements if attributes.get("href") == "https://evil.example/"]
    assert "noreferrer" in (link["rel"] or "")


def test_htmx_is_given_no_code_to_evaluate(
    owner: TestClient, digest_event: Callable[..., str], read_html: type
) -> None:
    """The policy forbids it, so what depends on it would silently not work."""
    digest_event({"message": "one"})
    for page in pages_with(owner, "/projects", "/account"):
        for _, attributes in read_html(page).elements:
            assert not any(name.startswith("hx-on") for name in attributes)
            assert "[" not in (attributes.get("hx-trigger") or "")
            assert not any((value or "").startswith(("js:", "javascript:")) for value in attributes.values())
