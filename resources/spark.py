"""Spark sessions: to the server that `SPARK_REMOTE` names, or to the local one, which is started if need be."""

import atexit
import os
import socket
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dagster_pyspark import LazyPySparkResource
from dagster_spark.utils import flatten_dict
from pydantic import ConfigDict

from resources import spark_server
from resources.spark_configuration import ARROW_BATCH_BYTES
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUICK_RETRIES = 6
"""Tries after a lost connection to the local server, and at the first contact with any: about 7 s in all, enough for a busy one. The
client's own rule waits 10 minutes for a server that died or a wrong address, and the run would not fail before."""

QUICK_LONGEST_WAIT_MS = 2000

DEFAULT_PORT = 15002
"""Spark Connect's port where an address names none."""

_sessions: dict[str, "SparkSession"] = {}
"""The shared session of this process for each address."""

_isolated: list[tuple[str, "SparkSession"]] = []
"""Isolated sessions with their addresses; the stopped ones leave when the next one is opened."""

_sessions_lock = Lock()


def open_session(settings: Settings, *, isolated: bool = False) -> "SparkSession":
    """A Spark Connect session that works.

    Each process has one session for each server and gets it again, until it or the server has died; an `isolated` one is new
    (temporary views and settings of its own) and is stopped by whoever asked for it.

    Raises:
        Unavailable: if no server can be reached or started.
    """
    address = settings.spark_remote or spark_server.start(settings).address
    local = settings.spark_remote is None
    with _sessions_lock:
        if isolated:
            _isolated[:] = [known for known in _isolated if not known[1].is_stopped]
            _isolated.append((address, _connect(address, local=local)))
            return _isolated[-1][1]
        session = _sessions.get(address)
        if session is not None and not _works(session, address):
            session = None
        if session is None:
            _forget_lost(address, local=local)
            session = _sessions[address] = _connect(address, local=local)
        return session


def close_sessions() -> None:
    """Closes the sessions of this process; whoever ends a server that this process used says so before."""
    with _sessions_lock:
        for address, session in [*_sessions.items(), *_isolated]:
            _close(session, address)
        _sessions.clear()
        _isolated.clear()


def _connect(address: str, *, local: bool) -> "SparkSession":
    # 1 s of imports that only those who use Spark pay.
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.core import DefaultChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    # pyspark's functions ask this whether to build Connect plans; it sets it itself when a session is made from an address.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    session: Any = None
    try:
        channel = DefaultChannelBuilder(address, channelOptions=[("grpc.enable_http_proxy", 0)] if local else None)
        session = ConnectSession.builder.channelBuilder(channel).create()
        session.client.set_retry_policies([DefaultPolicy(max_retries=QUICK_RETRIES, max_backoff=QUICK_LONGEST_WAIT_MS)])
        session.conf.set("spark.sql.session.timeZone", "UTC")
        if not local:
            session.conf.set("spark.sql.execution.arrow.maxBytesPerBatch", str(ARROW_BATCH_BYTES))
            # A cluster that has answered once is waited for: it may fail over.
            session.client.set_retry_policies([DefaultPolicy()])
    except PySparkException as error:
        if session is not None:
            # An open client would try for minutes to reach the server when the process ends.
            session.release_session_on_close = False
            session.stop()
        reason = " ".join(str(error).split())[:300]
        raise Unavailable(
            f"no session with Spark: {reason}",
            where=None if local else "SPARK_REMOTE",
            remedy="`srp spark status` tells how the local server is" if local else "check the address and the server",
        ) from error
    # Runs before the client's own rule for the end of the process, which waits for a server that has died.
    atexit.unregister(close_sessions)
    atexit.register(close_sessions)
    return session


def _works(session: Any, address: str) -> bool:
    """Whether a session still exists on its server (one that was idle for an hour does not)."""
    from pyspark.errors import PySparkException

    if session.is_stopped or not _listens(address):
        return False
    try:
        session.conf.get("spark.sql.session.timeZone")
    except PySparkException:
        return False
    return True


def _forget_lost(address: str, *, local: bool) -> None:
    """Closes the sessions that a new one replaces: with this address, or with a local server that is no more."""
    for known in [known for known in _sessions if known == address or (local and known.startswith("sc://localhost:"))]:
        _close(_sessions.pop(known), known)


def _close(session: Any, address: str) -> None:
    # Taking leave of a server that is not there would only wait for an answer.
    if not session.is_stopped:
        session.release_session_on_close = _listens(address)
        session.stop()


def _listens(address: str) -> bool:
    server = urlsplit(address)
    try:
        socket.create_connection((server.hostname or "localhost", server.port or DEFAULT_PORT), timeout=2).close()
    except OSError:
        return False
    return True


class SparkResource(LazyPySparkResource):
    """Spark for Dagster: `LazyPySparkResource`, with sessions that this module opens.

    What the class of dagster-pyspark would do itself does not fit: it takes an address that is known when definitions load, and keeps a
    session whose server has died. `spark_config` are settings of the session (`spark.sql..`), not of the server.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spark_config: dict[str, Any] = {}

    def session(self, *, isolated: bool = False) -> "SparkSession":
        """The session of this process, or a new one; see `open_session`."""
        session = open_session(Settings(), isolated=isolated)
        for name, value in flatten_dict(self.spark_config):
            session.conf.set(name, value)
        return session

    @property
    def spark_session(self) -> Any:
        """The session under the name that dagster-pyspark gives it."""
        return self.session()

    @classmethod
    def _is_dagster_maintained(cls) -> bool:
        return False
