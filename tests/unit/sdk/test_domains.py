"""A tracked failure names its domain, refines its group, and is expected where a user can cause it alone."""

import pytest

import ukemi.sdk
from ukemi.sdk.domains import USER_CAUSED_AUTH


class CardError(Exception):
    """As Stripe's: known by its name, for the SDK does not import Stripe."""

    code = "card_declined"


class ThreeDSecureError(CardError):
    pass


def test_facts_tags_level_and_fingerprint_of_a_payment(init, sent):
    init()
    event_id = ukemi.sdk.track_payment_error(
        RuntimeError("gateway"), customer_id="cus_1", amount=12.5, currency="eur", payment_method="sepa"
    )
    event = sent.event()
    assert event["event_id"] == event_id
    assert event["tags"] == {"domain": "payment"}
    assert event["level"] == "error"
    assert event["fingerprint"] == ["{{ default }}", "payment", "sepa"]
    assert event["contexts"]["payment"] == {
        "customer_id": "cus_1",
        "amount": 12.5,
        "currency": "eur",
        "payment_method": "sepa",
    }


@pytest.mark.parametrize(
    ("track", "facts", "fingerprint"),
    [
        (ukemi.sdk.track_auth_error, {"auth_method": "password"}, ["auth", "password"]),
        (ukemi.sdk.track_auth_error, {}, ["auth"]),
        (ukemi.sdk.track_subscription_error, {"action": "cancel", "tier": "gold"}, ["subscription", "cancel"]),
        (ukemi.sdk.track_api_error, {"endpoint": "/v1", "status_code": 502}, ["api", "/v1", "502"]),
        (ukemi.sdk.track_database_error, {"operation": "SELECT", "table": "t"}, ["database", "SELECT", "t"]),
    ],
)
def test_every_domain_groups_within_the_automatic_grouping(init, sent, track, facts, fingerprint):
    init()
    track(RuntimeError("broken"), **facts)
    event = sent.event()
    assert event["fingerprint"] == ["{{ default }}", *fingerprint]
    assert event["tags"]["domain"] == fingerprint[0]
    assert event["contexts"].get(fingerprint[0], {}) == facts


@pytest.mark.parametrize("error", [CardError("no"), ThreeDSecureError("no")])
def test_a_declined_card_is_expected(init, sent, error):
    init()
    ukemi.sdk.track_payment_error(error)
    event = sent.event()
    assert (event["level"], event["tags"]["expected"]) == ("warning", "yes")
    assert event["contexts"]["payment"]["code"] == "card_declined"


@pytest.mark.parametrize("reason", sorted(USER_CAUSED_AUTH))
def test_a_sign_in_that_the_user_got_wrong_is_expected(init, sent, reason):
    init()
    ukemi.sdk.track_auth_error(RuntimeError("no"), reason=reason)
    assert (sent.event()["level"], sent.event()["tags"]["expected"]) == ("warning", "yes")


@pytest.mark.parametrize("expected", [True, False])
def test_the_app_knows_better_what_it_expects(init, sent, expected):
    init()
    ukemi.sdk.track_payment_error(CardError("no"), expected=expected)
    assert ("expected" in sent.event()["tags"]) is expected


def test_every_failure_pages_where_the_team_wants_it(init, sent):
    init(expected_failures="error")
    ukemi.sdk.track_payment_error(CardError("no"))
    assert (sent.event()["level"], sent.event()["tags"]["expected"]) == ("error", "yes")


def test_what_the_app_said_of_the_domain_before_is_kept(init, sent):
    init()
    ukemi.sdk.set_context("payment", {"basket": 3, "currency": "usd"})
    ukemi.sdk.track_payment_error(RuntimeError("gateway"), currency="eur")
    assert sent.event()["contexts"]["payment"] == {"basket": 3, "currency": "eur"}


def test_a_domains_facts_stay_with_its_event(init, sent):
    init()
    ukemi.sdk.track_payment_error(RuntimeError("gateway"), currency="eur")
    ukemi.sdk.capture_message("afterwards")
    assert "payment" not in sent.events()[1]["contexts"]
    assert "tags" not in sent.events()[1]


def test_the_user_name_of_a_failed_sign_in_is_hashed_wherever_it_stands(init, sent):
    init()
    ukemi.sdk.track_auth_error(RuntimeError("no such member: Kiyoshi.Mori"), username="Kiyoshi.Mori", reason="down")
    assert sent.event()["contexts"]["auth"]["username"].startswith("hmac:")
    assert "mori" not in sent.everything().lower()
