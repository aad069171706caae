"""Keys are judged by their words."""

import pytest

from ukemi.privacy import is_identity_key, is_secret_key
from ukemi.privacy.keys import is_user_name_key, words_of

SECRET = """X-Api-Key db_password stripeSignature sessionid SESSION_ID accessToken userpassword client_secret
    AWS_SECRET_ACCESS_KEY Authorization Proxy-Authorization Set-Cookie csrfmiddlewaretoken card_number cardNumber cvc
    ssn_number otp totp_code jwt bearer private.key pass auth PHPSESSID refresh-token license_key pin passphrase
    password1 api_key2""".split()
HARMLESS = """author tokenizer passenger token_count max_tokens password_changed_at session_length auth_method keyboard
    monkey primary_key foreign_key cache_key key public_key secretary compass bypass cookie_count discard pinned
    has_password is_secret token_type password_policy session_count card_type""".split()
IDENTITIES = """email userEmail user_name USERNAME ip ip_address X-Forwarded-For X-Real-IP client_ip remote_addr
    REMOTE_ADDR login e-mail loginUsername""".split()
NO_IDENTITIES = """email_domain email_count zip ship description username_count mailbox_size tip email_template
    login_count user""".split()


@pytest.mark.parametrize("key", SECRET)
def test_key_that_names_a_secret_is_one(key):
    assert is_secret_key(key)


@pytest.mark.parametrize("key", HARMLESS)
def test_key_that_only_resembles_a_secret_is_none(key):
    assert not is_secret_key(key)


def test_keys_of_identities_are_told_from_their_neighbours():
    assert [key for key in IDENTITIES if not is_identity_key(key)] == []
    assert [key for key in NO_IDENTITIES if is_identity_key(key)] == []


def test_user_name_keys_end_in_the_word():
    assert [key for key in ("username", "user_name", "loginUsername", "User-Name") if not is_user_name_key(key)] == []
    assert [key for key in ("user", "name", "username_count", "") if is_user_name_key(key)] == []


@pytest.mark.parametrize("key", ["X-Api-Key", "xApiKey", "x_api_key", "x.api.key", "XApiKey"])
def test_every_way_to_write_words_gives_the_same_words(key):
    assert words_of(key) == ("x", "api", "key")


@pytest.mark.parametrize("key", ["X-aPi-KeY", "aUTHORIZATION", "pASSword", "PaSsWoRd", "sEt-CoOkIe", "aPIkEY"])
def test_header_names_are_secret_in_whatever_case(key):
    """Case means nothing in a header's name, and a proxy or an attacker may write it in any."""
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["isA", "userID", "tokenCount", "hasToken", "myPassport", "vCardUrl", "compassWord"])
def test_short_humps_make_no_secret(key):
    assert not is_secret_key(key)
