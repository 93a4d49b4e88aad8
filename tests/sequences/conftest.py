from collections.abc import Iterator
from pathlib import Path

import pytest

from resources import redis as redis_server
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.online.store import Store
from srp_assets.settings import PROJECT_ROOT, Settings


@pytest.fixture(scope="session")
def redis_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose home runs a real Redis."""
    settings = Settings(home=tmp_path_factory.mktemp("redis"))
    yield settings
    redis_server.stop(settings)


@pytest.fixture
def store(redis_settings: Settings) -> Iterator[Store]:
    """An empty store on a real Redis."""
    client = redis_server.writing_client(redis_settings)
    client.flushall()
    yield Store(client)
    client.close()


@pytest.fixture(scope="session")
def small() -> Definitions:
    return load_definitions(Path(__file__).parent.parent / "features" / "small.yaml")


@pytest.fixture(scope="session")
def sample_features() -> Definitions:
    return load_definitions(PROJECT_ROOT / "examples" / "sample" / "features.yaml")
