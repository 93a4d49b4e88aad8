"""The stages of requests in Spark: requests go to the buckets of their users, and each task reads what is kept of these users' months.

What is kept never moves: a task reads the files of its bucket, and only the rows of users who ask. Requests for which too little is kept
are handed on by their tasks; the raw actions of their users are counted then, cut into pieces (`missing.py`) and read for them alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from srp_assets.features.building.files import open_files
from srp_assets.sequences.building.actions import ActionFiles
from srp_assets.sequences.building.columns import USER
from srp_assets.sequences.building.missing import COUNTS, pieces_of
from srp_assets.sequences.building.plan_months import tasks_of
from srp_assets.sequences.building.stage_job import Handed, Job
from srp_assets.warehouse.manifests import MANIFEST_DDL, manifests
from srp_assets.warehouse.plan_tasks import collected, done

BUCKET = "bucket"

MOST_ACTIONS = 500_000
"""Raw actions that one task holds: some hundred megabytes."""

Batches = Iterator[pa.RecordBatch]


@dataclass
class WrittenStages:
    """What was written.

    Args:
        files: by day.
        rows: of stage tables.
        requests: by day.
        bytes: of all files.
        short: by day the requests for which too little was kept, and for which raw actions were read.
        logged: by day the requests that began from a logged portrait.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    logged: dict[str, int] = field(default_factory=dict)

    def add(self, manifest: dict[str, Any]) -> None:
        """Counts what a task says."""
        day = manifest["day"]
        if "path" in manifest:
            self.files.setdefault(day, []).append(manifest["path"])
        for name in ("rows", "bytes", "requests", "logged"):
            counts: dict[str, int] = getattr(self, name)
            counts[day] = counts.get(day, 0) + manifest.get(name, 0)


def write_stages(requests: DataFrame, raw: ActionFiles, job: Job) -> WrittenStages:
    """Writes all stages of requests by the day of `as_of`, below `<folder>/day=2024-03-09`.

    Args:
        requests: `trace_id` (each once), `user_id`, `as_of`, `candidates` and the context.
        raw: actions that requests may see; read only where too little is kept.
        job: what is computed.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    written = WrittenStages()
    try:
        found = _of_buckets(requests, job)
        short = sorted(row["short"] for row in found if "short" in row)
        found = [row for row in found if "day" in row]
        if short:
            found += _of_raw_actions(requests.sparkSession, short, raw, job, written)
    finally:
        job.storage.delete_tree(job.scratch)
    for manifest in found:
        written.add(manifest)
    return written


def _of_buckets(requests: DataFrame, job: Job) -> list[dict[str, Any]]:
    bucket = F.pmod(F.crc32(F.coalesce(F.col(USER), F.lit("")).cast("binary")), F.lit(job.buckets)).cast("int")
    return collected(requests.withColumn(BUCKET, bucket).repartition(job.buckets, BUCKET).mapInArrow(_task(job), MANIFEST_DDL))


def _task(job: Job) -> Callable[[Batches], Batches]:
    def compute(batches: Batches) -> Batches:
        waiting = [batch for batch in batches if batch.num_rows]
        if not waiting:
            return
        context = TaskContext.get()
        inputs, partition = job.inputs(), context.partitionId() if context else 0
        asked = pa.Table.from_batches(waiting)
        for bucket in sorted(set(asked[BUCKET].to_pylist())):
            own = asked.filter(pc.equal(asked[BUCKET], bucket)).drop_columns([BUCKET])
            yield from manifests(job.of_bucket(inputs, bucket, own, f"{bucket}-{partition}"))

    return compute


def _of_raw_actions(spark: SparkSession, short: Sequence[str], raw: ActionFiles, job: Job, written: WrittenStages) -> list[dict[str, Any]]:
    """Has the requests of some files computed from raw actions, however many there are."""
    asked = open_files(job.storage, short).to_table(columns=[USER, "as_of"])
    days = pc.strftime(asked["as_of"], "%Y-%m-%d").value_counts().to_pylist()
    written.short = {own["values"]: own["counts"] for own in sorted(days, key=lambda own: str(own["values"]))}
    users = f"{job.scratch}/users.parquet"
    job.storage.write(users, pa.table({USER: pc.unique(asked[USER])}))
    orders = raw.split(tasks_of(raw))
    counts = sorted(row["path"] for row in done(spark, partial(job.count, users=users), orders))
    known = open_files(job.storage, counts).to_table() if counts else COUNTS.empty_table()
    pieces = pieces_of(asked, known, job.document.portrait, MOST_ACTIONS)
    handed = done(spark, partial(job.hand_on, users=users, pieces=pieces), orders)
    found = Handed(short, sorted(row["path"] for row in handed), raw.schema)
    return done(spark, partial(job.of_pieces, handed=found), [tuple(own) for _, own in groupby(pieces, key=lambda piece: piece.task)])
