"""Dagster's storage on PostgreSQL, for an address that names no driver."""

from typing import Any

from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import make_url


class PostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` that says which driver it means.

    SQLAlchemy 2.1 takes psycopg 3 for `postgresql://`; Dagster's statements (`NOTIFY` with a parameter) work with psycopg 2 alone.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "PostgresStorage":
        """Builds the storage from what `dagster.yaml` says (`postgres_url`)."""
        url = make_url(config_value["postgres_url"]).set(drivername="postgresql+psycopg2")
        return cls(postgres_url=url.render_as_string(hide_password=False), inst_data=inst_data)
