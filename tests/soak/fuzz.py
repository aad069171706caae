"""
A fuzzer for one kind of parser: `python tests/soak/fuzz.py envelope|event|decompression [options of libFuzzer]`.

Guided by coverage, it looks for bytes that make a parser raise what it does not promise, hang, or take too much memory; the
fuzzer itself watches time and memory. It begins with what real SDKs sent.
"""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ukemi"]):
    from ukemi.collector.core.fingerprint import fingerprint
    from ukemi.collector.core.issue import culprit, title
    from ukemi.collector.digest.attachments import scrub_content
    from ukemi.privacy import DEFAULT_RULES, scrub
    from ukemi.protocol.client_report import read_client_report
    from ukemi.protocol.compression import decode
    from ukemi.protocol.envelope import parse_envelope
    from ukemi.protocol.errors import ProtocolError
    from ukemi.protocol.event import decode_event, read_event
    from ukemi.protocol.feedback import read_feedback, read_user_report
    from ukemi.protocol.multipart import parse_multipart
    from ukemi.protocol.otlp import count_records
    from ukemi.protocol.quantities import quantities
    from ukemi.protocol.request_counts import read_request_counts
    from ukemi.protocol.security import read_security_report, split_reports
    from ukemi.protocol.session import read_session, read_sessions
    from ukemi.protocol.transaction import read_spans, read_transaction

LIMIT = 1 << 20
NOW_S = 1_767_225_600.0
ENCODINGS = ("gzip", "deflate", "br", "zstd", "identity")
GOLDEN = Path(__file__).parent.parent / "golden"


def envelope(data: bytes) -> None:
    """Framing, the accounting of what is in it, forms and OpenTelemetry."""
    for parse in (
        lambda: [quantities(item.header.type, item.payload) for item in parse_envelope(data).items],
        lambda: parse_multipart(data, "multipart/form-data; boundary=x"),
        lambda: count_records(data, "traces", is_json=False),
        lambda: count_records(data, "logs", is_json=True),
    ):
        with contextlib.suppress(ProtocolError):
            parse()


def event(data: bytes) -> None:
    """The payloads of all item types that are kept, with what is done to them before they are stored."""
    with contextlib.suppress(ProtocolError):
        tree = scrub(decode_event(data), DEFAULT_RULES).tree
        read = read_event(tree)
        assert title(read)
        culprit(read)
        assert len(fingerprint(read).hash) == 16
    for parse in (
        lambda: read_transaction(data, NOW_S),
        lambda: read_spans(data),
        lambda: read_session(data, NOW_S),
        lambda: read_sessions(data, NOW_S),
        lambda: read_feedback(data),
        lambda: read_user_report(data),
        lambda: read_client_report(data),
        lambda: read_request_counts(data),
        lambda: [read_security_report(one, "", "", "") for one in split_reports(data)],
        lambda: scrub_content(data, DEFAULT_RULES),
    ):
        with contextlib.suppress(ProtocolError):
            parse()


def decompression(data: bytes) -> None:
    """Every encoding; the first byte chooses, the rest is the body."""
    if data:
        with contextlib.suppress(ProtocolError):
            assert len(decode(data[1:], ENCODINGS[data[0] % len(ENCODINGS)], LIMIT)) <= LIMIT


TARGETS: dict[str, Callable[[bytes], None]] = {
    "envelope": envelope,
    "event": event,
    "decompression": decompression,
}


def seeds(name: str) -> list[bytes]:
    """What to begin with."""
    bodies = [path.read_bytes() for path in sorted(GOLDEN.glob("*.envelope"))]
    if name == "envelope":
        form = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
        return [*bodies, form]
    if name == "event":
        return [item.payload for body in bodies for item in parse_envelope(body).items]
    import gzip
    import zlib

    import brotli
    import zstandard

    encoders = (gzip.compress, zlib.compress, brotli.compress, zstandard.ZstdCompressor().compress, bytes)
    return [bytes([place]) + encode(body[:2000]) for place, encode in enumerate(encoders) for body in bodies[:2]]


def main() -> None:
    name, corpus = sys.argv[1], Path(sys.argv[2])
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    target = TARGETS[name]
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
