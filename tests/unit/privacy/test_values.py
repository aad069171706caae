"""What looks like a secret leaves running text, whatever it stands in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.privacy import DEFAULT_RULES, FILTERED, Rules, scrub_text
from ukemi.privacy.keys import _SECRET_PHRASES, _SECRET_WORDS
from ukemi.privacy.shapes import is_card_number

HASHING = Rules(hash_key=b"a key")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("card 4242424242424242 was declined", "4242"),
        ("card 4242 4242 4242 4242 was declined", "4242"),
        ("card 4242-4242-4242-4242 was declined", "4242"),
        ("2 x 4242 4242 4242 4242 12/30 123", "4242"),
        ("12 4242 4242 4242 4242 123 5555555555554444", "4242 4242"),
        ("Amex 378282246310005", "3782"),
        ("Amex 3782 822463 10005", "822463"),
        ("5555555555554444", "5555"),
        ("ssn 078-05-1120", "1120"),
        ("SSN is 078051120", "1120"),
        (f"sent {JWT} to the API", "eyJ"),
        (f"sent {JWT[:20]}", "eyJ"),
        ("Bearer abc123def456", "abc123"),
        ("authorization: ApiKey hunter2", "hunter2"),
        ("Authorization: Basic Ym9iOmh1bnRlcjI=", "Ym9i"),
        ("Basic Ym9iOmh1bnRlcjI=", "Ym9i"),
        ("postgresql://bob:hunter2@db.example.org/shop", "hunter2"),
        ("postgresql://bob:hun@ter2@db.example.org/shop", "ter2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow"),
        ("sk_live_abcdefgh12345678", "abcdefgh"),
        ("whsec_abcdefgh12345678", "abcdefgh"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFOD"),
        ("ghp_abcdefghij0123456789", "abcdefghij"),
        ("xoxb-1234567890-abcdef", "abcdef"),
        ("https://hooks.slack.com/services/T000/B000/XXXX", "T000"),
        ("SG.abcdefghijklmnop.abcdefghijklmnop", "abcdefghij"),
        ("password=hunter2", "hunter2"),
        ("the password is hunter2, sorry", "hunter2"),
        ("PASSWORD = 'hunter2 and more'", "and more"),
        ("?api_key=hunter2&page=1", "hunter2"),
        ("access_token%3Dhunter2", "hunter2"),
        ('{"password": "hunter2", "page": 1}', "hunter2"),
        ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
        ('{"password": ["hunter2", "hunter3"]}', "hunter"),
        ('{"passwords": {"old": {"value": "hunter2"}}}', "hunter2"),
        ("{'x-api-key': 'hunter2'}", "hunter2"),
        ("Login(password=SecretStr('hunter2'), page=1)", "hunter2"),
        ("[(b'x-api-key', b'hunter2'), (b'host', b'example.org')]", "hunter2"),
        ('[["x-api-key", "hunter2"]]', "hunter2"),
        ("Cookie: page=1; theme=hunter2", "hunter2"),
        ("url=https://example.org/?token=hunter2", "hunter2"),
        ('{"message": "log-in with password=hunter2 failed"}', "hunter2"),
        ('body: b\'{"password": "hunter2"}\'', "hunter2"),
        ('detail="{\\"password\\": \\"hunter2\\"}"', "hunter2"),
        ("os.environ['DB_PASSWORD'] = 'hunter2'", "hunter2"),
    ],
)
def test_secret_leaves_the_text(text, secret):
    scrubbed = scrub_text(text, DEFAULT_RULES)

    assert FILTERED in scrubbed
    assert secret not in scrubbed


@pytest.mark.parametrize(
    "whole",
    [
        '{"password": "hunter2"}',
        "password='hunter2'",
        '{\\"password\\": \\"hunter2\\"}',
        '{"secrets": ["hunter2"]}',
        "('authorization', 'hunter2')",
    ],
)
def test_text_that_was_cut_in_the_middle_of_a_secret_loses_what_is_left_of_it(whole):
    """Strings in events are cut at a limit, so the closing quote is often missing."""
    for end in range(whole.index("hunter2") + 2, len(whole) + 1):
        assert "hu" not in scrub_text(whole[:end], DEFAULT_RULES)


@pytest.mark.parametrize(
    "key", sorted(_SECRET_WORDS) + ["_".join(words) for words in _SECRET_PHRASES] + ["verificationCode", "X-CC-Number"]
)
def test_every_secret_key_loses_its_value_in_text_too(key):
    """One look decides whether a text is searched at all; no key may be missing there."""
    assert scrub_text(f"before {key}=zq7 after", DEFAULT_RULES) == f"before {key}={FILTERED} after"


def test_what_stands_around_a_secret_stays():
    assert scrub_text("POST /pay?token=zq7&page=2 failed with 502", DEFAULT_RULES) == (
        "POST /pay?token=[Filtered]&page=2 failed with 502"
    )
    assert scrub_text("Login(name='x', password=SecretStr('zq7'), page=1)", DEFAULT_RULES) == (
        "Login(name='x', password=[Filtered], page=1)"
    )
    assert scrub_text("Cookie: a=1; b=2\nHost: example.org", DEFAULT_RULES) == "Cookie: [Filtered]\nHost: example.org"


def test_facts_in_a_group_are_judged_one_by_one_in_text_too():
    assert scrub_text("{'auth': {'method': 'jwt', 'token': 'zq7'}}", DEFAULT_RULES) == (
        "{'auth': {'method': 'jwt', 'token': '[Filtered]'}}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424241",  # wrong check digit
        "order 1234567890123456",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "0000000000000000",
        "phone 900-12-3456",  # no SSN begins with 9
        "2026-11-20 10:00:00",
    ],
)
def test_numbers_that_are_no_card_and_no_social_security_number_stay(text):
    assert scrub_text(text, DEFAULT_RULES) == text


@given(st.sampled_from([("4", 16), ("34", 15), ("37", 15), ("51", 16), ("36", 14)]), st.data())
def test_exactly_one_check_digit_makes_a_card(brand, data):
    prefix, length = brand
    rest = data.draw(st.text("0123456789", min_size=length - len(prefix) - 1, max_size=length - len(prefix) - 1))
    numbers = [f"{prefix}{rest}{digit}" for digit in "0123456789"]

    [card] = [number for number in numbers if is_card_number(number)]

    assert card not in scrub_text(f"paid with {card}.", DEFAULT_RULES)


def test_identities_become_keyed_hashes():
    scrubbed = scrub_text("bob@example.org from 192.0.2.7 and 2001:db8::7", HASHING)

    assert "bob@example.org" not in scrubbed
    assert "192.0.2.7" not in scrubbed
    assert "2001:db8::7" not in scrubbed
    assert scrubbed.count("hmac:") == 3


def test_identities_are_removed_when_there_is_no_key():
    """The plain hash of an address is no protection: all four billion can be tried."""
    assert scrub_text("bob@example.org from 192.0.2.7", DEFAULT_RULES) == "[email] from [ip]"


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "::1", "12:34:56", "999.1.2.3", "shop@1.2.3", "a@b"])
def test_what_identifies_nobody_stays(text):
    assert scrub_text(text, HASHING) == text


def test_keys_that_the_user_lists_count_in_text_too():
    rules = Rules(secret_keys=frozenset({"membership_number"}))

    assert scrub_text("MembershipNumber=M-17 of 3", rules) == "MembershipNumber=[Filtered] of 3"


def test_keys_that_the_user_calls_safe_keep_their_values():
    rules = Rules(safe_keys=frozenset({"token_id"}))

    assert scrub_text("token_id=abc", DEFAULT_RULES) == "token_id=[Filtered]"
    assert scrub_text("token_id=abc", rules) == "token_id=abc"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("shop --db-password hunter2 --page 1", "shop --db-password [Filtered] --page 1"),
        ("git clone https://zq7token99@git.example.org/x", "git clone https://[Filtered]@git.example.org/x"),
        ("curl -u bob:hunter2 https://x.example", "curl -u [Filtered] https://x.example"),
        ("Key (password)=(hunter2) already exists.", "Key (password)=([Filtered]) already exists."),
        ("INSERT INTO a (id, token) VALUES (1, 'zq7'), (2, 'zq8')", "INSERT INTO a (id, token) VALUES (1, [Filtered]), (2, [Filtered])"),
        ("Failing row contains (7, kiyoshi, hunter2).", "Failing row contains ([Filtered])."),
        (
            "[SQL: UPDATE a SET password=? WHERE id=?]\n[parameters: ('hunter2', 7)]",
            "[SQL: UPDATE a SET password=? WHERE id=?]\n[parameters: ([Filtered])]",
        ),
        ("ALTER USER bob WITH PASSWORD 'hunter2'", "ALTER USER bob WITH PASSWORD '[Filtered]'"),
        ("password: str = 'hunter2'", "password: str = [Filtered]"),
        ("if password == 'hunter2':", "if password == [Filtered]:"),
        ("<password>hunter2</password>", "<password>[Filtered]</password>"),
        ("token => hunter2", "token => [Filtered]"),
        ("api key: hunter2", "api key: [Filtered]"),
        ("log-in with password hunter2 failed", "log-in with password [Filtered] failed"),
        ("<Login: password='hunter2', page=1>", "<Login: password=[Filtered], page=1>"),
        ("bob%40example.org", "[email]"),
        ("card 4111\u00a01111\u00a01111\u00a01111", "card [Filtered]"),
        ("4111.1111.1111.1111", "[Filtered]"),
    ],
)  # fmt: skip
def test_secret_is_found_as_tools_write_it(text, left):
    assert scrub_text(text, DEFAULT_RULES) == left
