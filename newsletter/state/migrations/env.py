"""Alembic's entry: run the migrations on the file that state.open names, under its write lock."""

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL

from newsletter.state.schema import metadata

engine = create_engine(URL.create("sqlite", database=str(context.config.attributes["path"])))
event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
