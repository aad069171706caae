"""Each channel against each trouble of the network: what is tried again, what is not, and that no secret is repeated."""

import socket
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network

import pytest

from tests.contract.raw_server import answer, raw_server, read_request, reset
from tests.contract.test_channels import NOW_US, content
from ukemi.collector.notify.channels.apprise import Apprise
from ukemi.collector.notify.channels.base import Channel, Telling
from ukemi.collector.notify.channels.pagerduty import PagerDuty
from ukemi.collector.notify.channels.slack import Slack
from ukemi.collector.notify.channels.webhook import SignedWebhook
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.notify.http import OutgoingClient

# Apprise asks the standard library for modules that Python 3.13 no longer has, and makes do.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TOKEN = "T0AB1CD2E/B0FG3HI4J/x9y8z7w6v5u4t3s2"
ROUTING_KEY = "R0123456789abcdef0123456789abcde"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = [TOKEN, *TOKEN.split("/"), ROUTING_KEY, SIGNING, SIGNING.removeprefix("whsec_")]
OURS: dict[str, Callable[[OutgoingClient, str], Channel]] = {
    "slack": Slack,
    "pagerduty": lambda client, url: PagerDuty(client, ROUTING_KEY, url),
    "webhook": lambda client, url: SignedWebhook(client, url, SIGNING),
}
Talk = Callable[[socket.socket], None]
"""How the server at the other end behaves."""


def answers(status: int, body: bytes = b"", **headers: object) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        answer(connection, status, body, **headers)

    return talk


def never_answers(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)  # until the other side gives up


def repeats_what_it_was_told(connection: socket.socket) -> None:
    answer(connection, 400, read_request(connection))


def takes_it_and_repeats(connection: socket.socket) -> None:
    answer(connection, 200, read_request(connection))


@pytest.fixture(params=OURS)
def open_channel(request: pytest.FixtureRequest) -> Iterator[Callable[..., Channel]]:
    clients: list[OutgoingClient] = []

    def open_(port: int, host: str = "127.0.0.1", allowed: str = "127.0.0.0/8", **options: object) -> Channel:
        clients.append(OutgoingClient([ip_network(allowed)], **options))
        return OURS[request.param](clients[-1], f"http://{host}:{port}/services/{TOKEN}")

    yield open_
    for client in clients:
        client.close()


def refusal_of(channel: Channel) -> Undeliverable:
    with pytest.raises(Undeliverable) as refusal:
        channel.send(Telling("n1", content()), NOW_US)
    assert [secret for secret in SECRETS if secret in str(refusal.value)] == []
    return refusal.value


@pytest.mark.parametrize(
    ("talk", "retry", "after_s", "says"),
    [
        (answers(429, Retry_After=30), True, 30.0, "answered 429"),
        (answers(429), True, None, "answered 429"),
        (answers(500, b"<html><title>Oops</title>"), True, None, "answered 500: a web page: Oops"),
        (answers(503, Retry_After=7), True, 7.0, "answered 503"),
        (
            answers(400, b'{"message":"invalid","errors":["no such key"]}'),
            False,
            None,
            "with 400: no such key; invalid.",
        ),
        (answers(403, b"invalid_token"), False, None, "with 403: invalid_token. Check its URL and key."),
        (answers(302, Location="http://169.254.169.254/latest"), False, None, "a redirect"),
        (answers(307, Location="http://127.0.0.1:1/"), False, None, "a redirect"),
        (reset, True, None, "could not be reached"),
        (lambda connection: connection.close(), True, None, "could not be reached"),
        (lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n"), True, None, "could not be reached"),
        (repeats_what_it_was_told, False, None, "with 400"),
    ],
    ids=[
        "429",
        "429 plain",
        "500",
        "503",
        "400",
        "403",
        "302 inside",
        "307 inside",
        "reset",
        "closed",
        "no HTTP",
        "echo",
    ],
)
def test_a_trouble_is_told_apart_from_another_and_named_without_secrets(
    open_channel: Callable[..., Channel], talk: Talk, retry: bool, after_s: float | None, says: str
) -> None:
    connections: list[int] = []

    def counted(connection: socket.socket) -> None:
        connections.append(1)
        talk(connection)

    with raw_server(counted) as port:
        refusal = refusal_of(open_channel(port))
    assert (refusal.retry, refusal.retry_after_s) == (retry, after_s)
    assert says in str(refusal)
    assert len(connections) == 1, "no second try of its own, and no redirect followed"


def test_one_that_never_answers_is_given_up_and_tried_again(open_channel: Callable[..., Channel]) -> None:
    with raw_server(never_answers) as port:
        refusal = refusal_of(open_channel(port, deadline_s=0.3))
    assert refusal.retry
    assert "could not be reached" in str(refusal)


def test_a_private_address_is_not_spoken_to(open_channel: Callable[..., Channel]) -> None:
    reached: list[bytes] = []
    with raw_server(lambda connection: reached.append(connection.recv(10))) as port:
        refusal = refusal_of(open_channel(port, allowed="192.0.2.0/24"))
    assert (refusal.retry, reached) == (False, [])
    assert "UKEMI_OUTGOING_ALLOW" in str(refusal)


def test_a_name_that_changes_between_check_and_connect_leads_nowhere(open_channel: Callable[..., Channel]) -> None:
    """It is asked for once; the address that was checked is the one that is spoken to."""
    asked: list[str] = []
    reached: list[bytes] = []

    def resolve(host: str, port: int, **_options: object) -> Sequence[tuple]:
        asked.append(host)
        return [(socket.AF_INET, 1, 6, "", ("192.0.2.1" if len(asked) == 1 else "127.0.0.1", port))]

    with raw_server(lambda connection: reached.append(connection.recv(10))) as port:
        channel = open_channel(port, "rebind.example", "192.0.2.0/24", resolve=resolve, deadline_s=0.3)
        first, second = refusal_of(channel), refusal_of(channel)
    assert (len(asked), reached) == (2, [])
    assert first.retry, "192.0.2.1 may be spoken to, and does not answer"
    assert not second.retry, "127.0.0.1 may not"


def test_what_a_channel_repeats_when_it_takes_it_names_no_secret(open_channel: Callable[..., Channel]) -> None:
    with raw_server(takes_it_and_repeats) as port:
        words = open_channel(port).send(Telling("n1", content()), NOW_US)
    assert words.startswith("200 POST /…")
    assert [secret for secret in SECRETS if secret in words] == []


@pytest.mark.parametrize(
    "talk", [never_answers, reset, answers(429), answers(502)], ids=["slow", "reset", "429", "502"]
)
def test_apprise_tells_only_that_it_failed_so_everything_is_tried_again(talk: Talk) -> None:
    with raw_server(talk) as port:
        refusal = refusal_of(Apprise(f"json://127.0.0.1:{port}/{TOKEN}?rto=0.3&cto=0.3"))
    assert refusal.retry
