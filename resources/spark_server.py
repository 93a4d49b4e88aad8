"""The local Spark Connect server: one process for everybody who uses a home, started when first needed, found again later.

It listens on the loopback interface alone and wants a token, which only its environment and a file for the owner's eyes hold. It
outlives the process that started it; `stop` ends it. In the home: `spark/server.json` (process id, port, token), `spark/conf/`,
`spark/tmp/` and `logs/`.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from uuid import uuid4

import psutil
from filelock import FileLock, Timeout

from resources.home import home_folder
from resources.java import find_java
from resources.spark_configuration import write_configuration
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings

SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"

START_SECONDS = 180
"""A server is up in 6 to 8 seconds; on a machine under load a start took a minute."""

ANSWER_SECONDS = 10.0
"""A server that answers within this is well (it answers in milliseconds)."""

HANG_SECONDS = 60.0
"""A server that has not answered for this long hangs and is replaced: longer than any pause of its garbage collector."""

STOP_SECONDS = 20
"""How long a server may take to end itself before it is killed."""

PORT_ATTEMPTS = 3
"""Another process may take a free port between its choice and the server's start."""

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Servers that this process started, kept so that their end is noticed (and no zombie stays)."""


@dataclass(frozen=True)
class ServerState:
    """A running server. `created` is the process's creation time, which tells it from a later process with the same id."""

    pid: int
    created: float
    port: int
    token: str = field(repr=False)
    master: str
    memory: str
    log: str

    @property
    def address(self) -> str:
        """The address that a client connects to, with the token: not for logs."""
        # By name: with a token, a client that is given 127.0.0.1 insists on TLS.
        return f"sc://localhost:{self.port}/;token={self.token}"


def start(settings: Settings) -> ServerState:
    """Finds the server of this home, or starts it; one that died or hangs is replaced.

    Raises:
        Unavailable: if it does not start, with the reason and its log.
    """
    state = _read(settings)
    if state and _runs(state) and answers(state, ANSWER_SECONDS):
        return state
    with _lock(settings):
        state = _read(settings)
        if state and _runs(state):
            if answers(state, HANG_SECONDS):
                return state
            _end(state, patience=0)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            state = _launch(settings, last=attempt == PORT_ATTEMPTS)
            if state:
                return state
    raise AssertionError("the last attempt either succeeds or raises")


def stop(settings: Settings) -> bool:
    """Ends the server of this home; whether there was one."""
    with _lock(settings):
        state = _read(settings)
        runs = state is not None and _runs(state)
        if state and runs:
            _end(state, patience=STOP_SECONDS)
        _state_file(settings).unlink(missing_ok=True)
        return runs


def status(settings: Settings) -> ServerState | None:
    """The server of this home, if its process runs (`answers` tells whether it is well)."""
    state = _read(settings)
    return state if state and _runs(state) else None


