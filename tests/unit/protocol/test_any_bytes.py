"""Whatever bytes come, a reader gives a value or an error of the protocol: never anything else, for that would be a 500."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ukemi.protocol.client_report import read_client_report
from ukemi.protocol.errors import ProtocolError
from ukemi.protocol.event import decode_event
from ukemi.protocol.feedback import read_feedback, read_user_report
from ukemi.protocol.multipart import Part, parse_multipart
from ukemi.protocol.otlp import count_records
from ukemi.protocol.quantities import quantities
from ukemi.protocol.repeats import read_repeats
from ukemi.protocol.request_counts import read_request_counts
from ukemi.protocol.security import read_security_report, split_reports
from ukemi.protocol.session import read_session, read_sessions
from ukemi.protocol.transaction import read_spans, read_transaction

NOW_S = 1_767_225_600.0
READERS = {
    "client_report": read_client_report,
    "event": decode_event,
    "feedback": read_feedback,
    "user_report": read_user_report,
    "request_counts": read_request_counts,
    "repeats": read_repeats,
    "session": lambda body: read_session(body, NOW_S),
    "sessions": lambda body: read_sessions(body, NOW_S),
    "transaction": lambda body: read_transaction(body, NOW_S),
    "spans": read_spans,
    "security": lambda body: [read_security_report(one, "", "", "") for one in split_reports(body)],
    "traces": lambda body: count_records(body, "traces", is_json=False),
    "logs": lambda body: count_records(body, "logs", is_json=True),
    "quantities": lambda body: quantities("log", body),
    "form": lambda body: parse_multipart(body, "multipart/form-data; boundary=x"),
}
WORDS = (
    "type body csp-report effective-directive blocked-uri items attributes value is_segment trace_id span_id contexts trace "
    "start_timestamp timestamp end_timestamp spans aggregates attrs release exited crashed sid seq errors status event_id "
    "comments feedback message name discarded_events quantity category reason version repeats buckets instance"
).split()
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["a" * 32, "b" * 16, "script-src", "ok", "2026-01-01T00:00:00Z", "self", "https://[", "\0"])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)


@pytest.mark.parametrize("name", READERS)
@example(b'{"a":"\xff"}')
@example(b"[" * 100_000)
@example(b'{"items":[' + b"[" * 100_000)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(name, body):
    with suppress(ProtocolError):
        READERS[name](body)


@pytest.mark.parametrize("name", READERS)
@given(TREES)
def test_any_json_is_read_or_refused(name, tree):

    with suppress(ProtocolError):
        READERS[name](json.dumps(tree).encode())


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=5), st.binary(max_size=50)), max_size=5))
def test_a_form_that_is_written_is_read_back(fields):
    boundary = "ukemi-boundary-of-which-no-content-holds-a-copy"
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in fields
    )
    body += f"--{boundary}--\r\n".encode()

    assert parse_multipart(body, f"multipart/form-data; boundary={boundary}") == [
        Part(name, "", "", content) for name, content in fields
    ]
