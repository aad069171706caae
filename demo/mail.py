"""A mail server for the demo: takes every message by SMTP, hands it on, and delivers none."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """What the server asks with each message."""

    def __init__(self, take: Callable[[EmailMessage], None]) -> None:
        self._take = take

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """The name is aiosmtpd's, the answer SMTP's."""
        self._take(message_from_bytes(envelope.original_content or b"", EmailMessage, policy=policy.default))
        return "250 taken"


def open_mailbox(take: Callable[[EmailMessage], None], port: int) -> Controller:
    """Listen on a port of this machine, from a thread of this process, until `stop()`."""
    server = Controller(Mailbox(take), hostname="127.0.0.1", port=port, ready_timeout=30)
    server.start()
    return server
