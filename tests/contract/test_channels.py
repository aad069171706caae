"""The channels against local servers, what strangers' texts do to them, and the client against hostile networks."""

import email
import email.policy
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.raw_server import raw_server
from ukemi.collector.core.notification import BlastRadius, Content, Line, Reason
from ukemi.collector.notify.channels import pagerduty, slack
from ukemi.collector.notify.channels.base import Telling
from ukemi.collector.notify.channels.email import Email, read_server
from ukemi.collector.notify.channels.email import render as render_mail
from ukemi.collector.notify.errors import BadChannel, Undeliverable
from ukemi.collector.notify.http import OutgoingClient

NOW_US = 1_767_225_600_000_000
LOOPBACK = [ip_network("127.0.0.0/8")]
HOSTILE = "<!channel> <@U024BE7LH> <https://evil.example|Sign in> *b* `c` @here & | \r\nBcc: x@evil.example\x00\u202e"
texts = st.one_of(st.text(max_size=200), st.sampled_from([HOSTILE, "x" * 10_240, HOSTILE * 300, "&" * 10_240, ""]))
lines = st.builds(Line, texts, st.sampled_from(["", "https://errors.example.org/a?b=1", "javascript:alert(1)"]))


def content(**fields: object) -> Content:
    ordinary = {
        "incident_id": "4f9c1d2e8a7b6035",
        "reason": Reason.OPENED,
        "severity": "critical",
        "rule": "critical path",
        "title": "SHOP-12: ValueError",
        "because": "An error happened.",
        "project": "Shop",
        "environment": "production",
        "culprit": "pay",
        "link": "https://errors.example.org/projects/1/issues/ab",
        "opened_us": NOW_US,
        "incident_link": "https://errors.example.org/projects/1/incidents/4f9c1d2e8a7b6035",
    }
    return Content(**{**ordinary, **fields})


contents = st.builds(
    content,
    reason=st.sampled_from(Reason),
    severity=st.sampled_from(["warning", "high", "critical"]),
    **dict.fromkeys(("title", "because", "project", "environment", "culprit", "actor", "rule"), texts),
    cause=st.none() | lines,
    lines=st.lists(lines, max_size=25),
    blast_radius=st.none()
    | st.builds(
        BlastRadius, endpoints=st.lists(lines, max_size=5), first_release=texts, samples=st.lists(lines, max_size=3)
    ),
)


# --- strangers' texts -------------------------------------------------------------------------------------------------


@given(contents)
def test_whatever_strangers_write_slack_gets_a_message_within_its_limits_that_mentions_nobody(told: Content) -> None:
    message = slack.render(told)
    assert message["text"]
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= slack.MAX_HEADER
            assert block["text"]["type"] == "plain_text"
        elif block["type"] == "section":
            assert 0 < len(block["text"]["text"]) <= slack.MAX_SECTION
        else:
            assert all(0 < len(one["text"]) <= 2000 for one in block["elements"])
    markup = [message["text"], *(b["text"]["text"] for b in message["blocks"] if b["type"] == "section")]
    for text in markup:
        for piece in text.split("<")[1:]:
            assert piece.startswith("https://errors.example.org/"), "only our own links"
            assert piece.index("|") < piece.index(">")
        assert "@here" not in text
        assert "@channel" not in text
        assert "javascript:" not in text or "<javascript" not in text


@given(contents)
def test_whatever_strangers_write_pagerduty_gets_an_event_within_its_limits(told: Content) -> None:
    event = pagerduty.render(told, "R" * 32, told.incident_id, "trigger")
    assert 0 < len(event["payload"]["summary"]) <= 1024
    assert "\n" not in event["payload"]["summary"]
    assert all(link["href"].startswith("https://") for link in event["links"])
    assert len(str(event)) < 512 * 1024


@given(contents)
def test_whatever_strangers_write_a_mail_has_our_headers_alone_and_no_markup_of_theirs(told: Content) -> None:
    sent = render_mail(Telling("n1", told), "ukemi@example.org", ["team@example.org"], NOW_US).as_bytes()
    read = email.message_from_bytes(sent, policy=email.policy.default)
    names = [name.lower() for name in list(read)]
    assert len(names) == len(set(names))
    assert "bcc" not in names
    assert read["To"] == "team@example.org"
    body = read.get_body(("html",)).get_content()
    for mark in ("<!channel", "<script", "<@", '"javascript:'):
        assert mark not in body


def test_the_mails_of_an_incident_are_one_thread() -> None:
    first, second, other = (
        render_mail(Telling(f"n{number}", told), "ukemi@example.org", ["team@example.org"], NOW_US)
        for number, told in enumerate(
            [content(), content(reason=Reason.CLOSED, closed_us=NOW_US), content(incident_id="ffff")]
        )
    )
    again = render_mail(Telling("n0", content()), "ukemi@example.org", ["team@example.org"], NOW_US + 1)
    assert first["Message-ID"] == second["In-Reply-To"] == second["References"] == again["Message-ID"]
    assert len({mail["Message-ID"] for mail in (first, second, other)}) == 3
    assert first["In-Reply-To"] is None
    assert (first["Auto-Submitted"], "alerts.ukemi" in first["List-Id"]) == ("auto-generated", True)


