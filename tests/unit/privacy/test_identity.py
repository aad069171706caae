"""Keyed hashes: the same person stays recognisable without being named."""

import re

from ukemi.privacy import Rules, hash_identity, key_id, scrub_text

KEY = b"a key"


def test_same_person_gets_the_same_hash_however_written():
    assert hash_identity(" Bob@Example.ORG ", KEY) == hash_identity("bob@example.org", KEY)
    assert hash_identity("'bob'", KEY) == hash_identity("bob", KEY)


def test_hash_depends_on_the_key_and_names_it():
    one, other = hash_identity("bob", KEY), hash_identity("bob", b"another key")

    assert re.fullmatch(r"hmac:[0-9a-f]{4}:[0-9a-f]{20}", one)
    assert one.split(":")[1] == key_id(KEY)
    assert one.split(":")[1:] != other.split(":")[1:]


def test_hash_is_not_hashed_again():
    hashed = hash_identity("bob", KEY)

    assert hash_identity(hashed, b"another key") == hashed


def test_hashes_of_a_key_never_change():
    """Frozen: another hash would make a new user of everybody."""
    assert hash_identity("bob@example.org", KEY) == "hmac:2dde:0cb5843256a88045a65a"


def test_empty_identity_stays_empty():
    assert hash_identity("  ", KEY) == ""


def test_known_user_name_is_hashed_in_the_middle_of_a_text_in_any_case():
    rules = Rules(hash_key=KEY, known_identities=frozenset({"marge.b"}))

    assert scrub_text("no seat left for MARGE.B today", rules) == (
        f"no seat left for {hash_identity('marge.b', KEY)} today"
    )
    assert scrub_text("no seat left for margexb", rules) == "no seat left for margexb"


def test_known_user_name_is_removed_when_there_is_no_key():
    assert scrub_text("hello marge", Rules(known_identities=frozenset({"marge"}))) == "hello [Filtered]"
