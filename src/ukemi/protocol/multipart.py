"""
Forms with files (multipart/form-data), as uploaders of attachments and crash dumps send them. Bytes in, parts out.

Source: RFC 7578 and RFC 2046, section 5.1.
"""

import re

import msgspec

from ukemi.protocol.errors import EnvelopeError

MAX_PARTS = 200
MAX_HEADER_BYTES = 8 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))', re.IGNORECASE)
_PARAMETER = re.compile(rb'[;\s](name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    name: str
    filename: str
    """ "" for a plain field."""
    content_type: str
    content: bytes


def parse_multipart(body: bytes, content_type: str) -> list[Part]:
    """
    Split a form into its parts.

    Raises:
        EnvelopeError: no boundary, none that stands in the body, or more parts than allowed.
    """
    match = _BOUNDARY.search(content_type)
    if not match:
        raise EnvelopeError("The Content-Type names no boundary of a multipart form.")
    name = re.escape((match[1] or match[2]).encode("latin-1", "replace"))
    delimiter = re.compile(rb"(?:^|\r\n)--" + name + rb"(--)?[ \t]*(?:\r\n|$)")
    previous = delimiter.search(body)
    if previous is None:
        raise EnvelopeError("The boundary of the multipart form does not stand in the body.")
    parts: list[Part] = []
    while not previous[1]:
        # The line end behind one delimiter may be the one before the next.
        found = delimiter.search(body, previous.end() - 2)
        if found is None:
            raise EnvelopeError("The multipart form ends in the middle of a part.")
        parts.append(_part(body[previous.end() : found.start()]))
        if len(parts) > MAX_PARTS:
            raise EnvelopeError(f"The multipart form has more than {MAX_PARTS} parts.")
        previous = found
    return parts


def _part(raw: bytes) -> Part:
    head, found, content = raw.partition(b"\r\n\r\n")
    if not found or len(head) > MAX_HEADER_BYTES:
        raise EnvelopeError("A part of the multipart form has no headers, or too long ones.")
    values: dict[str, str] = {}
    kind = ""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            for key, text in _PARAMETER.findall(value):
                values[key.decode().lower()] = text.replace(b'\\"', b'"').decode("utf-8", "replace")
        elif name.strip().lower() == b"content-type":
            kind = value.strip().decode("latin-1")[:128]
    return Part(values.get("name", ""), values.get("filename", "")[:256], kind, content)
