"""Spark sessions: to the server that `SPARK_REMOTE` names, or to the local one, which is started if need be."""

import os
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from resources import spark_server
from resources.strict import StrictResource
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL_RETRIES = 6
"""Tries after a lost connection to the local server: about 7 s in all, enough for a busy one. The client's own rule waits 10 minutes
for a server that died, and the run would not fail before."""

LOCAL_LONGEST_WAIT_MS = 2000

_sessions: dict[str, "SparkSession"] = {}
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
    if isolated:
        return _connect(address, local=local)
    with _sessions_lock:
        session = _sessions.get(address)
        if session is not None and not _works(session):
            session = None
        if session is None:
            _forget_lost(address, local=local)
            session = _sessions[address] = _connect(address, local=local)
        return session


def _connect(address: str, *, local: bool) -> "SparkSession":
    # 1 s of imports that only those who use Spark pay.
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.core import DefaultChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    # pyspark's functions ask this whether to build Connect plans; it sets it itself when a session is made from an address.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    try:
        channel = DefaultChannelBuilder(address, channelOptions=[("grpc.enable_http_proxy", 0)] if local else None)
        session: Any = ConnectSession.builder.channelBuilder(channel).create()
        if local:
            session.client.set_retry_policies([DefaultPolicy(max_retries=LOCAL_RETRIES, max_backoff=LOCAL_LONGEST_WAIT_MS)])
        session.conf.set("spark.sql.session.timeZone", "UTC")
    except PySparkException as error:
        reason = " ".join(str(error).split())[:300]
        raise Unavailable(
            f"no session with Spark: {reason}",
            where=None if local else "SPARK_REMOTE",
            remedy="`srp spark status` tells how the local server is" if local else "check the address and the server",
        ) from error
    return session


def _works(session: Any) -> bool:
    """Whether a session still exists on its server (one that was idle for an hour does not)."""
    from pyspark.errors import PySparkException

    if session.is_stopped:
        return False
    try:
        session.conf.get("spark.sql.session.timeZone")
    except PySparkException:
        return False
    return True


def _forget_lost(address: str, *, local: bool) -> None:
    """Closes the sessions that a new one replaces: with this address, or with a local server that is no more."""
    lost = [known for known in _sessions if known == address or (local and known.startswith("sc://localhost:"))]
    for known in lost:
        session: Any = _sessions.pop(known)
        # Its server has forgotten it: to take leave would only wait for an answer.
        session.release_session_on_close = False
        session.stop()


class SparkResource(StrictResource):
    """Spark for Dagster: a session when it is first asked for.

    dagster-pyspark's `LazyPySparkResource` takes an address that is known when definitions load and keeps its session for good; here the
    server is started on demand, its address has a token, and a session whose server died is replaced, so it is not used.
    """

    _settings: Settings | None = PrivateAttr(default=None)

    def session(self, *, isolated: bool = False) -> "SparkSession":
        """The session of this process, or a new one; see `open_session`."""
        if self._settings is None:
            self._settings = Settings()
        return open_session(self._settings, isolated=isolated)
