"""Every place of a tree is looked at; what comes out has the same shape, and scrubbing it again changes nothing."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.privacy import DEFAULT_RULES, FILTERED, Rules, hash_identity, scrub

HASHING = Rules(hash_key=b"a key", secret_keys=frozenset({"membership_number"}), known_identities=frozenset({"marge"}))
PIECES = [
    "password=hunter2",
    "token: ",
    '"secret": {"a": ["b"',
    "('authorization', 'x')",
    "Authorization: Basic Ym9i",
    "Cookie: a=1; b=2",
    "bob@example.org",
    "192.0.2.7",
    "[2001:db8::7]",
    "4111 1111 1111 1111",
    "https://u:p@h/",
    "[Filtered]",
    "Bearer abc123def",
    "hmac:1a2b:",
    "marge",
    "eyJhbGciOiJIUzI1NiJ9",
    *" '\"\\{](=:@",
]
texts = st.text(max_size=12) | st.lists(st.sampled_from(PIECES), max_size=7).map("".join)
keys = st.text(max_size=8) | st.sampled_from(["password", "email", "token_count", "auth", "event_id", "url", "_meta"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


@pytest.mark.parametrize(
    "tree",
    [
        {"password": "zq7"},
        {"password": {"old": "zq7"}},
        {"password": ["zq7", ["zq7"]]},
        {"password": 777},
        {"password": b"zq7"},
        {"a": [{"b": ({"c": "password=zq7"},)}]},
        {"headers": [["X-Api-Key", "zq7"], ["Host", "example.org"]]},
        {"headers": [(b"authorization", b"Bearer zq7"), (b"host", b"example.org")]},
        {"headers": {b"cookie": b"zq7"}},
        {"body": b'{"password": "zq7"}'},
        {"body": {"password=zq7"}},
        {"vars": {"form": "Login(password='zq7')", "password": "'zq7'"}},
        {"auth": {"method": "password", "token": "zq7"}},
        {"session": "zq7"},
        {"extra": {"token=zq7": 1}},
        {"card": {"cvc": "zq7", "brand": "visa"}},
        ["--set", "password=zq7"],
    ],
)
def test_secret_leaves_every_place(tree):
    assert "zq7" not in repr(scrub(tree, DEFAULT_RULES).tree)


def test_objects_are_shown_by_their_scrubbed_repr():
    class Login:
        def __repr__(self) -> str:
            return "Login(password='zq7', page=1)"

    assert scrub({"form": Login()}, DEFAULT_RULES).tree == {"form": "Login(password=[Filtered], page=1)"}


def test_sentence_does_not_name_what_follows_it():
    assert scrub(["invalid password", "try again"], DEFAULT_RULES).tree == ["invalid password", "try again"]


def test_card_number_leaves_also_as_a_number():
    assert scrub({"n": 4242424242424242, "id": 4242424242424241}, DEFAULT_RULES).tree == {
        "n": FILTERED,
        "id": 4242424242424241,
    }


def test_facts_in_a_group_are_judged_one_by_one():
    tree = {"auth": {"method": "jwt", "token": "zq7"}, "card": {"brand": "visa", "number": "4242424242424242"}}

    assert scrub(tree, DEFAULT_RULES).tree == {
        "auth": {"method": "jwt", "token": FILTERED},
        "card": {"brand": "visa", "number": FILTERED},
    }


@pytest.mark.parametrize("empty", [None, True, False, "", [], {}])
def test_that_a_secret_is_missing_stays_visible(empty):
    """Often the very reason of the error."""
    assert scrub({"password": empty}, DEFAULT_RULES).tree == {"password": empty}


def test_token_numbers_of_language_models_stay():
    assert scrub({"prompt_tokens": 812, "tokens": 900}, DEFAULT_RULES).tree == {"prompt_tokens": 812, "tokens": 900}


@pytest.mark.parametrize("name", ["X-Api-Key", b"x-api-key", "b'x-api-key'", "'x-api-key'"])
def test_the_first_of_a_pair_names_the_second_however_it_is_written(name):
    """A variable of a stack frame shows a server's header list as reprs of bytes."""
    assert scrub({"headers": [[name, "b'opensesame'"]]}, Rules()).tree["headers"][0][1] == FILTERED


def test_listed_keys_lose_their_values_in_mappings_and_pairs():
    rules = Rules(secret_keys=frozenset({"membership_number"}))
    tree = {"MembershipNumber": "M-17", "pairs": [["membership-number", "M-17"]], "membership": "gold"}

    assert scrub(tree, rules).tree == {
        "MembershipNumber": FILTERED,
        "pairs": [["membership-number", FILTERED]],
        "membership": "gold",
    }


def test_safe_keys_keep_their_values_but_are_searched():
    rules = Rules(safe_keys=frozenset({"token_id"}))

    assert scrub({"token_id": "abc"}, rules).tree == {"token_id": "abc"}
    assert scrub({"token_id": "sk_live_abcdefgh12345678"}, rules).tree == {"token_id": FILTERED}


