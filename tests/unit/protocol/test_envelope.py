"""Envelopes: framing as the specification says and as real SDKs write it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol import envelope as protocol
from ukemi.protocol.envelope import EnvelopeHeader, ItemHeader, Sdk, parse_envelope, read_event_id, write_envelope
from ukemi.protocol.errors import EnvelopeError

EVENT_ID = "9ec79c33ec9942ab8353589fcb2e04dc"
words = st.text("abcdefghij_", min_size=1, max_size=12)
headers = st.builds(
    EnvelopeHeader,
    event_id=st.none() | st.uuids().map(lambda uuid: uuid.hex),
    dsn=st.none() | st.text(max_size=20),
    sent_at=st.none() | st.text(max_size=20),
    sdk=st.none() | st.builds(Sdk, name=words, version=words),
)
items = st.lists(
    st.tuples(st.fixed_dictionaries({"type": words}, optional={"filename": st.text(max_size=20)}), st.binary()),
    max_size=5,
)


@given(headers, items)
def test_what_we_write_we_read_back(header, written):
    envelope = parse_envelope(write_envelope(header, written))

    assert envelope.header == header
    assert [item.payload for item in envelope.items] == [payload for _, payload in written]
    assert [(i.header.type, i.header.filename, i.header.length) for i in envelope.items] == [
        (fields["type"], fields.get("filename"), len(payload)) for fields, payload in written
    ]


@given(headers, items, st.data())
def test_any_cut_gives_an_envelope_of_whole_items_or_an_envelope_error(header, written, data):
    body = write_envelope(header, written)
    try:
        envelope = parse_envelope(body[: data.draw(st.integers(0, len(body)))])
    except EnvelopeError:
        return
    whole = [payload for _, payload in written]
    assert [item.payload for item in envelope.items] == whole[: len(envelope.items)]


@given(
    st.binary(max_size=400)
    | st.lists(
        st.sampled_from([b"{}", b'{"type":"event"}', b'{"type":"a","length":2}', b"\n", b"ab", b"[", b"\xff"]),
        max_size=12,
    ).map(b"".join)
)
def test_any_bytes_give_an_envelope_or_an_envelope_error(body):
    with suppress(EnvelopeError):
        assert isinstance(parse_envelope(body).items, list)


def test_item_without_a_length_ends_with_its_line():
    envelope = parse_envelope(b'{}\n{"type":"event"}\n{"a":1}\n{"type":"session"}\n{"b":2}')

    assert [item.payload for item in envelope.items] == [b'{"a":1}', b'{"b":2}']


def test_last_newline_may_be_missing():
    assert parse_envelope(b'{}\n{"type":"event","length":2}\n{}').items[0].payload == b"{}"


def test_payload_with_a_length_may_hold_newlines():
    [first, second] = parse_envelope(b'{}\n{"type":"attachment","length":5}\na\n\nb\n\n{"type":"event"}\n{}\n').items

    assert (first.payload, second.payload) == (b"a\n\nb\n", b"{}")


def test_length_counts_bytes_and_not_characters():
    payload = "¥100 — naïve".encode()

    assert parse_envelope(write_envelope(EnvelopeHeader(), [({"type": "log"}, payload)])).items[0].payload == payload


def test_empty_payloads_and_empty_lines_are_fine():
    envelope = parse_envelope(b'{}\n\n{"type":"attachment","length":0}\n\n\n{"type":"event"}\n{}\n\n')

    assert [item.payload for item in envelope.items] == [b"", b"{}"]


def test_envelope_without_items_is_one():
    assert parse_envelope(b"{}").items == []


def test_headers_of_wrong_types_cost_the_field_and_not_the_envelope():
    body = b'{"event_id":5,"dsn":[],"sent_at":1,"sdk":"x"}\n{"type":"event","filename":7,"item_count":"3"}\n{}'

    envelope = parse_envelope(body)

    assert envelope.header == EnvelopeHeader()
    assert envelope.items[0].header == ItemHeader(type="event")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "envelope header is not JSON"),
        (b"not json\n", "envelope header is not JSON"),
        (b"[]\n", "envelope header is not a JSON object"),
        (b"{}\nnot json\n", "header of item 1 is not JSON"),
        (b'{}\n{"type":"event"}\n{}\n{"length":2}\n{}', "Item 2 has no type"),
        (b'{}\n{"type":7}\n{}', "Item 1 has no type"),
        (b'{}\n{"type":"event","length":-1}\n{}', "length of item 1"),
        (b'{}\n{"type":"event","length":true}\n{}', "length of item 1"),
        (b'{}\n{"type":"event","length":"2"}\n{}', "length of item 1"),
        (b'{}\n{"type":"event","length":9}\n{}', "body ends before"),
        (b'{}\n{"type":"event","length":1}\n{}', "No newline follows"),
        (b'{"a":' * 5000, "longer than"),
    ],
)
def test_broken_framing_is_refused_with_its_place(body, what):
    with pytest.raises(EnvelopeError, match=what):
        parse_envelope(body)


def test_deep_nesting_in_a_header_is_refused():
    with pytest.raises(EnvelopeError):
        parse_envelope(b"[" * 8000)


def test_number_of_items_is_bounded():
    item = b'\n{"type":"event"}\n{}'

    assert len(parse_envelope(b"{}" + item * protocol.MAX_ITEMS).items) == protocol.MAX_ITEMS
    with pytest.raises(EnvelopeError, match="more than"):
        parse_envelope(b"{}" + item * (protocol.MAX_ITEMS + 1))


def test_length_of_headers_is_bounded():
    filling = "x" * (protocol.MAX_HEADER_BYTES - len(json.dumps({"dsn": ""})))
    longest = json.dumps({"dsn": filling}).encode()

    assert parse_envelope(longest + b"\n").header.dsn == filling
    with pytest.raises(EnvelopeError, match="longer"):
        parse_envelope(longest + b" \n")


@pytest.mark.parametrize(
    "text", [EVENT_ID, EVENT_ID.upper(), "9ec79c33-ec99-42ab-8353-589fcb2e04dc", "{9ec79c33ec9942ab8353589fcb2e04dc}"]
)
def test_event_id_is_read_in_every_form_of_a_uuid(text):
    assert read_event_id(text) == EVENT_ID


@pytest.mark.parametrize("value", [None, 5, "", "../../x", EVENT_ID[:-1], EVENT_ID + "0", "z" * 32, [EVENT_ID]])
def test_event_id_that_is_no_uuid_is_none(value):
    assert read_event_id(value) is None
