"""What only the board does. The first board member is made with `python -m backend.grant_role`."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import func, select

from backend.access import Board
from backend.database import session
from backend.middleware import track_business_operation
from backend.models import Member, Payment, PaymentStatus, Role
from backend.routes.members import Entry

router = APIRouter(prefix="/api/admin", tags=["admin"])


class NewRole(BaseModel):
    role: Role


class Summary(BaseModel):
    members: int
    received: Decimal


@router.get("/members")
def members(
    _board: Board, after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(gt=0, le=100)] = 50
) -> list[Entry]:
    """All members by id, `limit` at a time: those after the last of the page before."""
    with session("SELECT", "member") as db:
        found = db.scalars(select(Member).where(Member.id > after).order_by(Member.id).limit(limit))
        return [Entry.model_validate(one) for one in found]


@router.patch("/members/{member_id}")
def change_role(member_id: int, new: NewRole, board: Board) -> Entry:
    """Give a member another role, from their next access token on. Nobody changes their own."""
    if member_id == board.member_id:
        raise HTTPException(409, "Another board member must change your role.")
    with session("UPDATE", "member") as db:
        member = db.get(Member, member_id)
        if member is None:
            raise HTTPException(404, "There is no such member.")
        member.role = new.role
    track_business_operation("role changed", "member", member_id, role=new.role)
    return Entry.model_validate(member)


@router.get("/summary")
def summary(_board: Board) -> Summary:
    """How the association does."""
    with session("SELECT", "member, payment") as db:
        count = db.scalars(select(func.count(Member.id))).one()
        received = db.scalar(select(func.sum(Payment.amount)).where(Payment.status == PaymentStatus.PAID))
    return Summary(members=count, received=received or Decimal(0))
