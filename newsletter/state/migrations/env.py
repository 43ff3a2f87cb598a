"""Alembic's entry: run the migrations in the transaction that state.migrate has opened."""

from alembic import context

from newsletter.state.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
