"""What the association remembers. A change here needs a migration beside it; a test compares the two."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Dialect, Enum, ForeignKey, Numeric, String, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Role(StrEnum):
    GUEST = "guest"
    """Has registered, and may book."""
    MEMBER = "member"
    """Has a subscription."""
    INSTRUCTOR = "instructor"
    """Makes events."""
    BOARD = "board"
    """Does everything."""


class Tier(StrEnum):
    FREE = "free"
    BASIC = "basic"
    PREMIUM = "premium"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    """Asked of Stripe; stays so when nobody heard the answer, until the webhook tells."""
    PAID = "paid"
    FAILED = "failed"
    REFUNDED = "refunded"


class Instant(TypeDecorator[datetime]):
    """A moment, always with its time zone, which is UTC: SQLite has no type that would keep it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value and not value.tzinfo else value


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's way
        datetime: Instant,
        Decimal: Numeric(10, 2),
        Role: Enum(Role, native_enum=False, length=20, values_callable=list),
        Tier: Enum(Tier, native_enum=False, length=20, values_callable=list),
        PaymentStatus: Enum(PaymentStatus, native_enum=False, length=20, values_callable=list),
    }


def now() -> datetime:
    return datetime.now(UTC)


class Member(Base):
    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(60), unique=True)
    email: Mapped[str] = mapped_column(String(200), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(default=Role.GUEST)
    tier: Mapped[Tier] = mapped_column(default=Tier.FREE)
    customer_id: Mapped[str | None] = mapped_column(String(60))
    """Stripe's id of the member, once they have paid."""


class SignIn(Base):
    """A device that stays signed in: it renews its access token with a refresh token, which changes each time."""

    __tablename__ = "sign_in"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    previous_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    """Of the token before. Who shows that one has stolen it, or was stolen from: the sign-in ends."""
    expires_at: Mapped[datetime]


class Subscription(Base):
    __tablename__ = "subscription"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    tier: Mapped[Tier]
    stripe_id: Mapped[str] = mapped_column(String(60), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Payment(Base):
    __tablename__ = "payment"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3), default="usd")
    note: Mapped[str] = mapped_column(String(200), default="")
    status: Mapped[PaymentStatus] = mapped_column(default=PaymentStatus.PENDING)
    stripe_id: Mapped[str | None] = mapped_column(String(60), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Event(Base):
    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    place: Mapped[str] = mapped_column(String(120))
    starts_at: Mapped[datetime] = mapped_column(index=True)
    seats: Mapped[int]
    seats_taken: Mapped[int] = mapped_column(default=0)


class Booking(Base):
    __tablename__ = "booking"
    __table_args__ = (UniqueConstraint("event_id", "member_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
