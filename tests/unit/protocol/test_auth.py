"""The key of a request, in every form in which SDKs send it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.auth import Auth, read_auth
from ukemi.protocol.errors import AuthError, NoKey

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
DSN = f"https://{KEY}@errors.example.org/42"


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "query", "dsn", "client"),
    [
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_version=7, sentry_client=x/1"}, "", None, "x/1"),
        ({"x-sentry-auth": f"sentry sentry_version=7,sentry_key={KEY}"}, "", None, ""),
        ({"authorization": f"Sentry sentry_key={KEY}"}, "", None, ""),
        ({"authorization": basic(KEY)}, "", None, ""),
        ({}, f"sentry_version=7&sentry_key={KEY}&sentry_client=x%2F1", None, "x/1"),
        ({}, "", DSN, ""),
        ({"user-agent": "x/1"}, "", DSN, "x/1"),
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}"}, f"sentry_key={KEY}&sentry_client=x/1", DSN, "x/1"),
    ],
)
def test_every_form_is_understood(headers, query, dsn, client):
    assert read_auth(headers, query, dsn) == Auth(KEY, client)


def test_authorization_of_another_scheme_is_none_of_ours():
    assert read_auth({"authorization": "Bearer something"}, f"sentry_key={KEY}").public_key == KEY


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer x"}, {"authorization": "Basic ???"}, {"x-sentry-auth": "Sentry a=b"}]
)
def test_request_without_a_key_says_so(headers):
    with pytest.raises(NoKey):
        read_auth(headers, "page=1")


@pytest.mark.parametrize(
    ("headers", "query", "dsn"),
    [
        ({"x-sentry-auth": f"Sentry sentry_key={OTHER}"}, f"sentry_key={KEY}", None),
        ({"x-sentry-auth": f"Sentry sentry_key={OTHER}"}, "", DSN),
        ({}, f"sentry_key={OTHER}", DSN),
    ],
)
def test_keys_that_differ_are_refused(headers, query, dsn):
    """Else a request could be admitted under one key and counted under another."""
    with pytest.raises(AuthError, match="differ"):
        read_auth(headers, query, dsn)


@pytest.mark.parametrize("key", ["a b", "x" * 65, "'; --", "../1", "é"])
def test_malformed_key_is_refused_and_not_repeated(key):
    with pytest.raises(AuthError) as raised:
        read_auth({"authorization": basic(key)}, "")

    assert key not in str(raised.value)


def test_broken_dsn_in_the_envelope_is_refused():
    with pytest.raises(AuthError, match="DSN"):
        read_auth({}, "", "https://example.org/42")


def test_query_of_endless_fields_is_refused():
    with pytest.raises(AuthError, match="50 fields"):
        read_auth({}, f"sentry_key={KEY}" + "&a=1" * 50)


@given(st.text(max_size=80), st.text(max_size=80), st.none() | st.text(max_size=80))
def test_anything_gives_a_key_or_an_auth_error(header, query, dsn):
    headers = {"x-sentry-auth": f"Sentry {header}", "authorization": f"Basic {header}"}
    try:
        auth = read_auth(headers, f"sentry_key={query}", dsn)
    except AuthError:
        return
    assert auth.public_key
