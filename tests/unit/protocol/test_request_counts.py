"""The item of request counts: strict, for alerts stand on it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.errors import PayloadError
from ukemi.protocol.request_counts import MAX_BUCKETS, read_request_counts

BUCKET = {
    "sequence": 4,
    "age_ms": 9000,
    "routes": [{"method": "GET", "route": "/pay", "status": 502, "count": 3, "latency": {"120": 3}}],
}


def report(**changes: object) -> bytes:
    fields = {"version": 1, "instance": {"id": "ab" * 16, "pid": 7, "age_ms": 60_000}, "buckets": [BUCKET]}
    return json.dumps({**fields, **changes}).encode()


def test_report_is_read():
    counts = read_request_counts(report(ended=True, since_success_ms=5000, failures_ms=[900, 100], failure_count=2))

    [bucket] = counts.buckets
    [row] = bucket.routes
    assert (row.method, row.route, row.status, row.count, row.latency) == ("GET", "/pay", 502, 3, {"120": 3})
    assert (bucket.sequence, bucket.age_ms) == (4, 9000)
    assert (counts.ended, counts.since_success_ms, counts.since_request_ms) == (True, 5000, None)
    assert (counts.failures_ms, counts.failure_count) == ([900, 100], 2)


def test_unknown_fields_of_a_later_sdk_are_passed_over():
    assert read_request_counts(report(colour="blue")).version == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "unknown_version"),
        ({"instance": {"id": "x"}}, "bad_request_counts"),
        ({"instance": {"id": "AB" * 16}}, "bad_request_counts"),
        ({"instance": None}, "bad_request_counts"),
        ({"buckets": [BUCKET] * (MAX_BUCKETS + 1)}, "bad_request_counts"),
        ({"buckets": [{**BUCKET, "age_ms": -1}]}, "bad_request_counts"),
        ({"buckets": [{**BUCKET, "routes": [{**BUCKET["routes"][0], "count": -3}]}]}, "bad_request_counts"),
        ({"buckets": [{**BUCKET, "routes": [{**BUCKET["routes"][0], "status": 99}]}]}, "bad_request_counts"),
        ({"buckets": [{**BUCKET, "routes": [{**BUCKET["routes"][0], "count": 1 << 41}]}]}, "bad_request_counts"),
        ({"failures_ms": [1] * 51}, "bad_request_counts"),
        ({"failures_ms": [-1]}, "bad_request_counts"),
    ],
)
def test_value_out_of_bounds_refuses_the_report(changes, reason):
    with pytest.raises(PayloadError) as raised:
        read_request_counts(report(**changes))

    assert raised.value.reason == reason


@given(st.binary(max_size=200))
def test_any_bytes_give_a_payload_error(body):
    with pytest.raises(PayloadError):
        read_request_counts(body)


def test_deep_nesting_is_refused():
    with pytest.raises(PayloadError):
        read_request_counts(b"[" * 100_000)
