"""The local Spark server: one for all processes, on loopback, behind a token, replaced when it died, ended by its id alone.

The tests that harm or end a server have one of their own; the others share the run's.
"""

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from pydantic import ValidationError

from resources import spark_server
from resources.spark import SparkResource, close_sessions, open_session
from resources.spark_daemon import LIBRARIES
from resources.spark_server import ServerState
from srp_assets.errors import Unavailable
from srp_assets.settings import PROJECT_ROOT, Settings

CLIENT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from srp_assets.settings import Settings
    from resources.spark import open_session
    from resources.spark_server import start
    settings = Settings(home=Path(sys.argv[1]), spark_master="local[1]", spark_memory="512m")
    print(start(settings).pid, open_session(settings).range(7).count(), flush=True)
    sys.stdin.read()
    """
)


@pytest.fixture
def own_settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings on a home (with a space in its name) whose server this test may harm."""
    own = Settings(home=tmp_path / "a home", spark_master="local[1]", spark_memory="512m", SPARK_REMOTE=None)
    yield own
    close_sessions()
    spark_server.stop(own)


@pytest.fixture
def server(spark_server_settings: Settings) -> ServerState:
    """The run's shared server."""
    return spark_server.start(spark_server_settings)


def client(settings: Settings) -> "subprocess.Popen[str]":
    """Another process that starts or finds the server, counts, prints its process id and the count, and waits for its standard input."""
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(settings.home_folder)],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening(pids: set[int]) -> set[str]:
    """The addresses on which the processes listen, from the kernel's tables (hexadecimal, IPv4 and IPv6)."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{min(pids)}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.add(fields[1].split(":")[0])
    return addresses


@pytest.mark.starts_servers
def test_two_processes_at_once_start_one_server_and_a_killed_client_leaves_it(own_settings: Settings) -> None:
    processes = [client(own_settings) for _ in range(2)]
    try:
        answers = [process.stdout.readline().split() for process in processes]
        assert answers[0] == answers[1], [process.stderr.read() for process in processes if process.poll() is not None]
        pid, count = map(int, answers[0])
        assert count == 7
        for process in processes:
            process.kill()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    found = spark_server.start(own_settings)
    assert found.pid == pid
    assert open_session(own_settings).range(5).count() == 5

    assert spark_server.stop(own_settings) is True
    assert not psutil.pid_exists(pid)
    assert spark_server.status(own_settings) is None
    assert spark_server.stop(own_settings) is False


@pytest.mark.starts_servers
def test_a_server_that_was_killed_or_hangs_is_replaced_and_sessions_with_it(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = spark_server.start(own_settings)
    session = open_session(own_settings)
    assert session.range(3).count() == 3
    os.kill(first.pid, signal.SIGKILL)
    # What a run in the middle of its work sees: an error within seconds, not ten minutes of silence.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception, match="(?i)unavailable|connect"):
            session.range(3).count()
    replaced = open_session(own_settings)
    assert replaced is not session
    assert replaced.range(4).count() == 4
    second = spark_server.status(own_settings)
    assert second is not None
    assert (second.pid, second.token) != (first.pid, first.token)

    os.kill(second.pid, signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr(spark_server, "ANSWER_SECONDS", 2.0)
        patched.setattr(spark_server, "HANG_SECONDS", 2.0)
        third = spark_server.start(own_settings)
    assert third.pid != second.pid
    assert not psutil.pid_exists(second.pid)
    assert open_session(own_settings).range(5).count() == 5


def test_it_listens_on_loopback_alone(server: ServerState) -> None:
    process = psutil.Process(server.pid)
    addresses = listening({server.pid, *(child.pid for child in process.children(recursive=True))})
    # 127.0.0.1 as the kernel writes it, plain or mapped into IPv6.
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_a_client_without_the_token_is_refused(server: ServerState) -> None:
    import grpc
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

    request = base_pb2.AnalyzePlanRequest(session_id="00000000-0000-4000-8000-000000000000")
    request.spark_version.SetInParent()
    for metadata in ([], [("authorization", "Bearer wrong")]):
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = base_pb2_grpc.SparkConnectServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.AnalyzePlan(request, metadata=metadata, timeout=20)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_the_token_is_for_the_owner_alone(server: ServerState, spark_server_settings: Settings) -> None:
    home = spark_server_settings.home_folder
    assert stat.S_IMODE((home / "spark" / "server.json").stat().st_mode) == 0o600
    assert server.token not in repr(server)
    assert server.token not in " ".join(psutil.Process(server.pid).cmdline())
    holders = [path for path in home.rglob("*") if path.is_file() and server.token.encode() in path.read_bytes()]
    assert holders == [home / "spark" / "server.json"]


def test_the_server_is_in_a_session_of_its_own(server: ServerState) -> None:
    """So that an interrupt at the terminal of whoever started it does not reach it."""
    assert os.getsid(server.pid) != os.getsid(0)


def test_a_state_file_of_another_process_is_not_believed(own_settings: Settings) -> None:
    """After a restart of the machine the process id may belong to somebody else, who must not be ended."""
    (own_settings.home_folder / "spark").mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        stale = ServerState(bystander.pid, psutil.Process(bystander.pid).create_time() - 3600, 1, "token", "local[1]", "1g", "log")
        spark_server._write(own_settings, stale)
        assert spark_server.status(own_settings) is None
        assert spark_server.stop(own_settings) is False
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n")


def test_a_damaged_state_file_is_no_server(own_settings: Settings) -> None:
    (own_settings.home_folder / "spark").mkdir(parents=True)
    (own_settings.home_folder / "spark" / "server.json").write_text('{"pid": 1')
    assert spark_server.status(own_settings) is None
    assert spark_server.stop(own_settings) is False


def test_a_port_that_is_taken_is_one_clear_line(own_settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} cannot be used") as caught:
            spark_server.start(own_settings.model_copy(update={"spark_port": port}))
    assert caught.value.where == "SRP_SPARK_PORT"


def test_a_server_that_cannot_start_says_why(own_settings: Settings) -> None:
    with pytest.raises(Unavailable, match="the local Spark server ended at once") as caught:
        spark_server.start(own_settings.model_copy(update={"spark_memory": "no memory"}))
    assert "\n" not in str(caught.value)
    assert caught.value.where.endswith("spark.out")
    assert spark_server.status(own_settings) is None


def test_a_session_has_the_settings_that_the_product_relies_on(spark) -> None:
    expected = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.requireAllClusterKeysForCoPartition": "false",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "8",
    }
    assert {name: spark.conf.get(name) for name in expected} == expected


def test_functions_run_in_this_python_with_this_package(spark) -> None:
    from pyspark.sql.functions import udf

    @udf("string", useArrow=False)
    def whereabouts(_):
        import os
        import sys

        import srp_assets

        return f"{sys.executable} {os.environ['RAYON_NUM_THREADS']} {srp_assets.__name__}"

    assert spark.range(1).select(whereabouts("id")).first()[0] == f"{sys.executable} 1 srp_assets"


def test_a_worker_sets_aside_what_it_keeps_before_each_task(spark) -> None:
    """Else pyspark's own workers look through all of it after each task."""

    def frozen(batches):
        import gc

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"frozen": [gc.get_freeze_count()], "tracked": [len(gc.get_objects())]})

    answers = [spark.range(0, 4, 1, 4).mapInArrow(frozen, "frozen bigint, tracked bigint").toArrow().to_pylist() for _ in range(2)]
    # One of the workers may just have come to its turn to look through everything.
    assert sum(row["frozen"] > row["tracked"] for row in answers[1]) >= len(answers[1]) - 1


