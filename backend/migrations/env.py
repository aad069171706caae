"""Alembic's entry point: migrations run on the connection that `backend.database.upgrade` hands in."""

from alembic import context

from backend.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
