"""Members."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict

from backend.access import CurrentMember
from backend.database import session
from backend.models import Member, Role, Tier

router = APIRouter(prefix="/api/members", tags=["members"])


class Entry(BaseModel):
    """What others may see of a member."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    role: Role
    tier: Tier


def get_member(member_id: int) -> Member:
    with session("SELECT", "member") as db:
        found = db.get(Member, member_id)
    if found is None:
        raise HTTPException(404, "There is no such member any more.")
    return found


@router.get("/me")
def me(member: CurrentMember) -> Entry:
    """One's own entry."""
    return Entry.model_validate(get_member(member.member_id))
