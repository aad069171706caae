"""The signs that tell which finders have to look at a text: none is missing where a finder would find something."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.privacy.unseen import corpus
from ukemi.privacy import Rules, patterns, scrub_text
from ukemi.privacy.patterns import FINDERS, signed

_RULES = Rules(hash_key=b"k" * 32)
_FILES = [f"{name}_{sort}" for name in ("first", "second", "third") for sort in ("secrets", "benign")]
_TEXTS = [str(case.value) for name in _FILES for group in corpus.read(name).values() for case in group]
_PIECES = st.sampled_from(
    [piece for text in _TEXTS for piece in text.split(" ")] + ["\n", "\t", "\f", '\\"', "</", " = "]
)


def _finds(text: str) -> set[int]:
    return {number for number, finder in enumerate(FINDERS) if finder.find(text, _RULES) != text}


def test_what_finds_something_in_a_text_has_its_sign_there():
    """Each of the texts that measure the rules; the finders all have a text of their own among them or in the matrix."""
    for text in _TEXTS:
        assert _finds(text) <= signed(text), text


@given(st.lists(_PIECES, min_size=1, max_size=12).map(" ".join))
def test_what_finds_something_in_any_text_has_its_sign_there(text):
    assert _finds(text) <= signed(text)


def test_where_re2_gives_up_everything_is_looked_for(monkeypatch):
    """Its memory is bounded, and a set that ran out of it answers as if nothing were there."""

    class GivesUp:
        def Match(self, _text: str) -> list[int]:
            return []

    monkeypatch.setattr(patterns, "_PASSES", [(numbers, GivesUp()) for numbers, _ in patterns._PASSES])

    assert signed("password=hunter2") == set(range(len(FINDERS)))
    assert "hunter2" not in scrub_text("password=hunter2", _RULES)


def test_a_sign_that_is_always_there_tells_a_text_without_signs_from_one_that_was_not_read():
    assert signed("") == set()
    assert all(signs.Match("") for _, signs in patterns._PASSES)
