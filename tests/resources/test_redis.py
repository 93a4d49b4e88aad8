"""The Redis of a home: started when needed, found again, for its owner alone; an address with a password is not repeated."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from resources import redis as redis_server
from srp_assets.errors import Unavailable
from srp_assets.online.store import Store
from srp_assets.settings import Settings


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Settings]:
    """A home whose path is longer than that of a socket may be."""
    settings = Settings(home=tmp_path / ("deep" * 10) / ("deeper" * 10))
    yield settings
    redis_server.stop(settings)


def test_it_is_started_once_found_again_and_keeps_what_it_holds(deep: Settings) -> None:
    assert redis_server.status(deep) is None
    started = redis_server.start(deep)
    assert redis_server.start(deep).pid == started.pid
    with redis_server.writing_client(deep) as client:
        client.set("kept", "yes")
        assert client.config_get("port")["port"] == "0"
        socket = Path(client.connection_pool.connection_kwargs["path"])
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o077 == 0
    assert redis_server.stop(deep)
    assert not redis_server.stop(deep)
    with redis_server.writing_client(deep) as client:
        assert client.get("kept") == b"yes"


def test_a_server_that_is_named_is_not_replaced_and_its_password_not_repeated() -> None:
    settings = Settings(redis_url=SecretStr("redis://:hunter2@127.0.0.1:1/0"), redis_timeout_ms=50)
    with pytest.raises(Unavailable) as error:
        redis_server.writing_client(settings)
    assert "SRP_REDIS_URL" in str(error.value)
    with redis_server.serving_client(settings) as client, pytest.raises(Unavailable) as failed:
        Store(client).pointer()
    assert not redis_server.stop(settings)
    assert "hunter2" not in f"{error.value}{failed.value}{settings!r}"
