"""
The database behind the store: one `Database` per process, short transactions, the same calls on SQLite and PostgreSQL.

Writing transactions begin IMMEDIATE on SQLite: a transaction that reads first and writes later would otherwise fail with
"database is locked" instead of waiting its turn.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite

from ukemi.collector.store.errors import Unreachable

Tx = Connection
"""A transaction in progress. Functions of the store take it first, and never begin or end one themselves."""

_ALONE = 0x756B656D69
"""The number of our advisory lock on PostgreSQL: "ukemi" in ASCII."""
Duty = Literal["judge", "tell"]
"""What one worker does for all that share a database."""
_DUTIES: Final[dict[Duty, int]] = {"judge": 0x756B656D6A, "tell": 0x756B656D6B}
"""The same for who has a duty."""

_LOG_BYTES: Final = 4 << 20
"""SQLite's log is cut to this once a long reader or a large transaction, which let it grow, is over."""


class Database:
    def __init__(self, url: str) -> None:
        """
        Open the database at `url`: `sqlite:////path/to/ukemi.db` or `postgresql+psycopg://user@host/name`.

        Nothing is created here; see `ukemi.collector.store.migrate`.

        Raises:
            Unreachable: the URL cannot be read, or its driver is not installed.
        """
        try:
            self.url = sa.make_url(url)
            self.is_sqlite = self.url.get_backend_name() == "sqlite"
            options: dict[str, Any] = {"connect_args": {"timeout": 30}} if self.is_sqlite else {"pool_pre_ping": True}
            # Parameters are what strangers sent: they must not stand in an error's text, which goes into logs.
            self._engine = sa.create_engine(self.url, pool_size=8, max_overflow=32, hide_parameters=True, **options)
        except (sa.exc.ArgumentError, ImportError) as error:
            raise Unreachable(
                "The database's URL cannot be used (UKEMI_DATABASE_URL). It looks like "
                "postgresql+psycopg://user@host/name, and PostgreSQL needs pip install 'ukemi[collector,postgres]'."
            ) from error
        self._leading: dict[Duty, Connection] = {}
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction that may write: committed at the end, rolled back on any exception. Keep it short."""
        with self._engine.connect() as connection, connection.execution_options(ukemi_write=True).begin():
            yield connection

    @contextmanager
    def write_alone(self) -> Iterator[Tx]:
        """A transaction that may write and runs on no two nodes at once: for what must be decided only once."""
        with self.write() as tx:  # on SQLite there is only one writer anyway
            if not self.is_sqlite:
                tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_ALONE)))
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """
        A transaction that only reads, from one snapshot.

        Raises:
            Unreachable: the database does not answer.
        """
        options: dict[str, Any] = {"ukemi_write": False}
        if not self.is_sqlite:
            options["isolation_level"] = "REPEATABLE READ"  # below it, PostgreSQL takes a snapshot for each statement
        try:
            with self._engine.connect() as connection, connection.execution_options(**options).begin():
                yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            shown = self.url.render_as_string(hide_password=True)
            raise Unreachable(f"The database {shown} cannot be read: {str(error.orig).strip()}") from error

    def lead(self, duty: Duty) -> bool:
        """
        Whether this is the one of all workers on this database that has a duty; from the first yes until it is gone.

        On SQLite there is one worker, so it is. On PostgreSQL it is who holds an advisory lock on a connection of its own.
        Each duty is to be asked for by one thread.
        """
        if self.is_sqlite:
            return True
        try:
            if duty not in self._leading:
                connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                if not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _DUTIES[duty]}):
                    connection.close()
                    return False
                self._leading[duty] = connection
            self._leading[duty].scalar(sa.text("SELECT 1"))  # is the server still there, and with it the lock?
        except sa.exc.DBAPIError:
            self._stop_leading(duty)
            return False
        return True

    def _stop_leading(self, duty: Duty) -> None:
        if connection := self._leading.pop(duty, None):
            connection.invalidate()  # ends its session on the server, and with it the lock
            connection.close()

    def close(self) -> None:
        for duty in _DUTIES:
            self._stop_leading(duty)
        self._engine.dispose()


def upsert(
    tx: Tx,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    add: Sequence[str] = (),
    latest: Sequence[str] = (),
    replace: Sequence[str] = (),
) -> None:
    """
    Insert `rows`; where a row's primary key exists, merge it into the old one. One statement for all rows.

    Args:
        rows: all with the same keys, and no two with the same primary key (PostgreSQL refuses that).
        add: columns whose new value is old + new.
        latest: columns that keep the greater of old and new.
        replace: columns that take the new value. Columns in none of the three keep the old one.
    """
    if not rows:
        return
    insert = (sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert)(table)
    greatest = sa.func.max if tx.dialect.name == "sqlite" else sa.func.greatest
    changes = {name: table.c[name] + insert.excluded[name] for name in add}
    changes |= {name: greatest(table.c[name], insert.excluded[name]) for name in latest}
    changes |= {name: insert.excluded[name] for name in replace}
    key = list(table.primary_key.columns)
    tx.execute(
        insert.on_conflict_do_update(index_elements=key, set_=changes)
        if changes
        else insert.on_conflict_do_nothing(index_elements=key),
        list(rows),
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    # Only a file without any page takes it, so it comes first; retention then gives space back in small steps. On any
    # other file it does nothing, and waits for whoever is writing to do so.
    if not cursor.execute("PRAGMA page_count").fetchone()[0]:
        cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: the spool is trimmed once its cursor is committed here, so that commit must be on disk.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    is_write = connection.get_execution_options().get("ukemi_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
