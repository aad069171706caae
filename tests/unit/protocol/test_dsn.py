"""DSNs: what we write we read back; what is wrong is said without the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.dsn import Dsn, read_dsn, write_dsn
from ukemi.protocol.errors import BadDsn

KEY = "0123456789abcdef0123456789abcdef"


@given(
    st.sampled_from(
        ["http://localhost:8790", "https://errors.example.org", "https://example.org/ukemi", "http://[::1]:80"]
    ),
    st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    st.integers(0, 10**9),
)
def test_what_we_write_we_read_back(base_url, key, project_id):
    assert read_dsn(write_dsn(base_url, key, project_id)) == Dsn(base_url, key, project_id)


def test_spaces_and_a_final_slash_are_forgiven():
    assert read_dsn(f"  https://{KEY}@example.org/42/\n").project_id == 42


def test_old_form_with_a_secret_key_is_understood():
    assert read_dsn(f"https://{KEY}:old@example.org/42") == Dsn("https://example.org", KEY, 42)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "http://"),
        ("not a dsn", "http://"),
        (f"ftp://{KEY}@example.org/42", "http://"),
        ("https://example.org/42", "no key"),
        (f"https://{KEY}@example.org/shop", "project number"),
        (f"https://{KEY}@example.org/", "project number"),
        (f"https://{KEY}@example.org/٤٢", "project number"),
        (f"https://{KEY}@example.org:port/42", "not a URL"),
        (f"https://{KEY}%2F@example.org/42", "no key"),
    ],
)
def test_broken_dsn_is_refused_with_what_is_wrong_and_without_its_key(text, what):
    with pytest.raises(BadDsn, match=what) as raised:
        read_dsn(text)

    assert KEY not in str(raised.value)


@given(st.text(max_size=60))
def test_any_text_gives_a_dsn_or_bad_dsn(text):
    try:
        dsn = read_dsn(text)
    except BadDsn:
        return
    assert dsn.public_key
