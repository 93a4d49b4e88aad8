"""The registry database: SQLite in the home, or PostgreSQL; opened with its schema migrated to the newest.

The tables belong to the domains (`registry.py` in each); here are the connection rules that make both databases behave the same.
"""

import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock
from pydantic import PrivateAttr
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from resources.home import home_folder
from resources.strict import StrictResource
from srp_assets.errors import Conflict, InvalidInput, Unavailable
from srp_assets.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"

SQLITE_BUSY_SECONDS = 60
"""How long a writer waits for another one; the longest transaction (a switch of all periods of a backfill) takes about a second."""

MIGRATION_LOCK = 7_316_002
"""Number of the PostgreSQL advisory lock that migrations take (arbitrary, but the same for every process)."""


def open_registry(settings: Settings) -> Engine:
    """Opens the registry database and migrates its schema, one process at a time.

    On SQLite `engine.begin()` takes the write lock at once, so that what a transaction has read is still true when it writes, and
    `engine.connect()` reads one state without blocking anybody.

    Raises:
        InvalidInput: if SRP_DATABASE_URL is no address of a SQLite or PostgreSQL database.
        Unavailable: if the database cannot be reached or written.
        Conflict: if a newer version of the product has migrated it.
    """
    url = settings.registry_url
    if url.startswith("sqlite:"):
        return _open_sqlite(url, home_folder(settings))
    return _open_postgres(url)


def _open_sqlite(url: str, home: Path) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    # A transaction that reads first and writes later fails at once if another one wrote in between; asked for beforehand, it waits.
    engine.begin = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin  # type: ignore[method-assign]
    try:
        with FileLock(home / "registry.lock"):
            with engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]
            with engine.begin() as connection:
                _migrate(connection)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        raise Unavailable(
            f"the registry database cannot be used: {getattr(error, 'orig', error)}",
            where=str(engine.url.database),
            remedy="free space, or correct the permissions or SRP_HOME",
        ) from error
    except Conflict:
        engine.dispose()
        raise
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling begins too late (before the first write, not the first read): `_begin_sqlite` does it.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _open_postgres(address: str) -> Engine:
    try:
        url = make_url(address)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername != "postgresql+psycopg":
            raise InvalidInput(
                f"{url.drivername!r} is not a database that the registry can use", where="SRP_DATABASE_URL", remedy="use postgresql://"
            )
        engine = create_engine(url, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        # The address may hold a password: it is not repeated.
        raise InvalidInput(
            "this is no database address", where="SRP_DATABASE_URL", remedy="write postgresql://user:password@host:port/database"
        ) from error
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            _migrate(connection)
    except DatabaseError as error:
        engine.dispose()
        summary = " ".join(str(error.orig).split())
        raise Unavailable(
            f"the registry database cannot be used: {summary}", where="SRP_DATABASE_URL", remedy="check the address and the server"
        ) from error
    except Conflict:
        engine.dispose()
        raise
    return engine


def _migrate(connection: Connection) -> None:
    # 0.3 s of imports that only a process that opens the registry pays.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    configuration = Config(attributes={"connection": connection})
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        command.upgrade(configuration, "heads")
    except CommandError as error:
        if "Can't locate revision" not in str(error):
            raise
        raise Conflict(
            "the registry database was migrated by a newer version of the product",
            where=str(connection.engine.url.render_as_string(hide_password=True)),
            remedy="install that version, or use another SRP_HOME or SRP_DATABASE_URL",
        ) from error


class RegistryResource(StrictResource):
    """The registry database for Dagster: opened when it is first asked for, closed with the run or the sensor's tick."""

    _engine: Engine | None = PrivateAttr(default=None)

    @property
    def engine(self) -> Engine:
        """The opened database."""
        if self._engine is None:
            self._engine = open_registry(Settings())
        return self._engine

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Closes the database."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
