"""The way to the database: SQLite by default, PostgreSQL by `DATABASE_URL`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from backend.config import get_settings
from backend.middleware import track_database_operation
from backend.observability import track_database_error

MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 8791
"""Any number, as long as it is the same for all workers."""


@lru_cache
def engine() -> Engine:
    made = create_engine(get_settings().DATABASE_URL, pool_pre_ping=True)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _check_references)
    return made


def _check_references(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")  # SQLite's default is not to


def upgrade() -> None:
    """Bring the database to the newest migration. Workers that start at once wait for each other."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine().connect() as connection:
        if engine().dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


@contextmanager
def session(operation: str, table: str) -> Iterator[Session]:
    """A transaction, committed at the end, with a breadcrumb that says what it was for; its failure says so, too."""
    began_s = time.perf_counter()
    try:
        with Session(engine(), expire_on_commit=False) as opened, opened.begin():
            yield opened
    except DBAPIError as error:
        if not isinstance(error, IntegrityError):  # a name that is taken: whoever asked answers that
            track_database_error(error, operation, table)
        raise
    finally:
        track_database_operation(operation, table, duration_ms=(time.perf_counter() - began_s) * 1000)
