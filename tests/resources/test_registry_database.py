"""The registry on SQLite and on a real PostgreSQL: migrations, transactions, types, and one clear line when it cannot be used."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from resources.registry_database import RegistryResource, open_registry
from resources.registry_types import Identifier, UtcDateTime
from srp_assets.errors import Conflict, InvalidInput, Unavailable
from srp_assets.settings import Settings

metadata = sa.MetaData()
things = sa.Table(
    "test_thing",
    metadata,
    sa.Column("thing_id", Identifier, primary_key=True),
    sa.Column("seen_at", UtcDateTime),
    sa.Column("amount", sa.Integer, nullable=False, server_default="0"),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    if request.param == "sqlite":
        return settings
    return settings.model_copy(update={"database_url": SecretStr(request.getfixturevalue("postgres_database"))})


@pytest.fixture
def registry(database_settings: Settings) -> Iterator[sa.Engine]:
    engine = open_registry(database_settings)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def revisions(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.execute(sa.text("SELECT version_num FROM registry_version")).scalars())


def test_opening_again_changes_nothing(database_settings: Settings) -> None:
    first = open_registry(database_settings)
    tables = set(sa.inspect(first).get_table_names())
    with first.connect() as connection:
        recorded = revisions(first)
        assert connection.in_transaction() is False
    second = open_registry(database_settings)
    assert set(sa.inspect(second).get_table_names()) == tables
    assert revisions(second) == recorded
    first.dispose()
    second.dispose()


def test_two_processes_migrate_at_once(database_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    if database_settings.database_url:
        monkeypatch.setenv("SRP_DATABASE_URL", database_settings.database_url.get_secret_value())
    code = """
from resources.registry_database import open_registry
from srp_assets.settings import Settings
open_registry(Settings()).dispose()
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    complaints = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], complaints
    engine = open_registry(database_settings)
    assert len(revisions(engine)) == len(set(revisions(engine)))
    engine.dispose()


def test_times_come_back_as_the_same_instant_in_utc(registry: sa.Engine) -> None:
    east = timezone(timedelta(hours=8))
    moments = [
        datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 7, 30, tzinfo=east),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    with registry.begin() as connection:
        connection.execute(sa.insert(things), [{"seen_at": moment} for moment in moments] + [{"seen_at": None}])
    with registry.connect() as connection:
        stored = list(connection.execute(sa.select(things.c.seen_at).order_by(things.c.thing_id)).scalars())
        before_2024 = connection.execute(sa.select(sa.func.count()).where(things.c.seen_at < datetime(2024, 1, 1, tzinfo=UTC))).scalar_one()
    assert stored == [*moments, None]
    assert all(moment.tzinfo is UTC for moment in stored[:-1])
    # 07:30 in the east is still the year before in UTC.
    assert before_2024 == 2


def test_a_time_without_zone_is_refused(registry: sa.Engine) -> None:
    with registry.begin() as connection, pytest.raises(sa.exc.StatementError, match="without time zone"):
        connection.execute(sa.insert(things), {"seen_at": datetime(2024, 1, 1)})


def test_transactions_that_read_and_then_write_wait_for_each_other(registry: sa.Engine) -> None:
    """Forty increments by four threads: none is lost and none fails, because each reads under the lock that it writes with."""
    with registry.begin() as connection:
        connection.execute(sa.insert(things), {"thing_id": 1})
    failures: list[BaseException] = []

    def increment() -> None:
        try:
            for _ in range(10):
                with registry.begin() as connection:
                    amount = connection.execute(sa.select(things.c.amount).where(things.c.thing_id == 1).with_for_update()).scalar_one()
                    connection.execute(sa.update(things).where(things.c.thing_id == 1).values(amount=amount + 1))
        except sa.exc.SQLAlchemyError as error:
            failures.append(error)

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with registry.connect() as connection:
        assert connection.execute(sa.select(things.c.amount)).scalar_one() == 40


def test_a_reader_is_not_disturbed_by_a_writer(registry: sa.Engine) -> None:
    with registry.begin() as connection:
        connection.execute(sa.insert(things), {"thing_id": 1, "amount": 1})
    with registry.begin() as writer, registry.connect() as reader:
        writer.execute(sa.update(things).values(amount=2))
        assert reader.execute(sa.select(things.c.amount)).scalar_one() == 1


def test_a_failed_transaction_leaves_nothing(registry: sa.Engine) -> None:
    def fail_half_way() -> None:
        with registry.begin() as connection:
            connection.execute(sa.insert(things), {"thing_id": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with registry.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(things)).scalar_one() == 0


def test_sqlite_enforces_references(settings: Settings) -> None:
    engine = open_registry(settings)
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar_one() == 1
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    engine.dispose()


def test_a_registry_of_a_newer_version_is_refused(database_settings: Settings) -> None:
    engine = open_registry(database_settings)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO registry_version (version_num) VALUES ('9999')"))
    engine.dispose()
    with pytest.raises(Conflict, match="newer version") as caught:
        open_registry(database_settings)
    assert caught.value.remedy


def test_a_home_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match="the home cannot be written") as caught:
        open_registry(Settings(home=tmp_path / "file" / "home"))
    assert "\n" not in str(caught.value)
    assert "SRP_HOME" in str(caught.value)


def test_a_home_without_permission_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may write anywhere, so the refusal of the operating system is played.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(Unavailable, match="Permission denied"):
        open_registry(Settings(home=tmp_path))


def test_a_damaged_database_is_one_clear_line(settings: Settings) -> None:
    settings.home_folder.mkdir(parents=True)
    (settings.home_folder / "registry.sqlite").write_bytes(b"this is no database, " * 100)
    with pytest.raises(Unavailable, match="not a database") as caught:
        open_registry(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["mysql://user:secret@host/database", "no address", "postgresql://user:secret@host:port/database"])
def test_an_address_of_no_known_database_is_refused_without_its_password(settings: Settings, address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_registry(settings.model_copy(update={"database_url": SecretStr(address)}))
    assert caught.value.where == "SRP_DATABASE_URL"
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_line(settings: Settings, tmp_path: Path) -> None:
    address = f"postgresql://user:secret@/database?host={tmp_path}"
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        open_registry(settings.model_copy(update={"database_url": SecretStr(address)}))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_resource_opens_once_and_closes(settings: Settings) -> None:
    import dagster as dg

    with dg.build_resources({"registry": RegistryResource()}) as resources:
        registry = resources.registry
        engine = registry.engine
        assert registry.engine is engine
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    assert registry._engine is None
