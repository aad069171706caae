"""Subscriptions: which tier a member has."""

from typing import Literal

import stripe
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel
from sqlalchemy import select

from backend.database import Member, Subscription, session
from backend.middleware import track_business_operation, track_external_api_call
from backend.observability import track_subscription_error
from backend.routes.auth import CurrentMember

router = APIRouter(prefix="/api/subscriptions", tags=["subscriptions"])
PRICES = {"basic": "price_basic", "premium": "price_premium"}


class Wish(BaseModel):
    tier: Literal["basic", "premium"]


@router.get("")
def mine(member: CurrentMember) -> list[dict[str, str | bool]]:
    """One's own subscriptions, the latest first."""
    with session("SELECT", "subscription") as db:
        query = select(Subscription).where(Subscription.member_id == int(member.sub)).order_by(Subscription.id.desc())
        return [{"tier": one.tier, "is_active": one.is_active} for one in db.scalars(query)]


@router.post("", status_code=201)
def subscribe(wish: Wish, member: CurrentMember) -> dict[str, str]:
    """Change to another tier. It is paid with the card of the latest payment."""
    member_id = int(member.sub)
    with session("SELECT", "member") as db:
        customer_id = db.scalars(select(Member.customer_id).where(Member.id == member_id)).one()
    if customer_id is None:
        raise HTTPException(409, "Pay once first, so that a card is known.")
    try:
        created = stripe.Subscription.create(customer=customer_id, items=[{"price": PRICES[wish.tier]}])
        track_external_api_call("stripe", "/v1/subscriptions", "POST", status_code=200)
    except stripe.StripeError as error:
        is_declined = isinstance(error, stripe.CardError)
        track_subscription_error(error, customer_id=customer_id, action="change", tier=wish.tier, expected=is_declined)
        if is_declined:
            raise HTTPException(402, error.user_message or "The card was declined.") from error
        raise
    with session("INSERT", "subscription") as db:
        db.add(Subscription(member_id=member_id, tier=wish.tier, stripe_id=created.id))
        db.get_one(Member, member_id).tier = wish.tier
    track_business_operation("tier changed", "member", member_id, tier=wish.tier)
    return {"tier": wish.tier, "subscription": created.id}
