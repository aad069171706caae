"""Events of the association, and their seats."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, HTTPException, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from backend import cache
from backend.access import CurrentMember, Instructor
from backend.auth_tokens import Claims
from backend.database import session
from backend.mail import send_mail
from backend.middleware import track_business_operation
from backend.models import Booking, Event

router = APIRouter(prefix="/api/events", tags=["events"])
_UPCOMING = "events:upcoming"
_CACHED_S = 5
"""So long may another worker's copy be out of date, where each process caches for itself."""


class Announcement(BaseModel):
    title: str = Field(min_length=3, max_length=120)
    place: str = Field(min_length=1, max_length=120)
    starts_at: AwareDatetime
    seats: int = Field(gt=0, le=10_000)


class Shown(Announcement):
    model_config = ConfigDict(from_attributes=True)

    id: int
    starts_at: datetime
    seats_taken: int


_shown_list = TypeAdapter(list[Shown])


@router.get("")
def upcoming() -> list[Shown]:
    """What is to come, the next one first; for everybody."""
    if (kept := cache.read(_UPCOMING)) is not None:
        return _shown_list.validate_json(kept)
    with session("SELECT", "event") as db:
        query = select(Event).where(Event.starts_at > datetime.now(UTC)).order_by(Event.starts_at).limit(100)
        found = _shown_list.validate_python(db.scalars(query).all())
    cache.keep(_UPCOMING, _shown_list.dump_json(found), _CACHED_S)
    return found


@router.post("", status_code=201)
def announce(announcement: Announcement, _instructor: Instructor) -> Shown:
    """Announce an event. Instructors do."""
    event = Event(**announcement.model_dump())
    with session("INSERT", "event") as db:
        db.add(event)
        db.flush()
        db.refresh(event)  # as it is stored: in UTC
    cache.forget(_UPCOMING)
    track_business_operation("event announced", "event", event.id)
    return Shown.model_validate(event)


def seats_of(member: Claims) -> list[int]:
    """The ids of the events at which a member has a seat."""
    with session("SELECT", "booking") as db:
        return list(db.scalars(select(Booking.event_id).where(Booking.member_id == member.member_id)))


EventId = Annotated[int, Path(gt=0, lt=2**31)]


@router.post("/{event_id}/booking", status_code=201)
def book(event_id: EventId, member: CurrentMember, background: BackgroundTasks) -> Shown:
    """Take a seat. Of the last one, only one member gets it."""
    try:
        with session("INSERT", "booking") as db:
            event = db.scalar(
                update(Event)
                .where(Event.id == event_id, Event.seats_taken < Event.seats, Event.starts_at > datetime.now(UTC))
                .values(seats_taken=Event.seats_taken + 1)
                .returning(Event)
            )
            if event is None:
                raise HTTPException(409, "There is no such event, or no seat is left.")
            db.add(Booking(event_id=event_id, member_id=member.member_id))
    except IntegrityError as error:
        raise HTTPException(409, "You have a seat already.") from error
    cache.forget(_UPCOMING)
    track_business_operation("seat booked", "event", event_id)
    background.add_task(send_mail, member.email, f"Your seat: {event.title}", f"{event.place}, {event.starts_at:%c}.")
    return Shown.model_validate(event)


@router.delete("/{event_id}/booking", status_code=204)
def give_back(event_id: EventId, member: CurrentMember) -> None:
    """Give one's seat back."""
    with session("DELETE", "booking") as db:
        mine = delete(Booking).where(Booking.event_id == event_id, Booking.member_id == member.member_id)
        if db.scalar(mine.returning(Booking.id)) is None:
            raise HTTPException(404, "You have no seat there.")
        db.execute(update(Event).where(Event.id == event_id).values(seats_taken=Event.seats_taken - 1))
    cache.forget(_UPCOMING)
    track_business_operation("seat given back", "event", event_id)
