"""E-mail to a real mail server with STARTTLS and log-in: what arrives, and what the ledger says when it does not."""

import asyncio
import email.policy
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.email import Email
from ukemi.collector.notify.worker import Notifier
from ukemi.collector.store import notifications
from ukemi.collector.store.database import Database
from ukemi.collector.store.notifications import Delivery, Queued

TIMEOUT_S = 1.0
TO = "team@example.org, oncall@example.org"


class Mailbox:
    """What the mail server asks; `refused` are recipients that it does not know, `delay_s` how long it thinks."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.sessions: list[Session] = []
        self.refused: set[str] = set()
        self.delay_s = 0.0
        self.hangs_up = 0

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list
    ) -> str:
        if address in self.refused:
            return "550 nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hangs_up:
            self.hangs_up -= 1
            server.transport.abort()
            return "250 never heard"
        await asyncio.sleep(self.delay_s)
        self.sessions.append(session)
        self.mails.append(BytesParser(EmailMessage, policy=email.policy.default).parsebytes(envelope.content))
        return "250 taken"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key, self-signed, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificate")
    made = (folder / "certificate.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-out", made[0], "-keyout", made[1]],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port(mailbox: Mailbox, certificate: tuple[Path, Path]) -> Iterator[int]:
    """Of a mail server that takes nothing without TLS, and nothing without the right password."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)

    def log_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"ukemi", b"p@ss")
        return AuthResult(success=is_right, handled=is_right)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    server = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free,
        tls_context=tls,
        require_starttls=True,
        authenticator=log_in,
        auth_required=True,
        ready_timeout=30,
    )
    server.start()
    yield free
    server.stop()


class Post:
    """A notifier whose one channel is e-mail."""

    def __init__(self, database: Database, clock: VirtualClock, channel: Email) -> None:
        self._database, self._clock = database, clock
        self.notifier = Notifier(database, {"email": channel})
        self._queued = 0

    def tell(self, reason: Reason = Reason.OPENED, incident: str = "4f9c1d2e8a7b6035") -> None:
        content = Content(
            incident, reason, "high", "slow", "slow in production", "P95", "Shop", "production", "", "", 1
        )
        self._queued += 1
        with self._database.write() as tx:
            notifications.queue(tx, [Queued(1, f"n{self._queued}", "email", content)], self._clock.now_us())
        self.step()

    def step(self, seconds: float = 0) -> None:
        self._clock.advance(seconds)
        self.notifier.step(self._clock)
        self.notifier.settle()

    def only(self) -> Delivery:
        with self._database.read() as tx:
            (one,) = notifications.ledger(tx, 10)
        return one


@pytest.fixture
def post(
    database: Database, project: object, clock: VirtualClock, port: int, certificate: tuple[Path, Path]
) -> Iterator[Callable[..., Post]]:
    opened: list[Post] = []

    def open_(*, password: str = "p%40ss", is_trusted: bool = True) -> Post:
        trust = ssl.create_default_context(cafile=str(certificate[0])) if is_trusted else None
        url = f"smtp://ukemi:{password}@127.0.0.1:{port}"
        channel = Email(url, TO, "ukemi@example.org", trust=trust, timeout_s=TIMEOUT_S)
        opened.append(Post(database, clock, channel))
        return opened[-1]

    yield open_
    for one in opened:
        one.notifier.close()


def test_a_mail_goes_out_encrypted_and_with_a_log_in(post: Callable[..., Post], mailbox: Mailbox) -> None:
    one = post()
    one.tell()
    assert (one.only().state, one.only().answer) == ("delivered", "taken by the mail server")
    (session,) = mailbox.sessions
    assert session.ssl is not None
    assert session.authenticated


def test_the_mails_of_an_incident_arrive_as_one_thread(post: Callable[..., Post], mailbox: Mailbox) -> None:
    one = post()
    for reason in (Reason.OPENED, Reason.UPGRADED, Reason.CLOSED):
        one.tell(reason)
    one.tell(Reason.OPENED, "another")
    first, second, third, other = mailbox.mails
    assert first["Message-ID"] == second["References"] == third["References"] == third["In-Reply-To"]
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 4
    assert (first["References"], other["References"]) == (None, None)


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password_is_sent(
    post: Callable[..., Post], mailbox: Mailbox
) -> None:
    one = post(is_trusted=False)
    one.tell()
    assert (one.only().state, mailbox.mails) == ("failed", [])
    assert "certificate is not to be trusted" in one.only().last_error


def test_a_wrong_password_is_named_and_not_repeated(post: Callable[..., Post], mailbox: Mailbox) -> None:
    one = post(password="sesame")
    one.tell()
    assert (one.only().state, mailbox.mails) == ("failed", [])
    assert "refuses user and password (535)" in one.only().last_error
    assert "sesame" not in repr(one.only())


def test_a_recipient_that_is_refused_stands_in_the_ledger_and_the_others_are_told(
    post: Callable[..., Post], mailbox: Mailbox
) -> None:
    mailbox.refused = {"oncall@example.org"}
    one = post()
    one.tell()
    assert len(mailbox.mails) == 1
    assert (one.only().state, one.only().answer) == (
        "delivered",
        "taken by the mail server, which refused 1 of 2 recipients (550)",
    )


def test_when_every_recipient_is_refused_it_is_not_tried_again(post: Callable[..., Post], mailbox: Mailbox) -> None:
    mailbox.refused = {"oncall@example.org", "team@example.org"}
    one = post()
    one.tell()
    assert (one.only().state, mailbox.mails) == ("failed", [])
    assert "refuses every recipient (550)" in one.only().last_error


def test_a_server_that_is_slow_is_tried_again_under_the_same_message_id(
    post: Callable[..., Post], mailbox: Mailbox
) -> None:
    """It may have taken the mail all the same; then the second one looks like the first."""
    mailbox.delay_s = 2 * TIMEOUT_S
    one = post()
    one.tell()
    assert (one.only().state, one.only().attempts) == ("queued", 1)
    assert "could not be reached" in one.only().last_error
    mailbox.delay_s = 0
    time.sleep(TIMEOUT_S)
    one.step(10)
    assert (one.only().state, one.only().attempts) == ("delivered", 2)
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


def test_a_connection_that_is_cut_is_tried_again(post: Callable[..., Post], mailbox: Mailbox) -> None:
    mailbox.hangs_up = 1
    one = post()
    one.tell()
    assert one.only().state == "queued"
    one.step(10)
    assert (one.only().state, len(mailbox.mails)) == ("delivered", 1)
