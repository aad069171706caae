"""What is remembered as clean never lets anything out: not for other rules, not after a change, not beside something new."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from ukemi.privacy import FILTERED, Rules, scrub
from ukemi.privacy.engine import _HARMLESS
from ukemi.privacy.memory import MAX_TEXTS, Memory, memory_for
from ukemi.privacy.patterns import SUSPICIOUS

RULES = Rules(hash_key=b"a key")


def scrubbed(tree, rules: Rules = RULES):
    return scrub(tree, rules).tree


def test_what_a_process_says_of_itself_is_searched_until_it_is_known_to_be_clean():
    for number in range(3):
        tree = {"extra": {"sys.argv": ["serve", "--password", f"hunter{number}"]}}

        assert scrubbed(tree) == {"extra": {"sys.argv": ["serve", "--password", FILTERED]}}


def test_what_is_known_is_taken_for_known_only_when_all_of_it_is_the_same():
    clean = {"sdk": {"name": "sentry.python", "integrations": ["argv", "logging"]}}
    for _ in range(3):
        assert scrubbed(clean) == clean

    changed = copy.deepcopy(clean)
    changed["sdk"]["integrations"].append("card 4111 1111 1111 1111")

    assert scrubbed(changed)["sdk"]["integrations"] == ["argv", "logging", f"card {FILTERED}"]


def test_changing_what_came_out_teaches_nothing():
    """The app's own hooks may do with an event what they like."""
    clean = {"runtime": {"name": "CPython", "build": "main"}}
    for _ in range(3):
        scrubbed(copy.deepcopy(clean))["runtime"]["build"] = "password=opensesame4711"

    assert scrubbed({"runtime": {"name": "CPython", "build": "password=opensesame4711"}}) == {
        "runtime": {"name": "CPython", "build": f"password={FILTERED}"}
    }


def test_what_is_clean_by_one_list_of_keys_is_not_by_another():
    """One process may hold several sets of rules; a text that one of them lets stand is no news to it alone."""
    text = {"message": "member_token=opensesame4711 belt=opensesame4712"}
    lenient = Rules(safe_keys=frozenset({"member_token"}))
    strict = Rules(secret_keys=frozenset({"belt"}))

    for _ in range(2):
        assert scrubbed(text, lenient) == text
        assert scrubbed(text, strict)["message"] == f"member_token={FILTERED} belt={FILTERED}"
        assert scrubbed(text)["message"] == f"member_token={FILTERED} belt=opensesame4712"
        assert scrubbed({"belt": "black"}, strict) == {"belt": FILTERED}
        assert scrubbed({"belt": "black"}) == {"belt": "black"}


def test_many_processes_are_told_apart_and_forgotten():
    for number in range(5000):
        tree = {"modules": {"shop": f"1.{number}"}, "sdk": {"name": f"shop.{number}"}}

        assert scrubbed(tree) == tree

    assert all(len(known) <= 8 for known in memory_for(RULES).standing.values())


def test_texts_are_remembered_within_bounds():
    memory = Memory()
    for number in range(MAX_TEXTS + 10):
        memory.note_clean(0, f"text {number}", was_suspicious=False)
        memory.note_plain(0, f"key {number}", 0)

    assert len(memory.clean[0]) <= MAX_TEXTS
    assert len(memory.plain[0]) <= MAX_TEXTS


def test_large_texts_are_not_remembered():
    memory = Memory()
    memory.note_clean(0, "x" * 1000, was_suspicious=True)
    memory.note_plain(0, "x" * 1000, 0)
    memory.note_standing("modules", {"name": "x" * 100_000})

    assert not memory.clean[0]
    assert not memory.plain[0]
    assert not memory.standing["modules"]


@given(st.from_regex(_HARMLESS, fullmatch=True), st.sampled_from(["version", "message", "context_line"]))
def test_numbers_and_times_that_are_not_searched_hold_nothing(text, key):
    assert not SUSPICIOUS.search(text)
    assert scrubbed({key: text}) == {key: text}


def test_a_text_that_comes_once_is_not_remembered():
    """The URL of each request, say: what waits for the next one would be as much as may be remembered at all."""
    rules = Rules(secret_keys=frozenset({"of this test alone"}))
    memory = memory_for(rules)
    for number in range(3000):
        scrub({"url": f"http://shop/items/{number}", "method": "GET"}, rules)

    remembered = [text for text in memory.clean[0] if text.startswith("http://shop/items/")]
    assert "GET" in memory.clean[0]
    assert len(remembered) < 100  # of those that look as if they had been seen