def answers(state: ServerState, seconds: float) -> bool:
    """Whether the server answers a request within `seconds`; at once no if nothing listens on its port."""
    # 0.9 s of imports that only those who use Spark pay.
    import grpc
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

    session = str(uuid4())
    user = base_pb2.UserContext(user_id="health")
    metadata = [("authorization", f"Bearer {state.token}")]
    with grpc.insecure_channel(f"127.0.0.1:{state.port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        service = base_pb2_grpc.SparkConnectServiceStub(channel)
        request = base_pb2.AnalyzePlanRequest(session_id=session, user_context=user)
        request.spark_version.SetInParent()
        try:
            service.AnalyzePlan(request, metadata=metadata, timeout=seconds)
            service.ReleaseSession(
                base_pb2.ReleaseSessionRequest(session_id=session, user_context=user), metadata=metadata, timeout=seconds
            )
        except grpc.RpcError:
            return False
    return True


def _folder(settings: Settings) -> Path:
    return home_folder(settings, "spark")


def _state_file(settings: Settings) -> Path:
    return settings.home_folder / "spark" / "server.json"


def _lock(settings: Settings) -> "_ServerLock":
    return _ServerLock(_folder(settings) / "server.lock")


class _ServerLock:
    """The file lock that lets one process at a time start or stop the server."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, timeout=START_SECONDS + HANG_SECONDS)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise Unavailable(
                "another process has been starting or stopping Spark for too long", where=self._lock.lock_file, remedy="end it"
            ) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _read(settings: Settings) -> ServerState | None:
    try:
        return ServerState(**json.loads(_state_file(settings).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        # None was started, or what a crash or another version left is of no use.
        return None


def _write(settings: Settings, state: ServerState) -> None:
    target = _state_file(settings)
    partial = target.with_suffix(f".{uuid4().hex}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(asdict(state), stream)
    partial.replace(target)


def _process(state: ServerState) -> psutil.Process | None:
    child = _started.get(state.pid)
    if child is not None and child.poll() is not None:
        del _started[state.pid]
    try:
        process = psutil.Process(state.pid)
        # The kernel's clock ticks and a changed system time move it by less than a second.
        same = abs(process.create_time() - state.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return process if same else None


def _runs(state: ServerState) -> bool:
    return _process(state) is not None


def _end(state: ServerState, patience: float) -> None:
    """Ends the server and its Python workers: asked first, killed after `patience` seconds."""
    process = _process(state)
    if process is None:
        return
    workers = process.children(recursive=True)
    try:
        if patience:
            process.terminate()
            process.wait(patience)
    except psutil.TimeoutExpired:
        pass
    except psutil.NoSuchProcess:
        return
    for left in (process, *workers):
        try:
            left.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs([process, *workers], timeout=STOP_SECONDS)
    _process(state)


def _launch(settings: Settings, *, last: bool) -> ServerState | None:
    """Starts a server and waits until it answers; None if its free port was taken meanwhile and it may be tried again.

    Raises:
        Unavailable: if it ends or does not answer in time.
    """
    folder = _folder(settings)
    port = _port(settings)
    token = secrets.token_urlsafe(32)
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    configuration = write_configuration(settings, folder, port)
    log = home_folder(settings, "logs") / "spark.out"
    with log.open("wb") as output:
        child = subprocess.Popen(
            ["bash", str(_spark_home() / "bin" / "spark-submit"), "--class", SERVER_CLASS, "--name", "srp"],
            cwd=folder,
            env=_environment(folder, configuration, token),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started[child.pid] = child
    created = psutil.Process(child.pid).create_time()
    state = ServerState(child.pid, created, port, token, settings.spark_master, settings.spark_memory, str(log))
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline:
        if answers(state, ANSWER_SECONDS):
            _write(settings, state)
            return state
        try:
            child.wait(0.2)
            break
        except subprocess.TimeoutExpired:
            continue
    ended = not _runs(state)
    _end(state, patience=0)
    lines = log.read_text(encoding="utf-8", errors="replace")
    if "BindException" in lines and not settings.spark_port and not last:
        return None
    reason = "ended at once" if ended else f"did not answer within {START_SECONDS} s"
    raise Unavailable(
        f"the local Spark server {reason}: {_last_error(lines)}", where=str(log), remedy="see the log; SRP_SPARK_MEMORY sets its memory"
    )


def _port(settings: Settings) -> int:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", settings.spark_port))
        except OSError as error:
            raise Unavailable(
                f"port {settings.spark_port} cannot be used: {error.strerror}",
                where="SRP_SPARK_PORT",
                remedy="choose another one; 0 takes a free one",
            ) from error
        return int(listener.getsockname()[1])


def _spark_home() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent


def _environment(folder: Path, configuration: Path, token: str) -> dict[str, str]:
    # A client's settings keep the server from starting (SPARK_REMOTE), and it needs no password of the registry.
    dropped = {"SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SRP_DATABASE_URL", "PYTHONWARNINGS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("PYTEST_")}
    return {
        "LANG": "C.UTF-8",
        **kept,
        "JAVA_HOME": str(find_java(folder / "java")),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        # A worker uses one core; the scanner's thread pool would start one thread for each core in each worker.
        "RAYON_NUM_THREADS": "1",
        "SPARK_CONF_DIR": str(configuration),
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": token,
        "SPARK_CONNECT_MODE": "0",
        "SPARK_HOME": str(_spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def _last_error(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if "Exception" in line or "Error" in line or "Invalid" in line] or lines
    return telling[-1][:300] if telling else "it printed nothing"
