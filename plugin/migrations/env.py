"""Alembic's entry: runs on the connection that `Database.upgrade` holds under its lock."""

from __future__ import annotations

from alembic import context

from plugin.tables import all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
