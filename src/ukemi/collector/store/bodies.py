"""
Bodies of events: scrubbed JSON, compressed. The first byte says how, so that better ways can join without a migration.

0x01: zstd, level 3, no dictionary.
"""

import zstandard

_ZSTD = b"\x01"
_compressor = zstandard.ZstdCompressor(level=3)


def compress(body: bytes) -> bytes:
    return _ZSTD + _compressor.compress(body)


def decompress(stored: bytes) -> bytes:
    """
    Raises:
        ValueError: written in a way that this version does not know.
    """
    if stored[:1] != _ZSTD:
        raise ValueError(f"Unknown form of event body: {stored[:1]!r}")
    return zstandard.ZstdDecompressor().decompress(stored[1:])
