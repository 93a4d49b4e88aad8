"""The stages of requests in Spark: requests go to the buckets of their users, and each task reads what is kept of these users' months.

What is kept never moves: a task reads the files of its bucket, and only the rows of users who ask. A request for which too little is kept
is named by its task; the raw actions of these users are read then, for them alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from srp_assets.embeddings.vectors import read_vectors
from srp_assets.features.building.files import VersionFiles, open_files, read_versions
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.sequences.building.computing import DROPPED, Inputs, computed_stages, short_requests
from srp_assets.sequences.building.logged import stages_of_portraits
from srp_assets.sequences.building.plan_months import BUCKET, USER, path_of, write_month
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.sequences.served import is_logged
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.warehouse.storage import Storage

SCHEMA = pa.schema(
    [
        ("day", pa.string()),
        ("path", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("requests", pa.int64()),
        ("logged", pa.int64()),
        ("short", pa.list_(pa.string())),
    ]
)
MANIFEST = "day string, path string, rows bigint, bytes bigint, requests bigint, logged bigint, short array<string>"

EVERYTHING = 1 << 62

SPREAD = 8
"""Tasks at most for the requests of a bucket whose users did more than is kept."""

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Job:
    """What a task computes with; it travels to executors.

    Args:
        document: what is declared.
        definitions: of the features beside it.
        versions: of the rows that attributes are taken from.
        storage: of what is kept, and of the result.
        months: folders of what is kept.
        folder: where the result goes.
        buckets: of what is kept.
        split_rows: requests that one task computes at once.
        vectors: storage and file of the vectors of items, if there are any.
        portraits: whether the portraits are written of the traces that the declaration says.
        logged: files of served stages; the requests whose portraits stand in them begin from these.
    """

    document: Document
    definitions: Definitions
    versions: Mapping[str, VersionFiles]
    storage: Storage
    months: Sequence[str]
    folder: str
    buckets: int
    split_rows: int
    vectors: tuple[Storage, str] | None = None
    portraits: bool = True
    logged: Sequence[str] = ()

    def inputs(self) -> Inputs:
        """What is read once for a task."""
        names = [name for source in self.definitions.attributes.values() for name in source.columns]
        attributes = AttributeIndex(self.definitions, read_versions(self.definitions, self.versions, names))
        return Inputs(self.document, attributes, SearchVectors(read_vectors(*self.vectors)) if self.vectors else None)

    def actions(self, bucket: int, users: pa.Array) -> pa.Table | None:
        """What is kept of some users of a bucket; None where nothing is."""
        paths = [path for path in (path_of(month, bucket) for month in self.months) if self.storage.exists(path)]
        if not paths:
            return None
        return open_files(self.storage, paths).to_table(filter=pc.field(USER).isin(users))

    def logged_portraits(self, traces: pa.Array) -> pa.Table:
        """The portraits that were logged of some traces."""
        wanted = (pc.field("stage") == "portrait") & pc.field("trace_id").isin(traces)
        return open_files(self.storage, self.logged, STAGE_SCHEMA).to_table(filter=wanted) if self.logged else STAGE_SCHEMA.empty_table()


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


def write_stages(requests: DataFrame, raw: DataFrame | None, job: Job) -> WrittenStages:
    """Writes all stages of requests by the day of `as_of`, below `<folder>/day=2024-03-09`.

    Args:
        requests: `trace_id` (each once), `user_id`, `as_of`, `candidates` and the context.
        raw: actions that requests may see, with the columns that are kept; read only where too little is. None where there are none.
        job: what is computed.
    """
    written = WrittenStages()
    short = _computed(requests, job, written)
    for day, traces in sorted(short.items()) if raw is not None else ():
        assert raw is not None
        scratch = f"{job.folder}/scratch/{day}"
        asking = _named(requests, traces)
        write_month(_seen_on_a_day(asking, raw, job), job.storage, scratch, EVERYTHING, job.buckets)
        spread = min(SPREAD, 1 + len(traces) // job.split_rows)
        _computed(asking, replace(job, months=[scratch], folder=f"{job.folder}/short"), written, spread)
    job.storage.delete_tree(f"{job.folder}/scratch")
    return written


def _named(requests: DataFrame, traces: Sequence[str]) -> DataFrame:
    names = requests.sparkSession.createDataFrame(pa.table({"trace_id": pa.array(traces)}))
    return requests.join(F.broadcast(names), "trace_id", "left_semi")


def _seen_on_a_day(requests: DataFrame, raw: DataFrame, job: Job) -> DataFrame:
    """The actions that the requests of a day see: what the first of a user sees of them, and what became known until his last.

    A later request sees the newest of both, so however many there are, one selection is made for a user.
    """
    portrait = job.document.portrait
    asked = F.broadcast(requests.groupBy(USER).agg(F.min("as_of").alias("first"), F.max("as_of").alias("last")))
    known = F.greatest("event_time", "arrival_time") if portrait.clock == "as_arrived" else F.col("event_time")
    begin = F.date_sub(F.to_date("first"), portrait.days).cast("timestamp")
    names = raw.columns
    rows = raw.join(asked, USER).where((known < F.col("last")) & (F.col("event_time") >= begin))
    row, order = F.struct(*names), F.struct("event_time", "event_id")
    before = rows.where(known < F.col("first")).select(USER, row.alias("row"), order.alias("order"))
    kept = before.groupBy(USER).agg(F.expr(f"max_by(row, order, {portrait.length})").alias("rows")).select(F.inline("rows"))
    return kept.unionByName(rows.where(known >= F.col("first")).select(*names))


def _computed(requests: DataFrame, job: Job, written: WrittenStages, spread: int = 1) -> dict[str, list[str]]:
    """Computes requests and adds what was written; by day the traces for which too little is kept.

    `spread` is over how many tasks the requests of a bucket go: those of one user may be most of them.
    """
    short: dict[str, list[str]] = {}
    bucket = F.pmod(F.crc32(F.coalesce(F.col(USER), F.lit("")).cast("binary")), F.lit(job.buckets)).cast("int")
    part = F.pmod(F.crc32(F.col("trace_id").cast("binary")), F.lit(spread))
    by_bucket = requests.withColumn(BUCKET, bucket).repartition(job.buckets * spread, BUCKET, part)
    for row in by_bucket.mapInArrow(_task(job), MANIFEST).toArrow().to_pylist():
        day = row["day"]
        if row["short"]:
            short.setdefault(day, []).extend(row["short"])
            written.short[day] = written.short.get(day, 0) + len(row["short"])
        else:
            written.files.setdefault(day, []).append(row["path"])
            for name in ("rows", "bytes", "requests", "logged"):
                found: dict[str, int] = getattr(written, name)
                found[day] = found.get(day, 0) + row[name]
    return short


def _task(job: Job) -> Callable[[Batches], Batches]:
    def compute(batches: Batches) -> Batches:
        waiting = [batch for batch in batches if batch.num_rows]
        if not waiting:
            return
        context = TaskContext.get()
        inputs, partition = job.inputs(), context.partitionId() if context else 0
        asked = pa.Table.from_batches(waiting)
        for bucket in sorted(set(asked[BUCKET].to_pylist())):
            own = asked.filter(pc.equal(asked[BUCKET], bucket)).sort_by([(USER, "ascending"), ("as_of", "ascending")])
            for number, start in enumerate(range(0, own.num_rows, job.split_rows)):
                part = own.slice(start, job.split_rows)
                yield from _written(job, inputs, (bucket, partition, number), part)

    return compute


def _written(job: Job, inputs: Inputs, place: tuple[int, int, int], requests: pa.Table) -> Iterator[pa.RecordBatch]:
    """The stages of some requests, a file for each day and table; `place` is their bucket, the task, and which part of it they are."""
    bucket, partition, number = place
    actions = job.actions(bucket, pc.unique(requests[USER]))
    kept = actions if actions is not None else no_actions()
    portraits = job.logged_portraits(requests["trace_id"].combine_chunks())
    has_portrait = np.asarray(pc.is_in(requests["trace_id"], value_set=portraits["trace_id"].combine_chunks()))
    short = short_requests(inputs, kept, requests) & ~has_portrait
    days = pc.strftime(requests["as_of"], "%Y-%m-%d")
    for day in sorted(pc.unique(days).to_pylist()):
        of_day = pc.equal(days, day)
        names = requests["trace_id"].filter(pc.and_(of_day, pa.array(short))).to_pylist()
        if names:
            yield pa.RecordBatch.from_pylist([{"day": day, "short": names}], schema=SCHEMA)
        part = requests.filter(pc.and_(of_day, pa.array(~short & ~has_portrait)))
        begun = requests.filter(pc.and_(of_day, pa.array(has_portrait)))
        written = [trace for trace in part["trace_id"].to_pylist() if job.portraits and is_logged(job.document.portrait, trace)]
        tables = chain(computed_stages(inputs, kept, part, set(written)), stages_of_portraits(inputs, portraits, begun))
        counted = {"requests": part.num_rows + begun.num_rows, "logged": begun.num_rows}
        for piece, table in enumerate(tables):
            path = f"{job.folder}/day={day}/{bucket}-{partition}-{number}-{piece}.parquet"
            size = job.storage.write(path, table)
            row = {"day": day, "path": path, "rows": table.num_rows, "bytes": size, **counted, "short": []}
            yield pa.RecordBatch.from_pylist([row], schema=SCHEMA)
            counted = dict.fromkeys(counted, 0)


def no_actions() -> pa.Table:
    """What is kept of users who did nothing."""
    time = pa.timestamp("us", tz="UTC")
    types = {USER: pa.string(), "event_id": pa.string(), "event_time": time, "arrival_time": time, DROPPED: pa.int64(), "kind": pa.string()}
    return pa.table({name: pa.array([], type_) for name, type_ in types.items()})
