"""Outcomes cross the spool as JSON."""

import msgspec
import pytest

from ukemi.collector.core.outcome import ACCEPTED, Outcome, OutcomeCount


def test_accepted_needs_no_reason():
    assert Outcome("accepted") == ACCEPTED
    assert ACCEPTED.reason == ""


def test_an_outcome_is_a_key_to_count_by():
    assert len({Outcome("invalid", "too_large"), Outcome("invalid", "too_large"), Outcome("invalid", "bad_json")}) == 2


def test_a_count_that_ingest_wrote_is_read_back():
    count = OutcomeCount("error", "rate_limited", "project_minute", 7)

    assert msgspec.json.decode(msgspec.json.encode(count), type=OutcomeCount) == count


def test_a_fate_that_does_not_exist_is_refused():
    text = b'{"category": "error", "outcome": "forgotten", "reason": "", "quantity": 1}'

    with pytest.raises(msgspec.ValidationError, match="forgotten"):
        msgspec.json.decode(text, type=OutcomeCount)
