"""Alembic's entry: runs the migrations on the connection that `dandelion.db.migrate` passes."""

from alembic import context

from dandelion.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
