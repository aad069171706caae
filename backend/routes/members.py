"""Members."""

from fastapi import APIRouter, HTTPException

from backend.database import Member, session
from backend.routes.auth import CurrentMember

router = APIRouter(prefix="/api/members", tags=["members"])


@router.get("/me")
def me(member: CurrentMember) -> dict[str, str | int]:
    """One's own entry."""
    with session("SELECT", "member") as db:
        found = db.get(Member, int(member.sub))
    if found is None:
        raise HTTPException(404, "There is no such member any more.")
    return {"id": found.id, "role": found.role, "tier": found.tier}
