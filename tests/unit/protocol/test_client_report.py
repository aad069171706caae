"""Client reports are hints that anybody with the key can send: read tolerantly, and bounded."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.client_report import MAX_ENTRIES, MAX_QUANTITY, Lost, read_client_report
from ukemi.protocol.errors import PayloadError


def report(*entries: dict[str, object]) -> bytes:
    return json.dumps({"timestamp": 1, "discarded_events": entries}).encode()


def entry(**changes: object) -> dict[str, object]:
    return {"reason": "ratelimit_backoff", "category": "error", "quantity": 3, **changes}


def test_what_the_client_lost_is_read():
    assert read_client_report(report(entry(), entry(category="span", reason="queue_overflow", quantity=1))) == [
        Lost("error", "ratelimit_backoff", 3),
        Lost("span", "queue_overflow", 1),
    ]


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"category": "unheard_of"}, Lost("default", "ratelimit_backoff", 3)),
        ({"reason": "Strange Reason!"}, Lost("error", "other", 3)),
        ({"reason": "x" * 41}, Lost("error", "other", 3)),
        ({"quantity": 10**9}, Lost("error", "ratelimit_backoff", MAX_QUANTITY)),
    ],
)
def test_words_and_numbers_are_bounded(changes, lost):
    """They become labels of metrics."""
    assert read_client_report(report(entry(**changes))) == [lost]


def test_nothing_lost_is_nothing():
    assert read_client_report(report(entry(quantity=0), entry(quantity=-5))) == []
    assert read_client_report(b"{}") == []


def test_number_of_entries_is_bounded():
    assert len(read_client_report(report(*[entry()] * 500))) == MAX_ENTRIES


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"[]", b'{"discarded_events": 5}', b"null", b"\xff"])
def test_what_is_no_report_is_refused(body):
    with pytest.raises(PayloadError):
        read_client_report(body)


@given(st.binary(max_size=200))
def test_any_bytes_give_losses_or_a_payload_error(body):
    with suppress(PayloadError):
        read_client_report(body)
