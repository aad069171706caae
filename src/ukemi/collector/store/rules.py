"""Rules that were made for one project, beside those of the file."""

import sqlalchemy as sa

from ukemi.collector.core.rule_text import Document
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert
from ukemi.collector.store.errors import NotFound


def documents(tx: Tx, project_id: int | None = None) -> list[Document]:
    """Those of one project or of all."""
    table = schema.rule
    query = sa.select(table).order_by(table.c.project_id, table.c.name)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    return [Document(row.project_id, row.name, row.document, row.updated_us, row.actor) for row in tx.execute(query)]


def put(tx: Tx, document: Document) -> None:
    """Make a rule, or write it anew. Running collectors judge by it within a second."""
    row = {
        "project_id": document.project_id,
        "name": document.name,
        "document": document.text,
        "updated_us": document.updated_us,
        "actor": document.actor,
    }
    upsert(tx, schema.rule, [row], replace=["document", "updated_us", "actor"])


def delete(tx: Tx, project_id: int, name: str) -> None:
    """
    Raises:
        NotFound: the project has no rule of its own by this name.
    """
    c = schema.rule.c
    if not tx.execute(sa.delete(schema.rule).where(c.project_id == project_id, c.name == name)).rowcount:
        raise NotFound(f"Project {project_id} has no rule of its own called {name!r}. See: ukemi rules list")
