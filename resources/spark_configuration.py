"""The configuration files of the local Spark server, written anew at each start."""

import os
import re
from pathlib import Path

from srp_assets.settings import Settings

PARTITIONS_PER_CORE = 4
"""Adaptive execution joins small shuffle partitions but never splits one: a few more than cores keep big sorts in memory."""

ARROW_BATCH_BYTES = 64 * 2**20
"""What Spark hands a Python worker at a time, at most."""

LISTED_BY_THE_DRIVER = 10_000
"""Files on a local disk that are looked up one by one. Beyond 32 Spark would start a job with a task for each: some milliseconds instead of
a tenth of one, and the days of a build have hundreds of files."""

LOGGING = """rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss.SSS}} %p %c{{1}}: %m%n%ex
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
"""


def write_configuration(settings: Settings, folder: Path, port: int) -> Path:
    """Writes `spark-defaults.conf` and `log4j2.properties` below `folder`; returns their folder."""
    configuration = folder / "conf"
    temporary = folder / "tmp"
    for needed in (configuration, temporary):
        needed.mkdir(parents=True, exist_ok=True)
    options = _options(settings, folder, temporary, port)
    (configuration / "spark-defaults.conf").write_text(
        "".join(f"{name} {_escape(value)}\n" for name, value in options.items()), encoding="utf-8"
    )
    log = settings.home_folder / "logs" / "spark.log"
    (configuration / "log4j2.properties").write_text(LOGGING.format(log=_escape(str(log))), encoding="utf-8")
    return configuration


def _options(settings: Settings, folder: Path, temporary: Path, port: int) -> dict[str, str]:
    java_options = [
        f'"-Djava.io.tmpdir={temporary}"',
        "-Dfile.encoding=UTF-8",
        "-Duser.timezone=UTC",
        # Its files would lie outside of the home.
        "-XX:-UsePerfData",
        # A driver without memory would live on and answer wrongly; a dead one is noticed and replaced.
        "-XX:+ExitOnOutOfMemoryError",
    ]
    options = {
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.local.dir": str(temporary),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Several runs share the server: none waits until another one's stages are done.
        "spark.scheduler.mode": "FAIR",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.python.worker.reuse": "true",
        "spark.python.daemon.module": "resources.spark_daemon",
        # By rows alone, long texts would fill a worker's memory.
        "spark.sql.execution.arrow.maxBytesPerBatch": str(ARROW_BATCH_BYTES),
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.ansi.enabled": "true",
        # The registry is the truth about tables; this catalogue is a cache that may be lost.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # A join on (post_id, comment_id) then uses buckets on post_id alone.
        "spark.sql.requireAllClusterKeysForCoPartition": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
    }
    cores = _cores(settings.spark_master)
    if cores is not None:
        options["spark.sql.shuffle.partitions"] = str(cores * PARTITIONS_PER_CORE)
    if "://" not in settings.warehouse_location:
        options["spark.sql.sources.parallelPartitionDiscovery.threshold"] = str(LISTED_BY_THE_DRIVER)
    if settings.spark_master.startswith("local"):
        # The driver's own ports are for its executors, which are on this machine.
        options["spark.driver.host"] = "127.0.0.1"
        options["spark.driver.bindAddress"] = "127.0.0.1"
    return options


def _cores(master: str) -> int | None:
    """The cores of a master on this machine: `local`, `local[cores]`, or `local-cluster[executors,cores,memory]`; None for any other."""
    local = re.fullmatch(r"local(?:\[(\*|\d+)(?:,\d+)?])?", master)
    if local:
        return (os.cpu_count() or 1) if local[1] == "*" else int(local[1] or 1)
    cluster = re.fullmatch(r"local-cluster\[(\d+),(\d+),\d+]", master)
    return int(cluster[1]) * int(cluster[2]) if cluster else None


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\")
