"""What is kept of a month: the newest actions of each user, by bucket, one file each.

Tasks read the files of days in columns, leave out what cannot be among a user's newest, and hand the rest on to the tasks of the buckets
(`warehouse/part_files.py`), which do the same with what all of them handed on. So a user with millions of actions costs one pass over them,
and no task ever holds more of him than a few portraits for each file; nothing of a whole history is sorted or collected, and Spark only
says who does what.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pyarrow as pa
from pyspark.sql import SparkSession

from srp_assets.features.aggregation.rows import buckets_of
from srp_assets.sequences.building.actions import DROPPED, ActionFiles, newest, with_dropped
from srp_assets.sequences.building.columns import USER
from srp_assets.warehouse.part_files import PartFiles, write_parts
from srp_assets.warehouse.plan_tasks import done
from srp_assets.warehouse.storage import Storage

BYTES_OF_A_TASK = 32_000_000
"""Of files that one task reads: some hundred megabytes of memory."""

LEAST_TASKS = 8
"""Small months are spread over up to so many tasks: enough for the cores of a laptop."""


@dataclass(frozen=True)
class KeptMonth:
    """The files of a month.

    Args:
        paths: by bucket; one of which nothing is kept has none.
        rows: that are kept.
        dropped: that are not.
        bytes: of all files.
    """

    paths: dict[int, str]
    rows: int
    dropped: int
    bytes: int


@dataclass(frozen=True)
class Month:
    """What tasks do.

    Args:
        storage: that is written to.
        folder: of the files.
        keep: actions of each user.
        buckets: how many files.
        users: file of those whose actions are kept; None for all.
    """

    storage: Storage
    folder: str
    keep: int
    buckets: int
    users: str | None = None

    @property
    def scratch(self) -> str:
        """Where what is handed on lies."""
        return f"{self.folder}/scratch"

    def scatter(self, actions: ActionFiles) -> Iterator[dict[str, Any]]:
        """Hands the newest actions of some files on to their buckets."""
        users = None if self.users is None else self.storage.read(self.users)[USER].combine_chunks()
        rows = newest(with_dropped(actions.read(users)), self.keep)
        path = f"{self.scratch}/{uuid4().hex}.arrow"
        if write_parts(self.storage, path, rows, buckets_of(rows[USER], self.buckets)):
            yield {"path": path}

    def gather(self, bucket: int, paths: Sequence[str], schema: pa.Schema) -> Iterator[dict[str, Any]]:
        """Writes what is kept of the users of a bucket."""
        with PartFiles(self.storage, paths, schema.append(pa.field(DROPPED, pa.int64()))) as files:
            rows = newest(files.read(bucket), self.keep)
        if rows.num_rows:
            path = path_of(self.folder, bucket)
            size = self.storage.write(path, rows)
            dropped = sum(rows[DROPPED].to_pylist())
            yield {"bucket": bucket, "path": path, "rows": rows.num_rows, "dropped": dropped, "bytes": size}


def write_month(spark: SparkSession, actions: ActionFiles, month: Month) -> KeptMonth:
    """Writes the newest actions of each user.

    Args:
        spark: the session.
        actions: of a month or a part of it.
        month: where to, and how much is kept.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    try:
        handed = sorted(row["path"] for row in done(spark, month.scatter, actions.split(tasks_of(actions))))
        gather = partial(month.gather, paths=handed, schema=actions.schema)
        written = done(spark, gather, range(month.buckets)) if handed else []
    finally:
        month.storage.delete_tree(month.scratch)
    rows, dropped, size = (sum(row[name] for row in written) for name in ("rows", "dropped", "bytes"))
    return KeptMonth({row["bucket"]: row["path"] for row in written}, rows, dropped, size)


def tasks_of(actions: ActionFiles) -> int:
    """How many tasks share some files."""
    return max(LEAST_TASKS, sum(actions.storage.sizes(actions.paths)) // BYTES_OF_A_TASK)


def path_of(folder: str, bucket: int) -> str:
    """The file of a bucket."""
    return f"{folder}/bucket={bucket}.parquet"
