"""
Backups: one file, whichever database it comes from, taken while everything runs.

A backup is an SQLite database of our own tables. From SQLite it is a copy by the online backup interface; from
PostgreSQL every table is copied out of one snapshot. So one way back serves both, and a backup of the one can be restored
into the other. The spool is never part of it: it holds raw, unscrubbed items.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import sqlalchemy as sa

from ukemi.collector.store import migrate, schema
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.errors import BadBackup, NotEmpty

_STEP_ROWS = 2000


class Contents(msgspec.Struct, frozen=True):
    """What a database holds, in the numbers that a person knows it by."""

    projects: int
    issues: int
    events: int


def contents(tx: Tx) -> Contents:
    tables = (schema.project, schema.issue, schema.event)
    return Contents(*(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables))


def backup(database: Database, target: Path) -> Contents:
    """
    Write a backup to `target`, mode 0600; whoever writes to the database meanwhile does not notice.

    `target` appears when it is complete and on disk; what stood there before is replaced only then.

    Raises:
        BadBackup: it cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        with _working_file(part):
            if database.is_sqlite:
                _copy_sqlite(Path(str(database.url.database)), part)
            else:
                _copy_rows_out(database, part)
            found = _read_contents(part)
            _put(part, target)
    except OSError as error:
        raise BadBackup(f"The backup cannot be written to {target}: {error.strerror or error}.") from error
    except sqlite3.Error as error:
        raise BadBackup(f"The backup cannot be written to {target}: {error}.") from error
    return found


def restore(database: Database, source: Path, *, overwrite: bool) -> Contents:
    """
    Make `database` what `source` holds, migrated to the present schema. Nothing may use the database meanwhile.

    Either all of it happens or nothing: the new content is complete and checked before the old one goes.

    Args:
        overwrite: whether a database that holds projects or accounts may go.

    Raises:
        BadBackup: `source` is no backup of ours, or is damaged.
        TooNew: a newer ukemi wrote it.
        NotEmpty: the database holds something, and `overwrite` is False.
    """
    _check_backup(source)
    if not overwrite and not is_empty(database):
        raise NotEmpty("The database is not empty; a restore would replace all of it. Add --force if that is meant.")
    beside = Path(str(database.url.database)) if database.is_sqlite else source
    part = beside.with_name(f".{beside.name}.restore")
    try:
        with _working_file(part):
            shutil.copyfile(source, part)
            copy = Database(f"sqlite:///{part}")
            try:
                migrate.upgrade(copy)
                with copy.read() as tx:
                    found = contents(tx)
                if not database.is_sqlite:
                    migrate.upgrade(database)
                    _load_rows(copy, database)
            finally:
                copy.close()
            if database.is_sqlite:
                _collapse(part)
                database.close()
                for suffix in ("-wal", "-shm"):
                    beside.with_name(beside.name + suffix).unlink(missing_ok=True)
                _put(part, beside)
    except OSError as error:
        raise BadBackup(f"The backup cannot be restored: {error.strerror or error}.") from error
    return found


def is_empty(database: Database) -> bool:
    """Whether nothing of anybody's would be lost with the database: it has no tables, or no projects and accounts."""
    if migrate.current(database) is None:
        return True
    with database.read() as tx:
        return not any(tx.execute(sa.select(table.c.id).limit(1)).first() for table in (schema.project, schema.account))


def _check_backup(source: Path) -> None:
    if not source.is_file():
        raise BadBackup(f"There is no file {source}.")
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro&immutable=1", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                raise BadBackup(f"{source} is a database, but not one of ukemi.")
            if (said := connection.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                raise BadBackup(f"{source} is damaged: {said}. Nothing was changed; take an older backup.")
    except sqlite3.Error as error:
        raise BadBackup(f"{source} is no backup of ukemi, or is damaged: {error}. Nothing was changed.") from error


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source, timeout=30)) as there, closing(sqlite3.connect(target)) as here:
        # All pages in one read transaction: with several, every write by others would make it begin again.
        there.backup(here, pages=-1)
    _collapse(target)


def _copy_rows_out(database: Database, target: Path) -> None:
    copy = Database(f"sqlite:///{target}")
    try:
        migrate.upgrade(copy)
        with database.read() as tx, copy.write() as into:
            for table in schema.metadata.sorted_tables:
                for rows in _rows(tx, table):
                    into.execute(sa.insert(table), rows)
    finally:
        copy.close()
    _collapse(target)


def _load_rows(copy: Database, database: Database) -> None:
    with copy.read() as tx, database.write() as into:
        names = ", ".join(f'"{table.name}"' for table in schema.metadata.sorted_tables)
        into.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
        for table in schema.metadata.sorted_tables:
            for rows in _rows(tx, table):
                into.execute(sa.insert(table), rows)
            for column in table.columns:
                if column.autoincrement is True and column.primary_key:
                    latest = sa.select(sa.func.max(column)).scalar_subquery()
                    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                    into.execute(sa.select(sa.func.setval(sequence, latest)).where(latest.is_not(None)))


def _rows(tx: Tx, table: sa.Table) -> Iterator[list[dict[str, object]]]:
    """All rows of a table in steps of _STEP_ROWS, without ever holding more."""
    rows = tx.execution_options(yield_per=_STEP_ROWS).execute(sa.select(table))
    for step in rows.mappings().partitions():
        yield [dict(row) for row in step]


def _read_contents(path: Path) -> Contents:
    copy = Database(f"sqlite:///{path}")
    try:
        with copy.read() as tx:
            return contents(tx)
    finally:
        copy.close()
        _collapse(path)


def _collapse(path: Path) -> None:
    """Make an SQLite database that one file which a backup must be: no log beside it."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()


@contextmanager
def _working_file(path: Path) -> Iterator[None]:
    """`path` as an empty file for us alone, gone at the end with all that SQLite put beside it."""
    beside = [path.with_name(path.name + suffix) for suffix in ("", "-journal", "-wal", "-shm")]
    for each in beside:
        each.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield
    finally:
        for each in beside:
            each.unlink(missing_ok=True)


def _put(part: Path, target: Path) -> None:
    """Move a finished file to its place, so that a power cut leaves either the old or the new one."""
    for path in (part, target.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path is part:
            part.replace(target)
