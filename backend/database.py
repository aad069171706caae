"""Members, subscriptions and payments as they are stored: SQLite by default, PostgreSQL by `DATABASE_URL`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import ForeignKey, String, create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import CreateTable

from backend.config import get_settings
from backend.middleware import track_database_operation
from backend.observability import track_database_error


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(60), unique=True)
    email: Mapped[str] = mapped_column(String(200), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), default="member")
    """guest | member | instructor | board"""
    tier: Mapped[str] = mapped_column(String(20), default="basic")
    """basic | premium"""
    customer_id: Mapped[str | None] = mapped_column(String(60), default=None)
    """Stripe's id of the member."""


class Subscription(Base):
    __tablename__ = "subscription"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    tier: Mapped[str] = mapped_column(String(20))
    stripe_id: Mapped[str] = mapped_column(String(60))
    is_active: Mapped[bool] = mapped_column(default=True)


class Payment(Base):
    __tablename__ = "payment"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    amount: Mapped[float]
    currency: Mapped[str] = mapped_column(String(3), default="usd")
    stripe_id: Mapped[str] = mapped_column(String(60))


@lru_cache
def engine() -> Engine:
    return create_engine(get_settings().DATABASE_URL)


def create_tables() -> None:
    """Create what is missing. Several workers may start at once, so the database itself is asked, not we beforehand."""
    with engine().begin() as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))


@contextmanager
def session(operation: str, table: str) -> Iterator[Session]:
    """A transaction, committed at the end, with a breadcrumb that says what it was for; its failure says so, too."""
    track_database_operation(operation, table)
    try:
        with Session(engine(), expire_on_commit=False) as opened, opened.begin():
            yield opened
    except DBAPIError as error:
        if not isinstance(error, IntegrityError):  # a name that is taken: whoever asked answers that
            track_database_error(error, operation, table)
        raise
