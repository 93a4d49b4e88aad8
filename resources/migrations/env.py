"""Runs the migrations on the connection that `registry_database` hands over; there is no other way to run them."""

from alembic import context
from sqlalchemy import Connection

connection: Connection = context.config.attributes["connection"]
# Dagster's storage may be in the same database and has an `alembic_version` of its own.
context.configure(connection=connection, version_table="registry_version")
with context.begin_transaction():
    context.run_migrations()
