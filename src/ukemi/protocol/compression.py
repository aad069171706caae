"""
Bodies are decoded as a stream with a bound on what comes out, so that a bomb costs a bounded amount of work.

Encodings: gzip, deflate (zlib), br, zstd, identity; an empty name and the nonsense name `utf-8` that some SDKs send
mean identity. Source: getsentry/relay's decompression middleware, read 2026-11.
"""

from collections.abc import Callable
from typing import Protocol
from zlib import MAX_WBITS

import brotli
import zstandard

from ukemi.protocol.errors import CompressionError, TooLarge

try:  # takes less than half of zlib's time, which is the most expensive step of an envelope's way to the spool
    from isal.igzip_lib import IsalError as InflateError
    from isal.isal_zlib import decompressobj
except ImportError:  # a machine that it is not made for, see pyproject.toml
    from zlib import decompressobj
    from zlib import error as InflateError  # noqa: N812 - a class

CHUNK_BYTES = 64 * 1024
"""At most so much is decoded in one step, and a body is refused at most this far beyond its limit; 2 MiB in zstd."""


class _Codec(Protocol):
    def feed(self, data: bytes) -> None:
        """Take more encoded bytes."""

    def read(self) -> bytes:
        """Up to about CHUNK_BYTES decoded bytes, or b"" when more input is needed."""

    def finish(self) -> None:
        """Check that the encoded body is complete."""


class Decoder:
    """Decodes one body. `feed` chunks as they arrive, then `finish`."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """
        Args:
            encoding: value of Content-Encoding.
            max_bytes: most bytes that may come out.

        Raises:
            CompressionError: the encoding is unknown.
        """
        name = encoding.strip().lower()
        if name not in _CODECS:
            raise CompressionError(
                f"Unknown Content-Encoding {encoding[:40]!r}; gzip, deflate, br, zstd are understood."
            )
        self._codec = _CODECS[name]()
        self._max_bytes = max_bytes
        self.decoded_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """
        Decode the next chunk.

        Raises:
            TooLarge: more than `max_bytes` came out.
            CompressionError: the bytes are not of this encoding.
        """
        parts = []
        try:
            self._codec.feed(data)
            while part := self._codec.read():
                self.decoded_bytes += len(part)
                if self.decoded_bytes > self._max_bytes:
                    raise TooLarge(f"The body is larger than {self._max_bytes} bytes when decoded.")
                parts.append(part)
        except (InflateError, brotli.error, zstandard.ZstdError) as error:
            raise CompressionError("The body does not decode with its Content-Encoding.") from error
        return parts

    def finish(self) -> None:
        """
        Check that the body was complete.

        Raises:
            CompressionError: it ends in the middle.
        """
        self._codec.finish()


def decode(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decode a whole body. Raises as `Decoder` does."""
    decoder = Decoder(encoding, max_bytes)
    parts = decoder.feed(body)
    decoder.finish()
    return b"".join(parts)


class _Identity:
    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def finish(self) -> None:
        pass


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._inflate = decompressobj(window_bits)
        self._data = b""
        self._is_begun = False

    def feed(self, data: bytes) -> None:
        self._data += data

    def read(self) -> bytes:
        while self._data:
            if self._inflate.eof:  # gzip allows several members one after the other
                self._inflate = decompressobj(self._window_bits)
            self._is_begun = True
            part: bytes = self._inflate.decompress(self._data, CHUNK_BYTES)
            rest = self._inflate.unconsumed_tail or self._inflate.unused_data
            is_stuck = not part and len(rest) == len(self._data)
            self._data = rest
            if part:
                return part
            if is_stuck:
                raise CompressionError("The body does not decode with its Content-Encoding.")
        return b""

    def finish(self) -> None:
        if self._is_begun and not self._inflate.eof:
            raise CompressionError("The compressed body ends in the middle.")


class _Brotli:
    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()
        self._data = b""
        self._is_begun = False

    def feed(self, data: bytes) -> None:
        self._data += data

    def read(self) -> bytes:
        # The library keeps back output beyond the limit and hands it out on further calls, with empty input.
        if self._decompressor.is_finished():
            if self._data:
                raise CompressionError("Bytes follow the end of the compressed body.")
            return b""
        data, self._data = self._data, b""
        self._is_begun = self._is_begun or bool(data)
        part: bytes = self._decompressor.process(data, output_buffer_limit=CHUNK_BYTES)
        return part

    def finish(self) -> None:
        if self._is_begun and not self._decompressor.is_finished():
            raise CompressionError("The compressed body ends in the middle.")


class _Zstd:
    def __init__(self) -> None:
        # The window bounds memory; 8 MiB is what the format recommends every decoder to support.
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj(write_size=CHUNK_BYTES)
        self._source = b""
        self._is_begun = False

    def feed(self, data: bytes) -> None:
        self._source += data

    def read(self) -> bytes:
        # Few input bytes at a time: four of them can become one block of 128 KiB, so a step stays bounded.
        while self._source:
            if self._decompressor.eof:
                raise CompressionError("Bytes follow the end of the compressed body.")
            step, self._source = self._source[:_ZSTD_STEP_BYTES], self._source[_ZSTD_STEP_BYTES:]
            self._is_begun = True
            part = self._decompressor.decompress(step)
            if self._decompressor.unused_data:
                raise CompressionError("Bytes follow the end of the compressed body.")
            if part:
                return part
        return b""

    def finish(self) -> None:
        if self._is_begun and not self._decompressor.eof:
            raise CompressionError("The compressed body ends in the middle.")


_ZSTD_STEP_BYTES = 64

_CODECS: dict[str, Callable[[], _Codec]] = {
    "": _Identity,
    "identity": _Identity,
    "utf-8": _Identity,
    "gzip": lambda: _Zlib(16 + MAX_WBITS),
    "x-gzip": lambda: _Zlib(16 + MAX_WBITS),
    "deflate": lambda: _Zlib(MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
