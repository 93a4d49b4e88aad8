"""Fixtures for tests of recall."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, MetaData, create_engine, make_url, text

from resources.registry_database import open_registry
from srp_assets.settings import Settings


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def migrated_registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One registry of each kind for all tests: opening one costs more than most tests."""
    settings = Settings(home=tmp_path_factory.mktemp("registry"))
    if request.param == "postgresql":
        address = make_url(request.getfixturevalue("postgres_url"))
        # pytest ends and begins the fixture again where tests of several files alternate between its parameters.
        name = f"recall_{uuid4().hex}"
        server = create_engine(address.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        server.dispose()
        url = address.set(database=name).render_as_string(hide_password=False)
        settings = settings.model_copy(update={"database_url": SecretStr(url)})
    opened = open_registry(settings)
    yield opened
    opened.dispose()


@pytest.fixture
def any_registry(migrated_registry: Engine) -> Engine:
    """An empty migrated registry, on SQLite and on PostgreSQL."""
    tables = MetaData()
    tables.reflect(migrated_registry)
    with migrated_registry.begin() as connection:
        for table in reversed(tables.sorted_tables):
            if table.name != "registry_version":
                connection.execute(table.delete())
    return migrated_registry
