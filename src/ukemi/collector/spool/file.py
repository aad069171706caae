"""
The spool's file: SQLite, one table of items, one of facts about the file.

FULL makes each commit an fsync of the log; AUTOINCREMENT never gives a position twice, also not after deletes;
secure_delete overwrites what is deleted, since payloads here are not scrubbed yet. Payloads are compressed: a byte is
written up to four times on its way through (log, file, and both again when it is overwritten), so each that is saved pays.
"""

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_TIMEOUT_S = 30
_RETRY_S = 0.001
_LOG_BYTES = 4 << 20
"""So much of the log's file stays on disk to be written over, for that is quicker than to make a file grow."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    key_kind TEXT NOT NULL,
    item_type TEXT NOT NULL,
    event_id TEXT NOT NULL,
    context BLOB NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS item_lane ON item (lane, position);
"""


def open_spool(path: Path) -> sqlite3.Connection:
    """A connection to the spool at `path`; folder (mode 0700) and file (0600) are made if missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    # Only made here, never opened: closing any descriptor of the file would take the locks of all connections that this
    # process has to it (POSIX), and another process could then empty the log below a writer.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    # Connections are made in one thread and used in another, but never by two at once.
    connection = sqlite3.connect(path, timeout=_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new file
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
    connection.execute("INSERT OR IGNORE INTO fact VALUES ('spool_id', ?)", (str(uuid.uuid4()),))
    return connection


@contextlib.contextmanager
def not_waiting(connection: sqlite3.Connection) -> Iterator[None]:
    """What another connection is in the way of fails inside, instead of waiting."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_TIMEOUT_S * 1000}")


def begin(connection: sqlite3.Connection) -> None:
    """
    Begin to write as soon as nobody else does: ingest and digest take turns many times a second.

    SQLite's own waiting would sleep longer and longer, up to 100 ms at once, however short the other one's turn is.

    Raises:
        sqlite3.OperationalError: the other one did not end, or something else is wrong.
    """
    deadline_s = time.monotonic() + _TIMEOUT_S
    with not_waiting(connection):
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                    raise
                time.sleep(_RETRY_S)
            else:
                return


def last_position(path: Path) -> tuple[str, int] | None:
    """Id of the spool at `path` and the highest position that it ever gave; None when there is no spool."""
    if not path.exists():
        return None
    with contextlib.closing(open_spool(path)) as connection:
        spool_id = connection.execute("SELECT value FROM fact WHERE name = 'spool_id'").fetchone()[0]
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'item'").fetchone()
    return spool_id, row[0] if row else 0
