"""
Space: how many bytes the database needs, and giving back what it no longer does. Where SQLite and PostgreSQL truly differ.

On SQLite a deleted row leaves free pages in the file, which are counted exactly and can be given back in small steps. On
PostgreSQL the size of files says little, since autovacuum makes room for new rows in them; so rows are counted there.
"""

import time
from collections.abc import Iterator

import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Database, Tx

STEP_PAGES = 256
SPARE_SHARE = 0.05
"""Free pages that stay in the file, as a share of all: new rows will need them."""
_EVENT_BYTES = 600
"""Of an event on PostgreSQL beside its body: columns, row header, three indexes."""


def used_bytes(tx: Tx) -> int:
    """Bytes that the database fills with rows, without free space inside."""
    if tx.dialect.name == "sqlite":
        pages, free, page_bytes = (
            int(tx.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page_bytes
    c = schema.event.c
    events, bodies = tx.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.octet_length(c.body)), 0))
    ).one()
    others = [table.name for table in schema.metadata.sorted_tables if table is not schema.event]
    sizes = sa.select(sa.func.sum(sa.text("pg_total_relation_size(quote_ident(name)::regclass)"))).select_from(
        sa.func.unnest(sa.cast(others, sa.ARRAY(sa.Text))).alias("name")
    )
    return int(bodies) + int(events) * _EVENT_BYTES + int(tx.execute(sizes).scalar_one())


def file_bytes(tx: Tx) -> int:
    """Bytes that the database takes on its disk."""
    if tx.dialect.name == "sqlite":
        pages, page_bytes = (
            int(tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in ("page_count", "page_size")
        )
        return pages * page_bytes
    return int(tx.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one())


def give_back(database: Database) -> Iterator[float]:
    """
    Cut free pages off the file in small steps, yielding how long each took; nothing on PostgreSQL, which does so itself.

    Databases made before they could be cut stay as large as they were; SQLite's VACUUM would change that.
    """
    if not database.is_sqlite:
        return
    while True:
        began_s = time.monotonic()
        with database.write() as tx:
            pages, free, mode = (
                int(tx.exec_driver_sql(f"PRAGMA {name}").scalar_one())
                for name in ("page_count", "freelist_count", "auto_vacuum")
            )
            if mode != _INCREMENTAL or free <= pages * SPARE_SHARE:
                return
            for _ in range(STEP_PAGES):  # Python's driver runs this pragma for one page, whatever number it is given
                tx.exec_driver_sql("PRAGMA incremental_vacuum(1)")
        yield time.monotonic() - began_s


_INCREMENTAL = 2
