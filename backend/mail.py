"""Outgoing e-mail. Routes send it in the background, after their answer; what fails there is captured like any error."""

import logging
import smtplib
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from backend.config import get_settings
from backend.middleware import track_external_api_call

log = logging.getLogger(__name__)
TIMEOUT_S = 10.0


def send_mail(to: str, subject: str, text: str) -> None:
    """
    Hand one message to the mail server.

    Raises:
        OSError: the server cannot be reached, or refused; smtplib's own errors are such.
    """
    settings = get_settings()
    if not settings.SMTP_URL.get_secret_value():
        log.info("mail not sent, for SMTP_URL is empty: %s", subject)
        return
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.MAIL_FROM, to, subject
    message.set_content(text)
    server = urlsplit(settings.SMTP_URL.get_secret_value())
    connect = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    with connect(server.hostname or "localhost", server.port or 0, timeout=TIMEOUT_S) as smtp:
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(message)
    track_external_api_call("mail", "/send", "SMTP", status_code=250)
