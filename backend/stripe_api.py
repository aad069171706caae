"""Everything that we ask of Stripe, through its own library. Card numbers never come here: pages know only Stripe's ids of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import stripe

from backend.config import get_settings
from backend.middleware import track_external_api_call
from backend.models import Tier

PRICES = {Tier.BASIC: "price_basic", Tier.PREMIUM: "price_premium"}


def configure() -> None:
    settings = get_settings()
    stripe.api_key = settings.STRIPE_API_KEY.get_secret_value()
    stripe.api_base = settings.STRIPE_API_BASE
    stripe.default_http_client = stripe.RequestsClient(timeout=settings.STRIPE_TIMEOUT_S)


def create_customer(member_id: int) -> str:
    with _call("/v1/customers"):
        return stripe.Customer.create(metadata={"member": str(member_id)}).id


def charge(customer_id: str, payment_method: str, amount: Decimal, currency: str, payment_id: int) -> str:
    """Charge once, however often it is asked; returns the id of the payment at Stripe."""
    with _call("/v1/payment_intents"):
        return stripe.PaymentIntent.create(
            amount=int(amount * 100),
            currency=currency,
            customer=customer_id,
            payment_method=payment_method,
            confirm=True,
            automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
            metadata={"payment": str(payment_id)},
            idempotency_key=f"payment-{payment_id}",
        ).id


def refund(stripe_id: str) -> None:
    with _call("/v1/refunds"):
        stripe.Refund.create(payment_intent=stripe_id, idempotency_key=f"refund-{stripe_id}")


def subscribe(customer_id: str, payment_method: str, tier: Tier) -> str:
    """Start a subscription, paid with this payment method from now on; returns its id."""
    with _call("/v1/payment_methods/{id}/attach"):
        stripe.PaymentMethod.attach(payment_method, customer=customer_id)
    with _call("/v1/subscriptions"):
        return stripe.Subscription.create(
            customer=customer_id,
            items=[{"price": PRICES[tier]}],
            default_payment_method=payment_method,
            payment_behavior="error_if_incomplete",
        ).id


def cancel(subscription_id: str) -> None:
    with _call("/v1/subscriptions/{id}", "DELETE"):
        stripe.Subscription.cancel(subscription_id)


@contextmanager
def _call(endpoint: str, method: str = "POST") -> Iterator[None]:
    """Leave a trace of a call, with how it ended and how long it took."""
    began_s = time.perf_counter()
    status: int | None = 200
    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status  # None: no answer at all
        raise
    finally:
        track_external_api_call("stripe", endpoint, method, status, (time.perf_counter() - began_s) * 1000)
