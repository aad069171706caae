"""The search of the issue list: whatever somebody types means something, if only text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ukemi.collector.core.search import MAX_TERMS, Search, parse_search

SNIPPETS = ["is:", "open", "muted", ":", '"', '""', "//", " ", "user.id:", "level", "-", "x", "é", "\x00", "\n"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", Search()),
        ("   ", Search()),
        ("is:resolved", Search(status="resolved")),
        ("is:unresolved", Search(status="open")),
        ("is:ignored", Search(status="muted")),
        ("is:any", Search(status="")),
        ("is:resolved is:muted", Search(status="muted")),
        ("is:sunny", Search(unknown=["is:sunny"])),
        ("card declined", Search(texts=["card", "declined"])),
        ('"card declined"', Search(texts=["card declined"])),
        ("level:error environment:production", Search(tags=[("level", "error"), ("environment", "production")])),
        ('release:"shop@1.0 beta"', Search(tags=[("release", "shop@1.0 beta")])),
        ("url:https://x.example/y", Search(tags=[("url", "https://x.example/y")])),
        ("user.id:42 user.email:j@x.example", Search(user_keys=["id:42", "email:j@x.example"])),
        ("user.ip:10.0.0.1 user.username:jane", Search(user_keys=["ip_address:10.0.0.1", "username:jane"])),
        ("user.role:admin", Search(tags=[("user.role", "admin")])),
        ("https://x.example/pay", Search(texts=["https://x.example/pay"])),
        ("12:30 :x x:", Search(texts=["12:30", ":x", "x:"])),
        ('""', Search()),
        ('"half', Search(texts=["half"])),
    ],
)
def test_what_is_typed_is_read(typed, expected):
    assert parse_search(typed) == expected


@given(st.text(max_size=600) | st.lists(st.sampled_from(SNIPPETS), max_size=60).map("".join))
@example('"' * 600)
@example("a:" * 300)
def test_any_text_is_a_search(typed):
    search = parse_search(typed)

    assert search.status in {"open", "resolved", "muted", ""}
    assert all(search.texts)
    assert all(key for key, _ in search.tags)
    assert len(search.texts) + len(search.tags) + len(search.user_keys) + len(search.unknown) <= MAX_TERMS


def test_terms_beyond_the_most_that_are_read_are_left_out():
    assert parse_search(" ".join(f"t{number}" for number in range(50))).texts == [f"t{n}" for n in range(MAX_TERMS)]
