"""
What can be wrong with bytes from the wire.

ProtocolError
├── BadDsn             a DSN that cannot be read
├── AuthError          a malformed key, or two that differ
│   └── NoKey          no key at all
├── CompressionError   a body that does not decode
├── TooLarge           a body that decodes to more than allowed
├── WrongType          a content type that an endpoint does not take
├── EnvelopeError      framing that cannot be read
└── PayloadError       an item's payload that cannot be read
"""


class ProtocolError(ValueError):
    """The bytes a client sent are not what the protocol allows. The message is safe to show to the client."""


class BadDsn(ProtocolError):
    """A DSN that cannot be read; the message says which part, and how a DSN looks."""


class AuthError(ProtocolError):
    """The request names a malformed key, or several that differ."""


class NoKey(AuthError):
    """The request names no key where we looked; perhaps the envelope's header does."""


class CompressionError(ProtocolError):
    """The body does not decode with the encoding it claims."""


class TooLarge(ProtocolError):
    """The body, decoded, exceeds a limit. Decoding stopped there."""


class WrongType(ProtocolError):
    """The endpoint takes other content types; the message names them."""


class EnvelopeError(ProtocolError):
    """The envelope's framing is broken."""


class PayloadError(ProtocolError):
    """An item's payload is not what its type promises. `reason` is a short word for the outcome."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
