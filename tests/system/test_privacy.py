"""No secret stands anywhere: not in what left the app, not in a row, a file, a log, nor in what a channel was told."""

import secrets
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.system.between import Between
from ukemi.collector.store import bodies

DECLINED_CARD = "4000000000000002"


class Wire(Between):
    """Keeps what left the app."""

    def __init__(self, target: str) -> None:
        self.bodies: list[bytes] = []
        super().__init__(target)

    def times(self, headers: bytes, body: bytes) -> int:
        self.bodies += [headers, body]
        return 1


@pytest.fixture
def collector(start_collector, receiver):
    return start_collector(
        slack_url=f"{receiver.url}/slack",
        pagerduty_url=f"{receiver.url}/pagerduty",
        pagerduty_routing_key="0" * 32,
        webhook_url=f"{receiver.url}/webhook",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        outgoing_allow='["127.0.0.0/8"]',
    )


@pytest.fixture
def wire(collector):
    wire = Wire(collector.url)
    yield wire
    wire.close()


@pytest.fixture
def backend(collector, wire, start_backend) -> str:
    """The backend, sending through the wire; its log is one of the places looked through."""
    return start_backend(collector.dsn().replace(collector.url.removeprefix("http://"), wire.address))


def values(database: Path) -> list[bytes]:
    """Every value of every row, bodies decompressed."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    found = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f"SELECT * FROM {table}"):
            for value in row:
                if isinstance(value, bytes):
                    found.append(bodies.decompress(value) if table == "event_base" and len(value) > 8 else value)
                elif value is not None:
                    found.append(str(value).encode())
    pairs = "SELECT e.body, b.body FROM event e LEFT JOIN event_base b USING (project_id, issue_id, received_day)"
    found += [bodies.decompress(body, base) for body, base in connection.execute(pairs)]
    connection.close()
    return found


def test_a_failed_payment_and_a_failed_login_tell_all_and_leak_nothing(
    collector, wire, backend, receiver, tmp_path, eventually
):
    username, password, email = (
        f"kiyoshi-{secrets.token_hex(4)}",
        secrets.token_urlsafe(16),
        f"k{secrets.token_hex(4)}@example.org",
    )
    client = httpx.Client(base_url=backend, headers={"Connection": "close"}, timeout=30)
    account = {"username": username, "password": password}
    assert client.post("/api/auth/register", json={**account, "email": email}).status_code == 201
    assert client.post("/api/auth/login", json={**account, "password": "wrong " + password}).status_code == 401
    token = client.post("/api/auth/login", json=account).json()["access_token"]
    answer = client.post(
        "/api/payments",
        params={"token": token, "email": email},
        json={"amount": 49.5, "payment_method": "pm_card_visa_chargeDeclined", "note": f"please take {DECLINED_CARD}"},
        headers={"Authorization": f"Bearer {token}", "Cookie": f"session={token}"},
    )
    assert answer.status_code == 402
    client.close()

    def issue(title: str) -> dict | None:
        rows = collector.rows("SELECT id, level FROM issue WHERE title LIKE ?", f"{title}%")
        return {"id": rows[0][0], "level": rows[0][1]} if rows else None

    eventually(lambda: issue("CardError"), "the failed payment is an issue")
    eventually(lambda: issue("AuthenticationError"), "the failed login is an issue")
    eventually(lambda: len(receiver.json("/slack")) >= 2, "the team is told")

    page = page_of(collector, issue("CardError")["id"])
    event = page["event"]
    assert page["issue"]["level"] == "warning"
    assert event["exceptions"][0]["type"] == "CardError"
    assert event["exceptions"][0]["frames"][-1]["context_line"]
    assert event["contexts"]["payment"]["amount"] == 49.5
    assert event["contexts"]["payment"]["currency"] == "usd"
    assert event["contexts"]["payment"]["customer_id"].startswith("cus_")
    assert "Payment started" in [crumb["message"] for crumb in event["breadcrumbs"]]
    assert event["user"]["id"] == "1"
    assert event["user"]["data"] == {"role": "guest", "tier": "free"}
    assert event["user"]["email"].startswith("hmac:")
    assert (event["line"]["environment"], event["line"]["release"]) == ("staging", "wwmaa-backend@1.0.0")
    assert event["tags"]["domain"] == "payment"

    collector.stop()
    secret = {
        "card number": DECLINED_CARD,
        "token": token,
        "signature of the token": token.rsplit(".", 1)[1],
        "password": password,
        "user name": username,
        "e-mail": email,
    }
    places = {
        "what left the app": b"\n".join(wire.bodies),
        "rows of the database": b"\n".join(values(collector.data_dir / "ukemi.db")),
        "what the channels were told": b"\n".join(body for _, _, body in receiver.received),
        "the collector's log": collector.log.read_bytes(),
    }
    places |= {str(path.name): path.read_bytes() for path in collector.data_dir.rglob("*") if path.is_file()}
    assert b"CardError" in places["what left the app"], "the place to look at is the right one"
    assert b"CardError" in places["rows of the database"]
    assert b"CardError" in places["what the channels were told"]
    found = [
        f"{what} in {where}" for what, text in secret.items() for where, body in places.items() if text.encode() in body
    ]
    assert found == []


def page_of(collector, issue_id: str) -> dict:
    """The issue page's JSON twin, as somebody who is signed in sees it."""
    link = collector.ukemi("user", "create", "reader@example.org", "--json")["sign_in"]
    with httpx.Client(base_url=collector.url, follow_redirects=True) as web:
        web.post("/sign-in/" + link.rsplit("/", 1)[1]).raise_for_status()
        return web.get(f"/projects/1/issues/{issue_id}.json").raise_for_status().json()