def test_every_address_of_a_forwarded_list_gets_its_own_hash():
    key = b"a key"

    assert scrub({"X-Forwarded-For": "192.0.2.7, 198.51.100.9"}, Rules(hash_key=key)).tree == {
        "X-Forwarded-For": f"{hash_identity('192.0.2.7', key)}, {hash_identity('198.51.100.9', key)}"
    }


def test_versions_are_no_addresses_under_keys_that_say_so():
    tree = {"release": "1.2.3.4", "modules": {"shop": "shop"}, "sdk": {"version": "10.20.30.40"}, "at": "1.2.3.4"}

    scrubbed = scrub(tree, DEFAULT_RULES).tree

    assert scrubbed == {**tree, "at": "[ip]"}


def test_ids_stay_and_only_ids():
    tree = {"event_id": "4111111111111111", "trace_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}

    assert scrub(tree, DEFAULT_RULES).tree == tree
    assert scrub({"event_id": "AKIAIOSFODNN7EXAMPLE"}, DEFAULT_RULES).tree == {"event_id": FILTERED}


def test_placeholder_for_the_address_of_the_connection_stays():
    assert scrub({"ip_address": "{{auto}}"}, HASHING).tree == {"ip_address": "{{auto}}"}


def test_remarks_mirror_the_tree_and_say_what_was_taken():
    tree = {"user": {"email": "bob@example.org"}, "lines": ["fine", "token=zq7"], "password": "zq7"}

    assert scrub(tree, HASHING).remarks == {
        "user": {"email": {"": {"rem": [["@identity:hash", "p"]], "len": 15}}},
        "lines": {"1": {"": {"rem": [["@password:filter", "s"]], "len": 9}}},
        "password": {"": {"rem": [["@password:filter", "s"]], "len": 3}},
    }


def test_nothing_taken_leaves_no_remarks():
    assert scrub({"message": "all is well", "n": [1, 2.5, None]}, DEFAULT_RULES).remarks == {}


def test_huge_text_is_cut_before_it_is_searched():
    scrubbed = scrub("x" * 300_000, DEFAULT_RULES).tree

    assert len(scrubbed) == 200_001
    assert scrub(scrubbed, DEFAULT_RULES).tree == scrubbed


def test_tree_without_end_is_cut():
    endless: list[object] = []
    endless.append(endless)

    assert "<nested too deep>" in json.dumps(scrub(endless, DEFAULT_RULES).tree)


@given(trees, st.sampled_from([DEFAULT_RULES, HASHING]))
def test_scrubbing_twice_changes_nothing_more(tree, rules):
    once = scrub(tree, rules).tree

    assert scrub(once, rules).tree == once


@given(trees, st.sampled_from([DEFAULT_RULES, HASHING]))
def test_argument_is_never_changed(tree, rules):
    before = copy.deepcopy(tree)

    scrub(tree, rules)

    assert tree == before


@given(trees, st.sampled_from([DEFAULT_RULES, HASHING]))
def test_any_tree_gives_a_tree_of_the_same_shape(tree, rules):
    assert_same_shape(tree, scrub(tree, rules).tree)


def assert_same_shape(tree, scrubbed):
    """Alike but for texts, and for what became FILTERED."""
    if scrubbed == FILTERED:
        return
    assert type(scrubbed) is type(tree)
    if isinstance(tree, dict):
        assert len(scrubbed) == len(tree)
        for entry, scrubbed_entry in zip(tree.values(), scrubbed.values(), strict=True):
            assert_same_shape(entry, scrubbed_entry)
    elif isinstance(tree, list):
        assert len(scrubbed) == len(tree)
        for entry, scrubbed_entry in zip(tree, scrubbed, strict=True):
            assert_same_shape(entry, scrubbed_entry)
    elif not isinstance(tree, str):
        assert scrubbed == tree


@given(st.binary(max_size=200))
def test_any_bytes_give_text(body):
    assert isinstance(scrub({"body": body}, HASHING).tree["body"], str)


def test_addresses_as_keys_stay_apart_when_both_are_removed():
    tree = {"bob@example.org": 1, "eve@example.org": 2}

    assert scrub(tree, DEFAULT_RULES).tree == {"[email]": 1, "[email] (2)": 2}


def test_card_number_leaves_also_as_a_float():
    assert scrub([4242424242424242.0, 4242424242424241.0], DEFAULT_RULES).tree == [FILTERED, 4242424242424241.0]


def test_options_of_a_command_line_name_the_argument_behind_them():
    argv = ["shop-admin", "--password", "zq7", "--page", "1"]

    assert scrub({"argv": argv}, DEFAULT_RULES).tree == {"argv": ["shop-admin", "--password", FILTERED, "--page", "1"]}


def test_what_stands_in_many_frames_leaves_all_of_them_and_is_noted_at_each():
    """Frames that call each other show the same request in their variables; it is walked once."""
    scope = {"headers": [["host", "shop"], ["x-api-key", "k1"]], "query": "password=hunter2", "user": {"pin": "1"}}
    tree = {"frames": [{"vars": {"scope": copy.deepcopy(scope)}} for _ in range(3)]}
    result = scrub(tree, DEFAULT_RULES)
    assert "hunter2" not in json.dumps(result.tree)
    assert "k1" not in json.dumps(result.tree)
    first, second, third = (result.remarks["frames"][str(index)]["vars"]["scope"] for index in range(3))
    assert first == second == third
    assert first["headers"]["1"]["1"][""]["rem"] == [["@password:filter", "s"]]
    assert tree["frames"][2]["vars"]["scope"] == scope


@given(
    st.lists(
        st.recursive(
            st.sampled_from(["hunter2", "password", "--password", "a", "b'x-api-key'", 3, None, True]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["password", "a", "scope", "host"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    )
)
def test_a_value_is_scrubbed_the_same_wherever_it_comes_again(values):
    """What was learnt from one value, in this tree or an earlier one, changes nothing about the next."""
    together = scrub([{"scope": value} for value in values], DEFAULT_RULES).tree
    assert together == [scrub([{"scope": value}], Rules(secret_keys=frozenset({"zz"}))).tree[0] for value in values]


@pytest.mark.parametrize(
    ("template", "parameters", "left"),
    [
        ("password: %s, order %d", ["opensesame", 7], ["[Filtered]", 7]),
        ("order %d, pin=%04d", [7, 4921], [7, "[Filtered]"]),
        ("Authorization: Bearer %s", ("opensesame",), ["[Filtered]"]),
        ("100%% of %s signed in with token %r", ["members", "opensesame"], ["members", "[Filtered]"]),
        ("password", ["opensesame"], ["opensesame"]),
        ("order %s of %s", ["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_a_template_tells_which_of_its_parameters_are_secret(template, parameters, left):
    """`log.error("password: %s", password)`: the parameter is sent beside the template, and on its own it is any word."""
    entry = {"message": template, "params": parameters}
    attributes = {"sentry.message.template": template}
    attributes |= {f"sentry.message.parameter.{at}": one for at, one in enumerate(parameters)}

    assert scrub({"logentry": entry}, DEFAULT_RULES).tree["logentry"]["params"] == left
    assert list(scrub({"attributes": attributes}, DEFAULT_RULES).tree["attributes"].values())[1:] == left


@pytest.mark.parametrize(
    "template", ["password: %(a)s, order %(b)d", "order {b}, password={a}", "secret={a!r} of {b:>4}"]
)
def test_a_template_tells_also_of_parameters_that_have_names(template):
    parameters = {"a": "opensesame", "b": 7}
    attributes = {"sentry.message.template": template} | {
        f"sentry.message.parameter.{name}": value for name, value in parameters.items()
    }

    assert scrub({"message": template, "params": parameters}, DEFAULT_RULES).tree["params"] == {
        "a": "[Filtered]",
        "b": 7,
    }
    assert list(scrub(attributes, DEFAULT_RULES).tree.values())[1:] == ["[Filtered]", 7]


@pytest.mark.parametrize("parameters", [{"user": "lena", "password": "kestrel-9"}, ["lena", "kestrel-9"]])
def test_a_parameter_that_goes_does_not_stay_in_the_text_it_was_put_into(parameters):
    """The text alone does not tell that it is one."""
    template = "auth %(user)s:%(password)s" if isinstance(parameters, dict) else "auth %s with password %s"

    clean = scrub(
        {"logentry": {"message": template, "params": parameters, "formatted": "auth lena:kestrel-9"}}, DEFAULT_RULES
    )

    assert clean.tree["logentry"]["formatted"] == f"auth lena:{FILTERED}"
    assert "formatted" in clean.remarks["logentry"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("MAILGUN_KEY=ab12-cd34", f"MAILGUN_KEY={FILTERED}"),
        ('ROUTE_KEY = "route"', 'ROUTE_KEY = "route"'),
        ("CACHE_KEY=orders-4711a", "CACHE_KEY=orders-4711a"),
        (r"(?P<token>\w+)/?", r"(?P<token>\w+)/?"),
        ("<token>kestrel", f"<token>{FILTERED}"),
        ("app -u lena -p kestrel", f"app -u lena -p {FILTERED}"),
        ("app -u lena -p 8080", "app -u lena -p 8080"),
        ("mysql -u lena -p shop", "mysql -u lena -p shop"),
        ("SETEX session:42 60 kestrel-9", f"SETEX session:42 60 {FILTERED}"),
        ("SET session TRANSACTION READ ONLY", "SET session TRANSACTION READ ONLY"),
    ],
)
def test_what_opens_something_is_told_from_what_is_only_called_so(text, left):
    assert scrub({"message": text}, DEFAULT_RULES).tree["message"] == left
