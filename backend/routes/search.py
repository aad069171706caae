"""Finding members and events by a few letters."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from backend.access import CurrentMember
from backend.database import session
from backend.models import Event, Member
from backend.observability import start_span
from backend.routes.events import Shown
from backend.routes.members import Entry

router = APIRouter(prefix="/api/search", tags=["search"])
MOST = 20
"""Of each kind."""


class Found(BaseModel):
    members: list[Entry]
    events: list[Shown]


@router.get("")
def search(q: Annotated[str, Query(min_length=2, max_length=60)], _member: CurrentMember) -> Found:
    """Members and events whose name contains `q`, in whatever case."""
    with start_span("search", "members and events"), session("SELECT", "member, event") as db:
        members = db.scalars(
            select(Member).where(Member.username.icontains(q, autoescape=True)).order_by(Member.username).limit(MOST)
        )
        events = db.scalars(
            select(Event).where(Event.title.icontains(q, autoescape=True)).order_by(Event.starts_at).limit(MOST)
        )
        return Found(
            members=[Entry.model_validate(one) for one in members], events=[Shown.model_validate(one) for one in events]
        )
