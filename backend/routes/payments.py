"""Paying, through Stripe's own library."""

import stripe
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import select

from backend.database import Member, Payment, session
from backend.middleware import track_business_operation, track_external_api_call
from backend.observability import add_breadcrumb, set_context, start_span, start_transaction, track_payment_error
from backend.routes.auth import CurrentMember

router = APIRouter(prefix="/api/payments", tags=["payments"])


class Card(BaseModel):
    number: SecretStr = Field(min_length=12, max_length=23)
    cvc: SecretStr = Field(min_length=3, max_length=4)
    exp_month: int = Field(ge=1, le=12)
    exp_year: int = Field(ge=2000, le=2100)


class Payable(BaseModel):
    amount: float = Field(gt=0, le=10_000)
    card: Card


async def process_payment(customer_id: str, amount: float) -> stripe.Subscription:
    """
    Have Stripe start the subscription that `amount` pays.

    Raises:
        StripeError: of Stripe's library; it was captured.
    """
    set_context("payment", {"customer_id": customer_id, "amount": amount, "currency": "usd"})
    add_breadcrumb("payment", "Payment started", {"customer_id": customer_id, "amount": amount})
    try:
        subscription = stripe.Subscription.create(customer=customer_id, items=[{"price": "price_123"}])
        track_external_api_call("stripe", "/v1/subscriptions", "POST", status_code=200)
        return subscription  # noqa: TRY300 - the order of these lines is documented for users
    except stripe.error.StripeError as e:
        track_payment_error(e, customer_id=customer_id, amount=amount, currency="usd")
        raise


def customer_of(member_id: int, card: Card) -> str:
    """Stripe's customer of a member, made on the first payment, with this card to be charged from now on."""
    with start_transaction("/api/payments", "http.server"), start_span("db.query", "Fetch customer"):  # noqa: SIM117
        with session("SELECT", "member") as db:
            member = db.scalars(select(Member).where(Member.id == member_id)).one()
            if member.customer_id is None:
                member.customer_id = stripe.Customer.create().id
    method = stripe.PaymentMethod.create(
        type="card",
        card={
            "number": card.number.get_secret_value(),
            "cvc": card.cvc.get_secret_value(),
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
        },
    )
    stripe.PaymentMethod.attach(method.id, customer=member.customer_id)
    return member.customer_id


@router.post("", status_code=201)
async def pay(payable: Payable, member: CurrentMember) -> dict[str, str]:
    """Pay for a membership; 402 when the card is declined."""
    member_id = int(member.sub)
    try:
        customer_id = customer_of(member_id, payable.card)
        subscription = await process_payment(customer_id, payable.amount)
    except stripe.StripeError as error:
        track_payment_error(error, amount=payable.amount, currency="usd")  # unless it was already
        if isinstance(error, stripe.CardError):
            raise HTTPException(402, error.user_message or "The card was declined.") from error
        raise
    with session("INSERT", "payment") as db:
        db.add(Payment(member_id=member_id, amount=payable.amount, stripe_id=subscription.id))
    track_business_operation("payment received", "member", member_id, amount=payable.amount)
    return {"subscription": subscription.id, "status": "paid"}
