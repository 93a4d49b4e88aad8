"""A registry of documents in memory: quicker than a migrated home, which a test of the migrations proves to be the same."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, StaticPool, create_engine

from srp_assets.strategy.registry import metadata


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to an empty registry."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        metadata.create_all(connection)
        yield connection
    engine.dispose()
