"""Decoding as a stream: whatever the chunks, never more than allowed, never another error than ours."""

import gzip
import zlib
from contextlib import suppress

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ukemi.protocol.compression import CHUNK_BYTES, Decoder, decode
from ukemi.protocol.errors import CompressionError, ProtocolError, TooLarge

MIB = 1 << 20
ENCODERS = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "x-gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "br": lambda body: brotli.compress(body, quality=4),
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "utf-8": bytes,
    "": bytes,
}
GZIP_FLAGS = 3
"""Place of a byte of gzip's header, in which one of the two passes over bits without a meaning and the other refuses them."""
CODECS = ["gzip", "deflate", "br", "zstd"]
bodies = st.binary(max_size=300) | st.binary(min_size=1, max_size=9).map(lambda piece: piece * 20_000)


@given(bodies, st.sampled_from(sorted(ENCODERS)), st.lists(st.integers(0, 400), max_size=6))
def test_every_encoding_gives_the_body_back_in_any_chunking(body, encoding, cuts):
    encoded = ENCODERS[encoding](body)
    decoder = Decoder(encoding, MIB)
    decoded = []

    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(encoded)], strict=True):
        decoded += decoder.feed(encoded[start:end])
    decoder.finish()

    assert b"".join(decoded) == body
    assert decoder.decoded_bytes == len(body)


@pytest.mark.parametrize("encoding", CODECS)
def test_body_of_exactly_the_limit_passes(encoding):
    body = b"x" * (3 * CHUNK_BYTES)

    assert decode(ENCODERS[encoding](body), encoding, len(body)) == body
    with pytest.raises(TooLarge):
        decode(ENCODERS[encoding](body), encoding, len(body) - 1)


@pytest.mark.parametrize("encoding", CODECS)
def test_bomb_is_refused_after_a_bounded_amount_of_work(encoding):
    bomb = ENCODERS[encoding](b"\0" * (64 * MIB))
    decoder = Decoder(encoding, MIB)

    with pytest.raises(TooLarge):
        decoder.feed(bomb)

    assert decoder.decoded_bytes <= 3 * MIB


@pytest.mark.parametrize("encoding", CODECS)
def test_body_that_ends_in_the_middle_is_refused(encoding):
    """A connection that broke must not become half an envelope."""
    encoded = ENCODERS[encoding](b"the body of an envelope " * 50)

    for end in range(1, len(encoded)):
        with pytest.raises(CompressionError):
            decode(encoded[:end], encoding, MIB)


def test_gzip_of_several_members_is_one_body():
    assert decode(gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0), "gzip", MIB) == b"one two"


def reference(body: bytes, encoding: str) -> bytes | None:
    """What zlib makes of a body of perhaps several members; None when it is broken or ends in the middle."""
    decoded = b""
    while body:
        inflate = zlib.decompressobj(31 if encoding == "gzip" else 15)
        try:
            decoded += inflate.decompress(body)
        except zlib.error:
            return None
        if not inflate.eof:
            return None
        body = inflate.unused_data
    return decoded


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.data())
def test_a_body_with_one_wrong_byte_is_decoded_or_refused_as_zlib_does(body, encoding, data):
    """Checksums included: half an event, or another one, must not be taken for what was sent."""
    encoded = bytearray(ENCODERS[encoding](body))
    place = data.draw(st.integers(0, len(encoded) - 1).filter(lambda place: place != GZIP_FLAGS))
    encoded[place] ^= data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(encoded), encoding, MIB)
    except CompressionError:
        decoded = None

    assert decoded == reference(bytes(encoded), encoding)


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_bytes_behind_the_end_are_refused(encoding):
    with pytest.raises(CompressionError):
        decode(ENCODERS[encoding](b"body") + b"more", encoding, MIB)


@pytest.mark.parametrize("encoding", ["GZIP", " gzip "])
def test_name_of_an_encoding_is_read_in_any_case(encoding):
    assert decode(gzip.compress(b"body", mtime=0), encoding, MIB) == b"body"


@pytest.mark.parametrize("encoding", ["lzma", "gzip, br", "compress"])
def test_unknown_encoding_is_refused_by_name(encoding):
    with pytest.raises(CompressionError, match=encoding):
        Decoder(encoding, MIB)


@pytest.mark.parametrize("encoding", ["", *CODECS])
def test_empty_body_is_empty(encoding):
    assert decode(b"", encoding, MIB) == b""


@given(st.binary(max_size=200), st.sampled_from(sorted(ENCODERS)), st.booleans())
def test_any_bytes_give_bytes_or_a_protocol_error(body, encoding, has_begun_well):
    beginning = ENCODERS[encoding](b"well begun " * 20)[:30] if has_begun_well else b""
    with suppress(ProtocolError):
        assert isinstance(decode(beginning + body, encoding, 4096), bytes)
