"""What debugging needs stays: ordinary keys and texts of apps lose nothing."""

import pytest

from ukemi.privacy import Rules, scrub

TREE = {
    "author": "J. Austen",
    "tokenizer": "cl100k_base",
    "passenger": 3,
    "token_count": 812,
    "max_tokens": 4096,
    "password_changed_at": "2024-05-01T10:00:00Z",
    "auth_method": "jwt",
    "session_length": 1800,
    "primary_key": "order_id",
    "cache_key": "products:page:2",
    "keyboard": "us",
    "monkey": "capuchin",
    "secretary": "office",
    "compass": "north",
    "has_password": True,
    "email_verified": True,
    "email_template": "welcome.html",
    "email_domain": "example.org",
    "zip": "94110",
    "description": "a pin board with cards",
    "card_type": "visa",
    "shipping": {"city": "Oslo", "address_line": "Main Street 5"},
    "duration_ms": 12.5,
    "user": {"id": "42", "role": "member", "tier": "gold"},
    "release": "shop@1.2.3.4",
    "event_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "4111111111111111",
}


@pytest.mark.parametrize("key", TREE)
def test_ordinary_key_keeps_its_value(key):
    assert scrub({key: TREE[key]}, Rules(hash_key=b"a key")).tree == {key: TREE[key]}


@pytest.mark.parametrize(
    "text",
    [
        "'NoneType' object has no attribute 'upper'",
        "KeyError: 'password'",
        "invalid password for this account",
        "the token expired 5 minutes ago",
        "token is missing",
        "password: required",
        "authorization: missing",
        "Unexpected token < in JSON at position 0",
        "a basic understanding of the bearer market",
        "Basic authentication failed",
        "Cannot read properties of null (reading 'foo')",
        "connection to server at localhost, port 5432 failed: Connection refused",
        "could not connect to 127.0.0.1:6379",
        "duplicate key value violates unique constraint users_pkey",
        "GET https://api.example.org/v1/orders/42?page=2 returned 502",
        "SELECT id, name FROM product WHERE price > 100 AND id IN (1, 2, 3)",
        "order 2024-0815 of 3 items for 129.90 EUR",
        "started at 10:20:30, finished at 10:20:31.5",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "<function boom at 0x7f8d3e7b22a0>",
        "Dependant(path_params=[], query_params=[], name=None, use_cache=True)",
        "File /srv/app/shop/auth/tokens.py, line 42, in refresh",
        "node_modules/@sentry/core/build/esm/tracing/trace.js",
        "from ukemi.sdk import init  # reads the key at start",
        "missing fields: ['card', 'basket', 'amount']",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36",
        "session opened, 3 passengers, author unknown",
        "Stripe: Your card was declined. code=card_declined",
        "retry 3 of 5 after 1.5 s: timeout=30 attempts=3 status=503",
        "1,234,567.89 of 9_999_999 tokens used",
        "+1 (555) 010-9999 ext. 12",
        "a@b is no address, nor is @decorator or user@localhost",
        "phase 1.2.3 of plan 4.5",
        "C:\\\\Program Files\\\\app\\\\main.py",
        "naïve café — ¥100",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    scrubbed = scrub({"message": text}, Rules(hash_key=b"a key"))

    assert scrubbed.tree == {"message": text}
    assert scrubbed.remarks == {}
