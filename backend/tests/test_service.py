"""What the association's service does, over HTTP and on both databases."""

import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time

import pytest
from fakeredis import TcpFakeServer

from backend import cache
from backend.config import get_settings
from backend.models import Role

pytestmark = pytest.mark.both_databases

PAYABLE = {"amount": 49.5, "payment_method": "pm_card_visa", "note": "grading"}
WISH = {"tier": "premium", "payment_method": "pm_card_visa"}
EVENT = {"title": "Seminar 100% kata", "place": "Main dojo", "starts_at": "2999-01-01T10:00:00+02:00", "seats": 1}
WEBHOOK_SECRET = "whsec_ours"


@pytest.fixture
def post_as_stripe(settings, client):
    """Send what Stripe would send, signed as its documentation says."""
    settings.setenv("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
    get_settings.cache_clear()

    def post(kind, thing):
        told = {"id": "evt_1", "object": "event", "type": kind, "data": {"object": {"object": "thing", **thing}}}
        body, now_s = json.dumps(told), int(time.time())
        signature = hmac.new(WEBHOOK_SECRET.encode(), f"{now_s}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={now_s},v1={signature}"}
        return client.post("/api/payments/webhook", content=body, headers=headers).status_code

    return post


def test_a_sign_in_is_renewed_once_and_a_stolen_token_ends_it(client):
    client.sign_in("kiyoshi")
    account = {"username": "kiyoshi", "password": "a good password"}
    first = client.post("/api/auth/login", json=account).json()["refresh_token"]
    renewed = client.post("/api/auth/refresh", json={"refresh_token": first})
    second = renewed.json()["refresh_token"]
    headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    assert client.get("/api/members/me", headers=headers).json()["username"] == "kiyoshi"

    assert client.post("/api/auth/refresh", json={"refresh_token": first}).status_code == 401
    assert client.post("/api/auth/refresh", json={"refresh_token": second}).status_code == 401, "both have ended"


def test_who_signs_out_stays_out(client):
    client.sign_in("kiyoshi")
    account = {"username": "kiyoshi", "password": "a good password"}
    token = {"refresh_token": client.post("/api/auth/login", json=account).json()["refresh_token"]}
    assert client.post("/api/auth/logout", json=token).status_code == 204
    assert client.post("/api/auth/refresh", json=token).status_code == 401


def test_a_token_that_is_not_ours_lets_nobody_in(client):
    assert client.get("/api/members/me", headers={"Authorization": "Bearer a.b.c"}).status_code == 401
    assert client.get("/api/members/me").status_code == 401


def test_a_payment_is_charged_listed_and_refunded_once(payment_service, client):
    member, board = client.sign_in(), client.sign_in("jigoro", Role.BOARD)
    paid = client.post("/api/payments", json=PAYABLE, headers=member)
    assert (paid.status_code, paid.json()["status"], paid.json()["amount"]) == (201, "paid", "49.50")
    assert [one["id"] for one in client.get("/api/payments", headers=member).json()] == [paid.json()["id"]]
    assert client.get("/api/payments", headers=board).json() == []

    refund = f"/api/payments/{paid.json()['id']}/refund"
    assert client.post(refund, headers=member).status_code == 403
    assert client.post(refund, headers=board).json()["status"] == "refunded"
    assert client.post(refund, headers=board).status_code == 409
    assert [path for _, path in payment_service.calls] == ["/v1/customers", "/v1/payment_intents", "/v1/refunds"]


@pytest.mark.parametrize("amount", [0, -5, 10_001, "1.001", "much"])
def test_an_amount_that_cannot_be_paid_is_refused_before_stripe_is_asked(payment_service, client, amount):
    answer = client.post("/api/payments", json={**PAYABLE, "amount": amount}, headers=client.sign_in())
    assert (answer.status_code, payment_service.calls) == (422, [])


def test_a_payment_whose_answer_was_lost_is_settled_by_the_webhook(payment_service, client, post_as_stripe):
    member = client.sign_in()
    payment_service.fails_at, payment_service.status = "/v1/payment_intents", 500
    assert client.post("/api/payments", json=PAYABLE, headers=member).status_code == 500
    intent = {"id": "pi_9", "metadata": {"payment": "1"}}

    def status():
        return client.get("/api/payments", headers=member).json()[0]["status"]

    assert status() == "pending"
    assert post_as_stripe("payment_intent.succeeded", intent) == 204
    assert status() == "paid"
    assert post_as_stripe("payment_intent.payment_failed", intent) == 204, "late, and out of order"
    assert status() == "paid"
    assert post_as_stripe("charge.refunded", {"id": "ch_1", "payment_intent": "pi_9"}) == 204
    assert status() == "refunded"
    assert post_as_stripe("some.day.new", {"id": "x"}) == 204


def test_a_subscription_makes_a_member_and_ends_by_hand_or_by_stripe(payment_service, client, post_as_stripe):
    headers = client.sign_in()
    held = client.post("/api/subscriptions", json=WISH, headers=headers)
    assert held.json() == {"id": 1, "tier": "premium", "is_active": True}
    assert client.post("/api/subscriptions", json=WISH, headers=headers).status_code == 409

    def member():
        entry = client.get("/api/members/me", headers=headers).json()
        return entry["role"], entry["tier"]

    assert member() == ("member", "premium")
    assert client.delete("/api/subscriptions/1", headers=client.sign_in("other")).status_code == 404
    assert client.delete("/api/subscriptions/1", headers=headers).status_code == 204
    assert member() == ("member", "free")

    client.post("/api/subscriptions", json=WISH, headers=headers)
    assert post_as_stripe("customer.subscription.deleted", {"id": f"id_{len(payment_service.calls)}"}) == 204
    assert member() == ("member", "free")
    assert [one["is_active"] for one in client.get("/api/subscriptions", headers=headers).json()] == [False, False]


def test_of_the_last_seat_only_one_gets_it(client):
    instructor = client.sign_in("jigoro", Role.INSTRUCTOR)
    members = [client.sign_in(name) for name in ("aiko", "bruno", "chidi", "dana")]
    assert client.post("/api/events", json=EVENT, headers=members[0]).status_code == 403
    event = client.post("/api/events", json=EVENT, headers=instructor).json()
    assert event["starts_at"] == "2999-01-01T08:00:00Z"

    answers = []

    def book(member):
        answers.append(client.post(f"/api/events/{event['id']}/booking", headers=member).status_code)

    threads = [threading.Thread(target=book, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409, 409, 409]
    assert client.get("/api/events").json()[0]["seats_taken"] == 1


def test_a_seat_is_taken_once_and_can_be_given_back(client):
    instructor = client.sign_in("jigoro", Role.INSTRUCTOR)
    place = f"/api/events/{client.post('/api/events', json={**EVENT, 'seats': 5}, headers=instructor).json()['id']}"
    assert [client.post(f"{place}/booking", headers=instructor).status_code for _ in range(2)] == [201, 409]
    assert client.get("/api/events").json()[0]["seats_taken"] == 1, "the refused booking took none"
    assert [client.delete(f"{place}/booking", headers=instructor).status_code for _ in range(2)] == [204, 404]
    assert client.get("/api/events").json()[0]["seats_taken"] == 0


def test_members_and_events_are_found_by_letters_that_mean_nothing_else(client):
    instructor = client.sign_in("jigoro", Role.INSTRUCTOR)
    client.post("/api/events", json=EVENT, headers=instructor)

    def found(words):
        answer = client.get("/api/search", params={"q": words}, headers=instructor).json()
        return [one["username"] for one in answer["members"]], [one["title"] for one in answer["events"]]

    assert found("GORO") == (["jigoro"], [])
    assert found("0% ka") == ([], ["Seminar 100% kata"])
    assert found("s%r") == ([], [])
    assert client.get("/api/search", params={"q": "goro"}).status_code == 401


def test_the_board_sees_everybody_and_gives_roles(payment_service, client):
    member, board = client.sign_in("aiko"), client.sign_in("jigoro", Role.BOARD)
    client.post("/api/payments", json=PAYABLE, headers=member)
    assert [one["username"] for one in client.get("/api/admin/members?limit=1", headers=board).json()] == ["aiko"]
    assert [one["username"] for one in client.get("/api/admin/members?after=1", headers=board).json()] == ["jigoro"]
    assert client.get("/api/admin/summary", headers=board).json() == {"members": 2, "received": "49.50"}
    changed = client.patch("/api/admin/members/1", json={"role": "instructor"}, headers=board)
    assert changed.json()["role"] == "instructor"
    assert client.patch("/api/admin/members/2", json={"role": "guest"}, headers=board).status_code == 409
    assert client.patch("/api/admin/members/9", json={"role": "guest"}, headers=board).status_code == 404
    for path in ("members", "summary"):
        assert client.get(f"/api/admin/{path}", headers=member).status_code == 403


def test_the_first_board_member_is_made_by_command(client):
    client.sign_in("jigoro")
    command = [sys.executable, "-m", "backend.grant_role"]
    granted = subprocess.run([*command, "jigoro", "board"], capture_output=True, text=True, check=False)
    assert granted.stdout == "jigoro is board from the next sign-in on.\n", granted.stderr
    assert subprocess.run([*command, "nobody", "board"], capture_output=True, check=False).returncode == 1


def test_events_are_read_from_redis_until_they_change(settings, client):
    with TcpFakeServer(("127.0.0.1", 0), server_type="redis") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.setenv("REDIS_URL", f"redis://127.0.0.1:{server.server_address[1]}")
        get_settings.cache_clear()
        cache.store.cache_clear()
        instructor = client.sign_in("jigoro", Role.INSTRUCTOR)
        assert client.get("/api/events").json() == []
        assert cache.store().get("events:upcoming") == b"[]"
        client.post("/api/events", json=EVENT, headers=instructor)
        assert [one["title"] for one in client.get("/api/events").json()] == ["Seminar 100% kata"]
        cache.store().close()
        server.shutdown()
        thread.join()


def test_the_health_check_tells_when_the_database_is_gone(client, settings):
    assert client.get("/health").json() == {"status": "ok", "database": "ok"}
