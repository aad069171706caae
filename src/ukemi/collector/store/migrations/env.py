"""Alembic's entry point: migrations run on the connection that `ukemi.collector.store.migrate` hands in."""

from alembic import context

from ukemi.collector.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
