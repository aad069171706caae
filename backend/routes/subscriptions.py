"""Subscriptions: which tier a member has."""

from typing import Literal

import stripe
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update

from backend import stripe_api
from backend.access import CurrentMember
from backend.database import session
from backend.middleware import track_business_operation
from backend.models import Member, Role, Subscription, Tier
from backend.observability import track_subscription_error
from backend.routes.payments import customer_of

router = APIRouter(prefix="/api/subscriptions", tags=["subscriptions"])


class Wish(BaseModel):
    tier: Literal[Tier.BASIC, Tier.PREMIUM]
    payment_method: str = Field(pattern=r"^pm_\w+$", max_length=60)


class Held(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    tier: Tier
    is_active: bool


@router.get("")
def mine(member: CurrentMember) -> list[Held]:
    """One's own subscriptions, the latest first."""
    with session("SELECT", "subscription") as db:
        query = select(Subscription).where(Subscription.member_id == member.member_id)
        return [Held.model_validate(one) for one in db.scalars(query.order_by(Subscription.id.desc()))]


@router.post("", status_code=201)
def subscribe(wish: Wish, member: CurrentMember) -> Held:
    """Begin a subscription. It makes a guest a member; the new tier stands in the next access token."""
    with session("SELECT", "subscription") as db:
        query = select(Subscription.id).where(Subscription.member_id == member.member_id, Subscription.is_active)
        if db.scalar(query) is not None:
            raise HTTPException(409, "There is a subscription already: cancel it first.")
    customer_id = None
    try:
        customer_id = customer_of(member.member_id)
        stripe_id = stripe_api.subscribe(customer_id, wish.payment_method, wish.tier)
    except stripe.StripeError as error:
        is_declined = isinstance(error, stripe.CardError)
        track_subscription_error(error, customer_id, action="begin", tier=wish.tier, expected=is_declined)
        if is_declined:
            raise HTTPException(402, error.user_message or "The card was declined.") from error
        raise
    begun = Subscription(member_id=member.member_id, tier=wish.tier, stripe_id=stripe_id)
    with session("INSERT", "subscription") as db:
        db.add(begun)
        subscriber = db.get_one(Member, member.member_id)
        subscriber.tier = wish.tier
        if subscriber.role is Role.GUEST:
            subscriber.role = Role.MEMBER
    track_business_operation("subscription begun", "subscription", begun.id, tier=wish.tier)
    return Held.model_validate(begun)


@router.delete("/{subscription_id}", status_code=204)
def cancel(subscription_id: int, member: CurrentMember) -> None:
    """End one's own subscription, at once."""
    with session("SELECT", "subscription") as db:
        held = db.get(Subscription, subscription_id)
    if held is None or held.member_id != member.member_id or not held.is_active:
        raise HTTPException(404, "You have no such subscription.")
    try:
        stripe_api.cancel(held.stripe_id)
    except stripe.StripeError as error:
        track_subscription_error(error, subscription_id=held.stripe_id, action="cancel", tier=held.tier)
        raise
    with session("UPDATE", "subscription") as db:
        db.execute(update(Subscription).where(Subscription.id == held.id).values(is_active=False))
        db.get_one(Member, member.member_id).tier = Tier.FREE
    track_business_operation("subscription ended", "subscription", held.id, tier=held.tier)
