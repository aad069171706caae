"""The pages for people: what comes next, sign-in, paying and booking. Their forms call what the API calls."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from backend.access import SESSION_COOKIE, SignedInVisitor, from_own_page, visitor
from backend.auth_tokens import issue_token
from backend.config import get_settings
from backend.errors import AuthenticationError
from backend.models import Member, Tier
from backend.observability import send_feedback
from backend.routes import auth, events, members, payments, subscriptions
from backend.show import show

router = APIRouter(include_in_schema=False, dependencies=[Depends(from_own_page)])
SESSION_LIVES = timedelta(hours=12)
WRONG = "User name or password is wrong."
"""Never which of the two: whoever guesses shall not learn who is a member."""
TEST_CARDS = {
    "pm_card_visa": "Visa, which works",
    "pm_card_visa_chargeDeclined": "Visa, which is declined",
}
"""Stripe's own, for its test mode. A page that takes real money mounts Stripe's Payment Element instead, which gives the
form such an id, too."""


PAID_TIERS = [tier for tier in Tier if tier is not Tier.FREE]


class Feedback(BaseModel):
    event_id: str = Field(pattern="^[0-9a-f]{32}$")
    name: str = Field(default="", max_length=120)
    comments: str = Field(min_length=1, max_length=4000)


@router.get("/")
def index(request: Request) -> Response:
    known = visitor(request)
    seats = events.seats_of(known) if known else ()
    return show(request, "index.html", events=events.upcoming(), seats=seats)


@router.get("/register")
def registration_page(request: Request) -> Response:
    return show(request, "register.html")


@router.post("/register")
def register(given: Annotated[auth.Registration, Form()], background: BackgroundTasks) -> Response:
    auth.register(given, background)
    return _signed_in(auth.get_user(given.username), "/membership")


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    return show(request, "sign_in.html")


@router.post("/sign-in")
def sign_in(request: Request, given: Annotated[auth.Credentials, Form()]) -> Response:
    try:
        member = auth.authenticate_user(given.username, given.password.get_secret_value())
    except AuthenticationError:
        return show(request, "sign_in.html", status=401, username=given.username, complaint=WRONG)
    return _signed_in(member, "/")


@router.post("/sign-out")
def sign_out() -> Response:
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(SESSION_COOKIE)
    return answer


@router.get("/membership")
def membership_page(request: Request, member: SignedInVisitor) -> Response:
    held = [one for one in subscriptions.mine(member) if one.is_active]
    receipts = payments.mine(member)
    return show(request, "membership.html", held=held, payments=receipts, cards=TEST_CARDS, tiers=PAID_TIERS)


@router.post("/membership")
def subscribe(wish: Annotated[subscriptions.Wish, Form()], member: SignedInVisitor) -> Response:
    subscriptions.subscribe(wish, member)
    return _signed_in(members.get_member(member.member_id), "/membership")


@router.post("/pay")
def pay(payable: Annotated[payments.Payable, Form()], member: SignedInVisitor, background: BackgroundTasks) -> Response:
    payments.pay(payable, member, background)
    return RedirectResponse("/membership", 303)


@router.post("/events/{event_id}/booking")
def book(event_id: events.EventId, member: SignedInVisitor, background: BackgroundTasks) -> Response:
    events.book(event_id, member, background)
    return RedirectResponse("/", 303)


@router.post("/feedback")
def feedback(request: Request, given: Annotated[Feedback, Form()]) -> Response:
    """What somebody tells about an error that they met: it stands with the error's issue."""
    send_feedback(given.event_id, given.comments, given.name)
    return show(request, "thanks.html")


def _signed_in(member: Member, path: str) -> Response:
    answer = RedirectResponse(path, 303)
    answer.set_cookie(
        SESSION_COOKIE,
        issue_token(member, SESSION_LIVES),
        max_age=int(SESSION_LIVES.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=get_settings().is_production,
    )
    return answer
