"""Paying, refunds, and what Stripe tells us afterwards."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import stripe
from fastapi import APIRouter, BackgroundTasks, Header, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update

from backend import stripe_api
from backend.access import Board, CurrentMember
from backend.config import get_settings
from backend.database import session
from backend.mail import send_mail
from backend.middleware import track_business_operation
from backend.models import Member, Payment, PaymentStatus, Subscription, Tier
from backend.observability import (
    add_breadcrumb,
    set_context,
    start_span,
    start_transaction,
    track_api_error,
    track_payment_error,
)

router = APIRouter(prefix="/api/payments", tags=["payments"])
CURRENCY = "usd"


class Payable(BaseModel):
    amount: Decimal = Field(gt=0, le=10_000, decimal_places=2)
    payment_method: str = Field(pattern=r"^pm_\w+$", max_length=60)
    """Stripe's id of a card, as Stripe's own script gives it to the page."""
    note: str = Field(default="", max_length=200)


class Receipt(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    amount: Decimal
    currency: str
    status: PaymentStatus
    note: str
    created_at: datetime


def customer_of(member_id: int) -> str:
    """Stripe's customer of a member, made at the first payment."""
    with start_span("db.query", "Fetch customer"), session("SELECT", "member") as db:
        known = db.scalars(select(Member.customer_id).where(Member.id == member_id)).one()
    if known is not None:
        return known
    made = stripe_api.create_customer(member_id)
    with session("UPDATE", "member") as db:
        db.execute(update(Member).where(Member.id == member_id).values(customer_id=made))
    return made


def process_payment(payment: Payment, payment_method: str) -> None:
    """
    Charge a payment that is written down already.

    Raises:
        StripeError: of Stripe's library; it was captured.
    """
    set_context("payment", {"payment": payment.id, "amount": float(payment.amount), "currency": payment.currency})
    add_breadcrumb("payment", "Payment started", {"payment": payment.id, "amount": float(payment.amount)})
    customer_id = None
    try:
        customer_id = customer_of(payment.member_id)
        payment.stripe_id = stripe_api.charge(customer_id, payment_method, payment.amount, payment.currency, payment.id)
    except stripe.StripeError as error:
        track_payment_error(
            error,
            customer_id=customer_id,
            amount=float(payment.amount),
            currency=payment.currency,
            payment_method="card",
        )
        raise
    payment.status = PaymentStatus.PAID
    add_breadcrumb("payment", "Payment succeeded", {"payment": payment.id})


@router.post("", status_code=201)
def pay(payable: Payable, member: CurrentMember, background: BackgroundTasks) -> Receipt:
    """Pay once, by card; 402 when it is declined."""
    payment = Payment(member_id=member.member_id, amount=payable.amount, currency=CURRENCY, note=payable.note)
    with session("INSERT", "payment") as db:
        db.add(payment)
        db.flush()
        db.refresh(payment)  # as it is stored: 49.5 is 49.50
    try:
        with start_transaction("/api/payments", "http.server"):
            process_payment(payment, payable.payment_method)
    except stripe.CardError as error:
        payment.status = PaymentStatus.FAILED
        raise HTTPException(402, error.user_message or "The card was declined.") from error
    finally:
        with session("UPDATE", "payment") as db:
            db.merge(payment)
    track_business_operation("payment received", "payment", payment.id, amount=float(payment.amount))
    background.add_task(send_mail, member.email, "Your receipt", f"We received {payment.amount} {CURRENCY}. Thank you.")
    return Receipt.model_validate(payment)


@router.get("")
def mine(member: CurrentMember) -> list[Receipt]:
    """One's own payments, the latest first."""
    with session("SELECT", "payment") as db:
        found = db.scalars(select(Payment).where(Payment.member_id == member.member_id).order_by(Payment.id.desc()))
        return [Receipt.model_validate(one) for one in found]


@router.post("/{payment_id}/refund")
def refund(payment_id: int, _board: Board) -> Receipt:
    """Pay a payment back, whole. The board decides."""
    with session("SELECT", "payment") as db:
        payment = db.get(Payment, payment_id)
    if payment is None:
        raise HTTPException(404, "There is no such payment.")
    if payment.status is not PaymentStatus.PAID or payment.stripe_id is None:
        raise HTTPException(409, f"This payment is {payment.status}: only one that is paid can be refunded.")
    try:
        stripe_api.refund(payment.stripe_id)
    except stripe.StripeError as error:
        track_payment_error(
            error, amount=float(payment.amount), currency=payment.currency, payment_method="refund", expected=False
        )
        raise
    payment.status = PaymentStatus.REFUNDED
    with session("UPDATE", "payment") as db:
        db.merge(payment)
    track_business_operation("payment refunded", "payment", payment.id, amount=float(payment.amount))
    return Receipt.model_validate(payment)


@router.post("/webhook", status_code=204, include_in_schema=False)
async def hear(request: Request, stripe_signature: Annotated[str, Header()] = "") -> None:
    """
    What Stripe tells us later: what a lost answer left open, disputes, ended subscriptions.

    It comes at least once and in any order, so each kind only sets a state.
    """
    secret = get_settings().STRIPE_WEBHOOK_SECRET.get_secret_value()
    try:
        if not secret:
            raise ValueError("STRIPE_WEBHOOK_SECRET is empty")  # noqa: TRY301 - both are answered below
        told = stripe.Webhook.construct_event(await request.body(), stripe_signature, secret)
    except (ValueError, stripe.SignatureVerificationError) as error:
        track_api_error(error, endpoint=request.url.path, status_code=400, method="POST", expected=True)
        raise HTTPException(400, "This is not signed by Stripe.") from error
    add_breadcrumb("payment", "Webhook", {"type": told.type, "id": told.id})
    await run_in_threadpool(_note, told.type, told.data.object)


def _note(kind: str, thing: Any) -> None:
    match kind:
        case "payment_intent.succeeded":
            _set_payment(thing, PaymentStatus.PAID)
        case "payment_intent.payment_failed":
            _set_payment(thing, PaymentStatus.FAILED)
        case "charge.refunded":
            with session("UPDATE", "payment") as db:
                db.execute(
                    update(Payment)
                    .where(Payment.stripe_id == thing.payment_intent)
                    .values(status=PaymentStatus.REFUNDED)
                )
        case "customer.subscription.deleted":
            with session("UPDATE", "subscription") as db:
                ended = db.scalar(select(Subscription).where(Subscription.stripe_id == thing.id))
                if ended is not None and ended.is_active:
                    ended.is_active = False
                    db.get_one(Member, ended.member_id).tier = Tier.FREE


def _set_payment(intent: Any, status: PaymentStatus) -> None:
    """Only what is pending: of what we know ourselves, a late message must not undo anything."""
    with session("UPDATE", "payment") as db:
        db.execute(
            update(Payment)
            .where(Payment.id == int(intent.metadata["payment"]), Payment.status == PaymentStatus.PENDING)
            .values(status=status, stripe_id=intent.id)
        )
