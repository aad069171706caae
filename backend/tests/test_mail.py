"""Outgoing e-mail, to a mail server that speaks SMTP."""

import socketserver
import threading

import pytest

from backend.config import get_settings
from backend.mail import send_mail


@pytest.fixture
def mail_server():
    """Takes one conversation, and remembers what was said."""
    said = []

    class Talk(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            is_body = False
            for line in self.rfile:
                said.append(line.decode().rstrip("\r\n"))
                if is_body and line != b".\r\n":
                    continue
                is_body = line.lower() == b"data\r\n"
                answers = {"DATA": b"354 go on\r\n", "EHLO": b"250-here\r\n250 AUTH PLAIN\r\n", "AUTH": b"235 in\r\n"}
                answers["QUIT"] = b"221 bye\r\n"
                self.wfile.write(answers.get(line.decode().split()[0].upper(), b"250 ok\r\n"))
                if line.lower() == b"quit\r\n":
                    return

    with socketserver.TCPServer(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1], said
        server.shutdown()
        thread.join()


def test_a_message_is_handed_over_and_no_header_can_be_smuggled_in(settings, mail_server):
    port, said = mail_server
    settings.setenv("SMTP_URL", f"smtp://office:pass%20word@127.0.0.1:{port}")
    get_settings.cache_clear()
    send_mail("kiyoshi@example.org", "Your seat", "Main dojo.")
    assert "Subject: Your seat" in said
    assert "Main dojo." in said
    assert any("kiyoshi@example.org" in line for line in said if line.lower().startswith("rcpt"))
    with pytest.raises(ValueError, match="linefeed"):
        send_mail("kiyoshi@example.org", "Your seat\nBcc: all@example.org", "Main dojo.")


def test_without_a_mail_server_the_log_says_so(settings, caplog):
    with caplog.at_level("INFO"):
        send_mail("kiyoshi@example.org", "Your seat", "Main dojo.")
    assert "mail not sent" in caplog.text
    assert "kiyoshi" not in caplog.text