# --- SMTP -------------------------------------------------------------------------------------------------------------


class MailServer:
    """As much of a mail server as one delivery needs; `answers` changes what it says to a command."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.answers: dict[str, str] = {}
        server = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 here")
                for line in self.rfile:
                    verb = line.split()[0].decode().upper()
                    answer = server.answers.get(verb) or {
                        "EHLO": "250 here",
                        "DATA": "354 go on",
                        "QUIT": "221 bye",
                    }.get(verb, "250 ok")
                    self.say(answer)
                    if verb == "QUIT":
                        return
                    if answer.startswith("354"):
                        body = b""
                        while not body.endswith(b"\r\n.\r\n"):
                            body += self.rfile.readline()
                        server.mails.append(body)
                        self.say("250 taken")

            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def test_a_mail_is_delivered(mail_server: MailServer) -> None:
    channel = Email(f"smtp://127.0.0.1:{mail_server.port}?tls=none", "a@example.org, b@example.org", "u@example.org")
    assert channel.send(Telling("n1", content()), NOW_US) == "taken by the mail server"
    (mail,) = mail_server.mails
    assert b"Subject: [Shop] critical: SHOP-12: ValueError" in mail
    assert b"multipart/alternative" in mail


@pytest.mark.parametrize(
    ("answers", "query", "retry"),
    [
        ({"MAIL": "450 later"}, "?tls=none", True),
        ({"MAIL": "550 never"}, "?tls=none", False),
        ({"RCPT": "550 nobody here"}, "?tls=none", False),
        ({"RCPT": "451 greylisted"}, "?tls=none", True),
        ({"DATA": "554 spam"}, "?tls=none", False),
        ({"EHLO": "421 closing", "HELO": "421 closing"}, "?tls=none", True),
        ({}, "", False),
    ],
    ids=["busy", "refused", "no such recipient", "greylisted", "spam", "closing", "no STARTTLS"],
)
def test_what_a_mail_server_says_decides_whether_trying_again_can_help(
    mail_server: MailServer, answers: dict[str, str], query: str, retry: bool
) -> None:
    """Without STARTTLS nothing is sent in clear, unless that was asked for."""
    mail_server.answers = answers
    channel = Email(f"smtp://127.0.0.1:{mail_server.port}{query}", "a@example.org", "u@example.org")
    with pytest.raises(Undeliverable) as refusal:
        channel.send(Telling("n1", content()), NOW_US)
    assert refusal.value.retry is retry
    assert mail_server.mails == []


@pytest.mark.parametrize(
    ("server", "to", "sender"),
    [
        ("http://host", "a@example.org", "u@example.org"),
        ("smtp://", "a@example.org", "u@example.org"),
        ("smtp://host:x", "a@example.org", "u@example.org"),
        ("smtp://user:secret@host?tls=none", "a@example.org", "u@example.org"),
        ("smtp://host?tls=maybe", "a@example.org", "u@example.org"),
        ("smtp://host", "nobody", "u@example.org"),
        ("smtp://host", "", "u@example.org"),
        ("smtp://host", "a@example.org", "ukemi at example"),
    ],
)
def test_a_mistake_in_the_settings_of_mail_is_named_and_no_secret_repeated(server: str, to: str, sender: str) -> None:
    with pytest.raises(BadChannel) as wrong:
        Email(server, to, sender)
    assert "secret" not in str(wrong.value)


def test_the_url_of_a_mail_server_is_read() -> None:
    found = read_server("smtps://us%40er:p%3Ass@mail.example.org")
    assert (found.host, found.port, found.user, found.password, found.tls) == (
        "mail.example.org",
        465,
        "us@er",
        "p:ss",
        "full",
    )
    assert read_server("smtp://mail.example.org").tls == "start"


# --- the client against hostile networks ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["::ffff:10.0.0.1", "2002:0a00:0001::", "64:ff9b::a00:1"])
def test_an_ipv4_address_inside_of_an_ipv6_address_is_checked_too(address: str) -> None:
    client = OutgoingClient(resolve=lambda *_a, **_o: [(socket.AF_INET6, 1, 6, "", (address, 80, 0, 0))])
    with pytest.raises(Undeliverable, match="private"):
        client.post("http://mapped.example/", b"{}", {}, now_us=NOW_US)
    client.close()


def test_one_that_answers_a_byte_now_and_then_is_not_waited_for() -> None:
    def dribble(connection: socket.socket) -> None:
        connection.recv(1000)
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    with raw_server(dribble) as port:
        client = OutgoingClient(LOOPBACK, deadline_s=0.6)
        began_s = time.monotonic()
        with pytest.raises(Undeliverable) as refusal:
            client.post(f"http://127.0.0.1:{port}/", b"{}", {}, now_us=NOW_US)
        client.close()
    assert refusal.value.retry
    assert time.monotonic() - began_s < 5


def test_an_answer_without_end_is_read_for_a_while_only() -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"x" * 10_000)

    with raw_server(flood) as port:
        client = OutgoingClient(LOOPBACK)
        answer = client.post(f"http://127.0.0.1:{port}/", b"{}", {}, now_us=NOW_US)
        client.close()
    assert (answer.status, len(answer.body)) == (200, 64 * 1024)
