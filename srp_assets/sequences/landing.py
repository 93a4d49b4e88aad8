"""Lands what the online side served: stage tables, a file for each day in them, each trace once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from srp_assets.sequences.registry import ServedFile, has_landed, record_served, served_files
from srp_assets.sequences.stages import KEYS, STAGE_SCHEMA, check_stages
from srp_assets.warehouse.storage import Storage

SERVED = "served"


@dataclass(frozen=True)
class LandedStages:
    """What became of a stage table.

    Args:
        rows: that landed.
        traces: of them.
        duplicates: rows of traces that had landed, or that stand twice.
    """

    rows: int
    traces: int
    duplicates: int


def land_stages(engine: Engine, storage: Storage, table: pa.Table, where: str) -> LandedStages:
    """Lands a stage table; the same table again lands nothing.

    A trace lands whole: of two tables with one trace the first counts, as an event counts by its first arrival.

    Args:
        engine: of the registry.
        storage: of the sequences.
        table: with the columns of `STAGE_SCHEMA`.
        where: what errors call it.

    Raises:
        InvalidInput: if it is no stage table.
        Unavailable: if the disk fails; nothing has landed then.
    """
    check_stages(table, where)
    rows = table.select(STAGE_SCHEMA.names).cast(STAGE_SCHEMA)
    source = _digest(rows)
    with engine.connect() as connection:
        if has_landed(connection, source):
            return LandedStages(0, 0, table.num_rows)
        known = served_files(connection)
    days = pc.strftime(rows["as_of"], "%Y-%m-%d")
    landed = []
    for day in sorted(pc.unique(days).to_pylist()):
        own = rows.filter(pc.equal(days, day))
        kept = _once(own, read_served(storage, known.get(day, []), ["trace_id"])["trace_id"])
        path = f"{SERVED}/day={day}/{uuid4().hex}.parquet"
        storage.write(path, kept)
        traces = len(pc.unique(kept["trace_id"]))
        landed.append(ServedFile(source, day, path, kept.num_rows, traces, own.num_rows - kept.num_rows, datetime.now(UTC)))
    with engine.begin() as connection:
        record_served(connection, landed)
    return LandedStages(sum(file.rows for file in landed), sum(file.traces for file in landed), sum(file.duplicates for file in landed))


def read_served(storage: Storage, files: Sequence[ServedFile], columns: list[str] | None = None) -> pa.Table:
    """The served stages of some files, with all columns or some."""
    names = columns or STAGE_SCHEMA.names
    empty = STAGE_SCHEMA.empty_table().select(names)
    return pa.concat_tables([empty, *(storage.read(file.path, names).cast(empty.schema) for file in files)])


def _once(rows: pa.Table, landed: pa.ChunkedArray) -> pa.Table:
    """Rows of traces that have not landed, each key once."""
    new = rows.filter(pc.invert(pc.is_in(rows["trace_id"], value_set=landed)))
    # Null is a value of its own: no id holds a zero byte.
    parts = [pc.fill_null(new[name], "\0") for name in KEYS]
    keys = pc.binary_join_element_wise(*parts, "\x1f").combine_chunks().dictionary_encode()
    _, first = np.unique(np.asarray(keys.indices), return_index=True)
    return new.take(pa.array(np.sort(first)))


def _digest(rows: pa.Table) -> str:
    digest = sha256()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    digest.update(sink.getvalue())
    return digest.hexdigest()
