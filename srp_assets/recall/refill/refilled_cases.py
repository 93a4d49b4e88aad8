"""The cases of a task after a refill: those that stay, those that were found anew, and those that no longer hold. No framework but pyarrow.

All of them are kept in order of product and key, so the old and the new are merged as they are read, however many there are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.errors import Conflict
from srp_assets.recall.cases import CASE_SCHEMA, case_batches, case_json
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.schema import TIMESTAMP
from srp_assets.warehouse.storage import Storage

WITHDRAWN_SCHEMA = CASE_SCHEMA.append(pa.field("withdrawn_at", TIMESTAMP)).append(
    pa.field(
        "withdrawn_by",
        pa.list_(
            pa.struct(
                [
                    pa.field("build_id", pa.int64()),
                    pa.field("entity", pa.string()),
                    pa.field("product", pa.string()),
                    pa.field("period", pa.string()),
                ]
            )
        ),
    )
)
"""A case as it was when it last held, when a refill found that it no longer does, and the builds whose rows may be why."""

ROWS_AT_ONCE = 8192
"""Cases that are held in memory while they are written."""

Case = Mapping[str, Any]


@dataclass
class Changes:
    """What a refill did to a task's cases: how many there are now, and how many were added, changed in what they show, or withdrawn."""

    cases: int = 0
    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    withdrawn_in_all: int = 0


def cases_folder(folder: str) -> str:
    """Where a refill leaves a task's cases."""
    return f"{folder}/cases"


def withdrawn_file(folder: str) -> str:
    """Where a refill leaves the cases that no longer hold."""
    return f"{folder}/withdrawn.parquet"


def write_refilled(
    storage: Storage,
    task_id: str,
    folder: str,
    *,
    old: str,
    new: str | None,
    withdrawn: str | None,
    is_replaced: Callable[[Case], bool],
    builds_of: Callable[[Case], Sequence[Build]],
    now: datetime,
) -> Changes:
    """Writes the cases of a task after a refill below a folder of its own.

    Args:
        storage: the warehouse.
        task_id: the task.
        folder: where, relative to the warehouse.
        old: the folder of its cases until now.
        new: the folder of the cases that were found anew; None if nothing was looked for.
        withdrawn: the file of the cases that no longer held before; None if there is none.
        is_replaced: whether an old case was looked for again: it holds only if it is among the new.
        builds_of: the builds whose rows may be why a case no longer holds.
        now: when it is withdrawn.

    Raises:
        Conflict: if kept cases are not in order.
    """
    changes = Changes()
    streams = [
        _tagged(_in_order(_cases(storage, old, task_id), old), "old"),
        _tagged(_in_order(_cases(storage, new, task_id), new) if new else (), "new"),
        _tagged(_in_order(_rows(storage, withdrawn), withdrawn) if withdrawn else (), "withdrawn"),
    ]
    with ExitStack() as files:
        cases = _Writer(files.enter_context(storage.parquet_writer(f"{cases_folder(folder)}/cases.parquet", CASE_SCHEMA)), CASE_SCHEMA)
        gone = _Writer(files.enter_context(storage.parquet_writer(withdrawn_file(folder), WITHDRAWN_SCHEMA)), WITHDRAWN_SCHEMA)
        for _, group in groupby(merge(*streams, key=lambda item: item[0]), key=lambda item: item[0]):
            found = {tag: case for _, tag, case in group}
            before, after = found.get("old"), found.get("new")
            if after is not None:
                cases.add(after)
                changes.added += before is None
                changes.changed += before is not None and case_json(before) != case_json(after)
            elif before is not None and not is_replaced(before):
                cases.add(before)
            elif before is not None:
                changes.withdrawn += 1
                by = [
                    {"build_id": build.build_id, "entity": build.entity, "product": build.product, "period": build.period}
                    for build in builds_of(before)
                ]
                gone.add({**before, "withdrawn_at": now, "withdrawn_by": by})
            else:
                gone.add(found["withdrawn"])
        changes.cases, changes.withdrawn_in_all = cases.finish(), gone.finish()
    return changes


def read_withdrawn(storage: Storage, folder: str, limit: int | None = None) -> list[dict[str, Any]]:
    """The withdrawn cases that a refill left, in the JSON shape of cases, with when and by which builds they were withdrawn."""
    found: list[dict[str, Any]] = []
    for case in _rows(storage, withdrawn_file(folder)):
        if limit is not None and len(found) == limit:
            break
        found.append({**case_json(case), "withdrawn_at": iso_utc(case["withdrawn_at"]), "withdrawn_by": case["withdrawn_by"]})
    return found


class _Writer:
    """Writes rows some at a time."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._waiting: list[Case] = []
        self._rows = 0

    def add(self, row: Case) -> None:
        self._waiting.append(row)
        if len(self._waiting) == ROWS_AT_ONCE:
            self._flush()

    def finish(self) -> int:
        """Writes what waits; how many rows there are in all."""
        self._flush()
        return self._rows

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._rows += len(self._waiting)
            self._waiting = []


def _cases(storage: Storage, folder: str, task_id: str) -> Iterator[Case]:
    if storage.exists(folder):  # a batch without any case writes nothing
        for batch in case_batches(storage, folder, task_id):
            yield from batch.to_pylist()


def _rows(storage: Storage, path: str) -> Iterator[Case]:
    with storage.filesystem.open_input_file(storage.path(path)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(ROWS_AT_ONCE, use_threads=False):
            yield from batch.to_pylist()


def _in_order(cases: Iterable[Case], place: str) -> Iterator[Case]:
    last: tuple[str, str] | None = None
    for case in cases:
        here = _order(case)
        if last is not None and here <= last:
            raise Conflict("kept cases are not in order", where=place, remedy="submit the task again")
        last = here
        yield case


def _order(case: Case) -> tuple[str, str]:
    return case["product"], case["key_order"]


def _tagged(cases: Iterable[Case], tag: str) -> Iterator[tuple[tuple[str, str], str, Case]]:
    return ((_order(case), tag, case) for case in cases)