def test_a_worker_has_the_libraries_of_kernels_from_its_parent(spark) -> None:
    """Else each new worker would load them again."""

    def loaded(batches):
        import sys

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"name": [name for name in LIBRARIES if name in sys.modules]})

    assert {row.name for row in spark.range(1).mapInArrow(loaded, "name string").collect()} == set(LIBRARIES)


def test_a_process_has_one_session_and_isolated_ones(spark_server_settings: Settings, server: ServerState) -> None:
    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(lambda _: open_session(spark_server_settings), range(8)))
    assert len({id(session) for session in sessions}) == 1
    isolated = open_session(spark_server_settings, isolated=True)
    isolated.range(1).createOrReplaceTempView("mine")
    assert isolated.catalog.tableExists("mine")
    assert not sessions[0].catalog.tableExists("mine")
    isolated.stop()
    assert sessions[0].range(2).count() == 2
    # A session that ended on the server (an hour without work does that) is replaced.
    sessions[0].client.release_session()
    again = open_session(spark_server_settings)
    assert again is not sessions[0]
    assert again.range(2).count() == 2


def test_a_remote_server_is_used_where_one_is_named(settings_with_spark: Settings, server: ServerState) -> None:
    assert open_session(settings_with_spark).range(2).count() == 2
    assert SparkResource().session().range(3).count() == 3
    configured = SparkResource(spark_config={"spark.sql": {"shuffle.partitions": "3"}}).session(isolated=True)
    assert configured.conf.get("spark.sql.shuffle.partitions") == "3"
    configured.stop()
    assert SparkResource().spark_session.conf.get("spark.sql.shuffle.partitions") == "8"
    with pytest.raises(ValidationError, match="spark_konfig"):
        SparkResource(spark_konfig={})
    assert spark_server.status(settings_with_spark) is None
    assert not (settings_with_spark.home_folder / "spark").exists()


def test_a_remote_server_with_a_wrong_token_is_one_clear_line(server: ServerState) -> None:
    with pytest.raises(Unavailable, match="no session with Spark") as caught:
        open_session(Settings(SPARK_REMOTE=f"sc://localhost:{server.port}/;token=wrong"))
    assert caught.value.where == "SPARK_REMOTE"
    assert "\n" not in str(caught.value)
