"""The events of all logs in one form: what they share, what some have (null elsewhere), their `kind` and its `_rank`."""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.catalogue import Log, LogCatalogue
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.schema import LANDED_AT, ROLE_COLUMNS, Role
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.warehouse.storage import Storage

REQUEST, IMPRESSION, CLICK, STEP = range(4)
"""What comes first of what happens at the same time: the column `_rank`."""

RANKS: Mapping[Role, int] = {"request": REQUEST, "impression": IMPRESSION, "click": CLICK, "step": STEP}

SHARED_COLUMNS = ("event_id", "event_time", "arrival_time", "trace_id", "item_id")

OWN_COLUMNS = ("position", "propensity", "explored", "price", "amount", "quantity", "dwell_seconds")
"""What some roles have, beside the columns of every event and the context."""


def event_schema(catalogue: LogCatalogue) -> pa.Schema:
    """The columns of events of any log, stitched or not."""
    declared = {name: column for columns in ROLE_COLUMNS.values() for name, column in columns.items()} | catalogue.context_columns
    names = (*SHARED_COLUMNS, *catalogue.context_columns, *OWN_COLUMNS)
    return pa.schema([*(pa.field(name, ARROW_TYPES[declared[name].value_type]) for name in names), pa.field("kind", pa.string())])


def log_event_schema(catalogue: LogCatalogue, log: Log) -> pa.Schema:
    """Those columns of events that a log has."""
    return pa.schema([field for field in event_schema(catalogue) if field.name in log.columns])


def read_events(storage: Storage, catalogue: LogCatalogue, log: Log, days: Iterable[LandedFiles]) -> pa.Table:
    """The events of a log that count, of some days: what landed for them without what was withdrawn."""
    schema = log_event_schema(catalogue, log)
    found = [schema.empty_table()]
    for files in days:
        names = [*schema.names, *([LANDED_AT.name] if files.withdrawals else [])]
        rows = pa.concat_tables([storage.read(path, columns=names) for path in files.rows])
        if files.withdrawals:
            rows = _without(rows, pa.concat_tables([storage.read(path) for path in files.withdrawals]))
        found.append(rows.select(schema.names).cast(schema))
    return pa.concat_tables(found)


def _without(rows: pa.Table, withdrawn: pa.Table) -> pa.Table:
    """Rows that were not withdrawn: an event may have landed again since, so that its id alone says nothing."""
    suspects = np.flatnonzero(pc.is_in(rows["event_id"], value_set=withdrawn["event_id"].combine_chunks()).to_numpy())
    gone = set(_identities(withdrawn))
    kept = np.ones(rows.num_rows, bool)
    kept[suspects] = [identity not in gone for identity in _identities(rows.take(pa.array(suspects)))]
    return rows.filter(pa.array(kept))


def _identities(rows: pa.Table) -> Iterable[tuple[str, int]]:
    landed_at = rows[LANDED_AT.name].cast(LANDED_AT.type).cast(pa.int64())
    return zip(rows["event_id"].to_pylist(), landed_at.to_pylist(), strict=True)


def unified(catalogue: LogCatalogue, logs: Mapping[str, pa.Table]) -> pa.Table:
    """The rows of all logs together, with `kind` and `_rank`.

    Args:
        catalogue: the declaration.
        logs: by log, rows with the columns of `log_event_schema`.
    """
    schema = event_schema(catalogue)
    whole = schema.append(pa.field("_rank", pa.int8()))
    found = [whole.empty_table()]
    for name, rows in logs.items():
        log = catalogue.logs[name]
        named = {
            "kind": pa.repeat(pa.scalar(name), rows.num_rows),
            "_rank": pa.repeat(pa.scalar(RANKS[log.role], pa.int8()), rows.num_rows),
        }
        columns = [
            named[field.name] if field.name in named
            else rows[field.name] if field.name in rows.column_names
            else pa.nulls(rows.num_rows, field.type)
            for field in whole
        ]  # fmt: skip
        found.append(pa.table(columns, schema=whole))
    return pa.concat_tables(found).combine_chunks()
