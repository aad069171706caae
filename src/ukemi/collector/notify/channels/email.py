"""
E-mail by SMTP: text and HTML, one thread for each incident.

The first mail of an incident has a Message-ID made of its id, and all later ones name it in In-Reply-To and References, so
mail programs show them together (RFC 5322, 3.6.4). A second delivery has the same Message-ID as the first. Auto-Submitted
(RFC 3834) keeps holiday notes from answering, List-Id (RFC 2919) lets rules of mail programs sort.

The server's URL: smtp://user:password@host:587 upgrades by STARTTLS and gives up when the server cannot; smtps://…:465
begins with TLS; ?tls=none is for a relay on the same machine.
"""

import html
import re
import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.notification import Content, Line, Reason
from ukemi.collector.notify.channels.base import Telling, cut, headline, iso, one_line, reach
from ukemi.collector.notify.errors import BadChannel, Undeliverable

TIMEOUT_S: Final = 15.0
MAX_SUBJECT: Final = 180
_SHAPE: Final = "It looks like smtp://user:password@mail.example.org:587, or smtps://…:465."


class MailServer(msgspec.Struct, frozen=True):
    host: str
    port: int
    user: str
    password: str
    tls: str
    """start: plain, then STARTTLS, which must succeed; full: from the first byte; none."""


