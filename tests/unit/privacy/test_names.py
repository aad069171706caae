"""A user name that stands under its key goes wherever it stands in the same tree."""

import pytest

from ukemi.privacy import FILTERED, Rules, hash_identity, scrub
from ukemi.privacy.names import collect

KEY = b"a key"
RULES = Rules(hash_key=KEY)
MARGE = hash_identity("marge", KEY)


def names_in(tree) -> set[str]:
    found: set[str] = set()
    collect(tree, found)
    return found


def without_names(tree):
    return scrub(tree, RULES, finds_names=True)


def test_user_names_are_found_wherever_they_stand_under_their_key():
    tree = {
        "user": {"username": "marge"},
        "frames": [{"vars": {"user_name": "'lisa'"}}, [{"loginUsername": "bart"}]],
        "name": "homer",
    }

    assert names_in(tree) == {"marge", "lisa", "bart"}


def test_words_that_are_no_names_are_not_taken_for_some():
    """Each would be replaced wherever it stands in the event."""
    hashed = hash_identity("marge", KEY)
    tree = [{"username": name} for name in ("None", "anonymous", "ab", "", "[Filtered]", hashed, "x" * 200)]

    assert names_in(tree) == set()


def test_user_name_of_the_tree_is_the_same_hash_in_its_messages():
    tree = {"user": {"username": "Marge"}, "message": "marge has no seat"}

    assert without_names(tree).tree == {"user": {"username": MARGE}, "message": f"{MARGE} has no seat"}


def test_a_text_that_was_clean_without_the_name_is_searched_for_it():
    text = "Login attempt by marge at the desk"
    assert without_names({"message": text}).tree == {"message": text}
    assert without_names({"message": text}).tree == {"message": text}

    tree = {"message": text, "user": {"username": "marge"}}

    assert without_names(tree).tree["message"] == f"Login attempt by {MARGE} at the desk"


@pytest.mark.parametrize(
    "secret",
    [
        {"credentials": {"username": "marge", "password": "hunter2"}},
        {"secret": [{"user_name": "'marge'"}]},
        {"password_username": "marge"},
        {"headers": [["username", "marge"]]},
        {"form": {"username": ["marge"]}},
    ],
)
def test_a_name_is_known_also_from_what_is_taken_as_a_whole_and_from_lists(secret):
    tree = {**secret, "message": "no seat for MARGE"}

    assert without_names(tree).tree["message"] == f"no seat for {MARGE}"


def test_names_go_from_keys_lists_and_equal_copies_with_a_remark_at_each_place():
    seen = {"seats": ["marge", 7], "of marge": {"left": None}}
    tree = {"user": {"username": "marge"}, "first": seen, "second": dict(seen)}

    result = without_names(tree)

    gone = {"seats": [MARGE, 7], f"of {MARGE}": {"left": None}}
    remark = {"": {"rem": [["@identity:hash", "p"]], "len": 5}}
    assert result.tree == {"user": {"username": MARGE}, "first": gone, "second": gone}
    assert result.remarks["user"]["username"] == remark
    assert result.remarks["first"]["seats"]["0"] == remark
    assert result.remarks["second"]["seats"]["0"] == remark
    assert f"of {MARGE}" in result.remarks["second"]


def test_keys_that_look_alike_without_the_name_stay_two():
    tree = {"username": "marge", "seats": {"marge": 1, "MARGE": 2}}

    assert without_names(tree).tree["seats"] == {MARGE: 1, f"{MARGE} (2)": 2}


@pytest.mark.parametrize("name", ["filtered", "hmac", "2dde", "0cb5843256"])
def test_a_name_that_is_part_of_what_stands_for_others_leaves_that_whole(name):
    tree = {"username": name, "email": "bob@example.org", "password": "hunter2", "trace_id": "0cb5843256a88045a65a2dde"}

    result = without_names(tree).tree

    assert result["email"] == "hmac:2dde:0cb5843256a88045a65a"
    assert result["password"] == FILTERED
    assert result["trace_id"] == tree["trace_id"]
    assert scrub(result, RULES, finds_names=True).tree == result


def test_the_argument_stays_as_it_was():
    tree = {"username": "marge", "sdk": {"name": "marge"}, "message": "marge"}
    for _ in range(3):
        without_names(tree)

    assert tree == {"username": "marge", "sdk": {"name": "marge"}, "message": "marge"}


@pytest.mark.parametrize(
    "name", ["exception", "values", "error", "transaction", "python", "shop@1.0", "frames", "email"]
)
def test_whoever_calls_himself_as_a_word_of_the_protocol_does_not_hide_his_errors(name):
    event = {
        "type": "transaction",
        "level": "error",
        "platform": "python",
        "release": "shop@1.0",
        "exception": {"values": [{"type": "KeyError", "stacktrace": {"frames": [{"function": "pay", "lineno": 7}]}}]},
        "user": {"username": name, "email": "bob@example.org"},
    }

    result = without_names(event).tree

    user = {"username": hash_identity(name, KEY), "email": hash_identity("bob@example.org", KEY)}
    assert result == {**event, "user": user}