class Email:
    key_id = ""

    def __init__(
        self, server: str, to: str, sender: str, *, trust: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """
        Args:
            server: the mail server's URL.
            to: addresses, separated by commas.
            trust: whose certificates are believed; None: those of the system.

        Raises:
            BadChannel: one of them cannot be read.
        """
        self._server = read_server(server)
        self._to = [address for _, address in getaddresses([to]) if address]
        self._from = parseaddr(sender)[1]
        if not self._to or not all(_is_address(one) for one in self._to):
            raise BadChannel("The recipients of e-mail must be addresses, separated by commas: team@example.org.")
        if not _is_address(self._from):
            raise BadChannel("The sender of e-mail must be an address: ukemi@example.org.")
        self._trust, self._timeout_s = trust or ssl.create_default_context(), timeout_s

    def send(self, telling: Telling, now_us: int) -> str:
        message = render(telling, self._from, self._to, now_us)
        try:
            with self._connect() as smtp:
                refused = smtp.send_message(message, self._from, self._to)
        except smtplib.SMTPAuthenticationError as error:
            raise Undeliverable(
                f"The mail server refuses user and password ({error.smtp_code}). Both stand in its URL, percent-encoded.",
                retry=400 <= error.smtp_code < 500,
            ) from None
        except smtplib.SMTPResponseException as error:  # the server's word: 4xx may pass, 5xx will not
            raise Undeliverable(
                f"The mail server answered {error.smtp_code}.", retry=400 <= error.smtp_code < 500
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise Undeliverable(
                f"The mail server refuses every recipient ({codes[0]}).", retry=all(400 <= code < 500 for code in codes)
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise Undeliverable(
                "The mail server offers no STARTTLS or no log-in. For a relay that needs neither: …?tls=none in its URL.",
                retry=False,
            ) from None
        except ssl.SSLCertVerificationError:
            raise Undeliverable("The mail server's certificate is not to be trusted.", retry=False) from None
        except (smtplib.SMTPException, OSError) as error:
            raise Undeliverable(f"The mail server could not be reached: {type(error).__name__}.", retry=True) from None
        why = ", ".join(sorted({str(code) for code, _ in refused.values()}))
        some = f", which refused {len(refused)} of {len(self._to)} recipients ({why})" if refused else ""
        return f"taken by the mail server{some}"

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "full":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._timeout_s, context=self._trust
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)
        try:
            if server.tls == "start":
                smtp.starttls(context=self._trust)
            if server.user:
                smtp.login(server.user, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp


def read_server(url: str) -> MailServer:
    """
    Raises:
        BadChannel: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadChannel(f"The mail server's URL cannot be read. {_SHAPE}") from None
    tls = parse_qs(parts.query).get("tls", [""])[0] or {"smtp": "start", "smtps": "full"}.get(parts.scheme, "")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or tls not in ("start", "full", "none"):
        raise BadChannel(
            f"The mail server's URL is none. {_SHAPE} For a relay without encryption: smtp://host:25?tls=none"
        )
    if parts.password and tls == "none" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise BadChannel(
            "The mail server's URL has a password, but ?tls=none would send it in clear. Leave one of them out."
        )
    return MailServer(
        parts.hostname,
        port or {"start": 587, "full": 465, "none": 25}[tls],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        tls,
    )


def render(telling: Telling, sender: str, to: Sequence[str], now_us: int) -> EmailMessage:
    """The mail. What strangers wrote is one line each in the headers, and escaped in the HTML."""
    content = telling.content
    domain = sender.rpartition("@")[2]
    first = f"<{content.incident_id}.incident@{domain}>" if content.incident_id else ""
    message = EmailMessage()
    message["Subject"] = cut(_subject(content), MAX_SUBJECT)
    message["From"] = Address("ukemi", addr_spec=sender)
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_us // SECOND_US, UTC))
    if content.reason is Reason.OPENED and first:
        message["Message-ID"] = first
    else:
        message["Message-ID"] = f"<{telling.id}@{domain}>"
        if first:
            message["In-Reply-To"] = first
            message["References"] = first
    message["List-Id"] = f"ukemi alerts <alerts.ukemi.{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["X-Ukemi-Severity"] = content.severity
    message.set_content(_text(content))
    message.add_alternative(_html(content), subtype="html")
    return message


def _subject(content: Content) -> str:
    """Begins alike for all mails of an incident, since some programs sort by it; what changed stands in front."""
    where = f"[{one_line(content.project)}] " if content.project else ""
    return f"{where}{headline(content)}"


def _facts(content: Content) -> list[tuple[str, str]]:
    radius = content.blast_radius
    pairs = [
        ("Rule", content.rule),
        ("Project", content.project),
        ("Environment", content.environment),
        ("In", content.culprit),
        ("By", content.actor),
        ("Opened", iso(content.opened_us) if content.incident_id else ""),
        ("Closed", iso(content.closed_us) if content.closed_us else ""),
        ("Reach", "; ".join(reach(radius)) if radius else ""),
    ]
    return [(name, cut(one_line(text), 500)) for name, text in pairs if text]


def _lines(content: Content) -> list[tuple[str, Line]]:
    cause = [("Likely cause", content.cause)] if content.cause else []
    samples = [("Sample event", line) for line in content.blast_radius.samples] if content.blast_radius else []
    return [*cause, *[("", line) for line in content.lines], *samples]


def _ways(content: Content) -> list[tuple[str, str]]:
    ways = [("Open in ukemi", content.link), ("Acknowledge or silence", content.incident_link)]
    if content.incident_link == content.link:
        ways.pop()
    return [(text, link) for text, link in ways if link]


def _text(content: Content) -> str:
    parts = [headline(content), "", cut(one_line(content.because), 1000), ""]
    parts += [f"{name}: {text}" for name, text in _facts(content)]
    parts += [
        f"{f'{name}: ' if name else '- '}{cut(one_line(line.text), 300)} {line.link}" for name, line in _lines(content)
    ]
    parts += [""] + [f"{text}: {link}" for text, link in _ways(content)]
    return "\n".join(parts) + "\n"


def _html(content: Content) -> str:
    def link(line: Line) -> str:
        text = html.escape(cut(one_line(line.text), 300))
        is_link = line.link.startswith(("http://", "https://"))
        return f'<a href="{html.escape(line.link, quote=True)}">{text}</a>' if is_link else text

    rows = "".join(
        f'<tr><td style="color:#666;padding:2px 12px 2px 0;vertical-align:top">{html.escape(name)}</td><td>{html.escape(text)}</td></tr>'
        for name, text in _facts(content)
    )
    items = "".join(f"<li>{f'{name}: ' if name else ''}{link(line)}</li>" for name, line in _lines(content))
    return (
        '<!doctype html><html><body style="font:15px/1.5 sans-serif">'
        f'<p style="font-size:17px"><b>{html.escape(headline(content))}</b></p>'
        f"<p>{html.escape(cut(one_line(content.because), 1000))}</p>"
        f'<table style="border-collapse:collapse">{rows}</table>'
        + (f"<ul>{items}</ul>" if items else "")
        + f"<p>{' · '.join(link(Line(text, address)) for text, address in _ways(content))}</p>"
        + "</body></html>\n"
    )


def _is_address(text: str) -> bool:
    return re.fullmatch(r"[!-?A-~]+@[A-Za-z0-9.-]+|[!-?A-~]+@localhost", text) is not None
