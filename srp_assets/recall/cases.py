"""Cases: how one recalled object is kept in files, and read back. No framework but pyarrow.

The kept form has one row for each (task, recalled row); `read_cases` gives the JSON shape that users see.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from srp_assets.warehouse.storage import Storage

HIT_TYPE = pa.list_(
    pa.struct(
        [
            pa.field("object", pa.string()),
            pa.field("feature", pa.string()),
            pa.field("list", pa.string()),
            pa.field("word", pa.string()),
            pa.field("spans", pa.list_(pa.list_(pa.int32()))),
            pa.field("parts", pa.list_(pa.string())),
            pa.field("crosses", pa.bool_()),
        ]
    )
)

JOINED_TYPE = pa.list_(pa.struct([pa.field("object", pa.string()), pa.field("rows", pa.int64()), pa.field("keys", pa.list_(pa.string()))]))

CASE_SCHEMA = pa.schema(
    [
        pa.field("task_id", pa.string()),
        pa.field("product", pa.string()),
        pa.field("object", pa.string()),
        pa.field("id", pa.string()),
        pa.field("key_order", pa.string()),
        pa.field("root", pa.string()),
        pa.field("hits", HIT_TYPE),
        pa.field("texts", pa.map_(pa.string(), pa.string())),
        pa.field("extra", pa.string()),
        pa.field("joined", JOINED_TYPE),
        pa.field("facts", pa.string()),
    ]
)
"""One case a row; `extra` is JSON, since its columns differ by entity; `key_order` sorts as the typed key does; `root` is the bucket key of
the recalled row, by which a refill finds the cases that later rows may have changed. `facts` is JSON too: the recalled row's columns that
cases are counted by; null in cases from before there were any."""

AT_ONCE = 8192
"""Cases of a file that are held at a time."""


def read_cases(storage: Storage, folder: str, task_id: str, limit: int | None = None) -> list[dict[str, Any]]:
    """The cases of a task in order of product and key, in the JSON shape that users see.

    Args:
        storage: the warehouse.
        folder: the cases folder of the task's batch.
        task_id: the task.
        limit: at most this many; all if None.
    """
    found: list[dict[str, Any]] = []
    for batch in case_batches(storage, folder, task_id):
        for case in batch.to_pylist():
            if limit is not None and len(found) == limit:
                return found
            found.append(case_json(case))
    return found


def case_batches(storage: Storage, folder: str, task_id: str) -> Iterator[pa.RecordBatch]:
    """The kept cases of a task in order of product and key, in batches of bounded size.

    Each file is in that order; a task with many cases has several, and they are merged.
    """
    mine = pc.field("task_id") == task_id
    files = ds.dataset(storage.path(folder), schema=CASE_SCHEMA, format="parquet", filesystem=storage.filesystem)
    parts = [
        _filled(file.to_batches(schema=CASE_SCHEMA, filter=mine, batch_size=AT_ONCE, use_threads=False))
        for file in files.get_fragments(mine)
    ]
    heads = [(part, head) for part in parts if (head := next(part, None)) is not None]
    while len(heads) > 1:
        # Nothing that is still to come stands before the least of the last rows that are held.
        orders = [_order(head) for _, head in heads]
        bound = min(order[-1].as_py() for order in orders)
        ready, later = [], []
        for (part, head), order in zip(heads, orders, strict=True):
            rows = pc.sum(pc.less_equal(order, bound)).as_py()
            ready.append(head.slice(0, rows))
            rest = head.slice(rows) if rows < head.num_rows else next(part, None)
            if rest is not None:
                later.append((part, rest))
        together = pa.Table.from_batches(ready).combine_chunks().to_batches()[0]
        yield together.take(pc.sort_indices(_order(together)))
        heads = later
    for part, head in heads:
        yield head
        yield from part


def _filled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (batch for batch in batches if batch.num_rows)


def _order(cases: pa.RecordBatch) -> pa.Array:
    """What sorts cases of a task by product and key; no product's name holds the lowest character."""
    return pc.binary_join_element_wise(cases.column("product"), cases.column("key_order"), "\0")


def case_json(case: Mapping[str, Any]) -> dict[str, Any]:
    """One kept case in the JSON shape that users see."""
    return {
        "product": case["product"],
        "object": case["object"],
        "id": case["id"],
        "hits": [{name: value for name, value in hit.items() if value is not None} for hit in case["hits"]],
        "texts": dict(case["texts"]),
        "extra": json.loads(case["extra"]),
        "joined": {other["object"]: {"rows": other["rows"], "keys": other["keys"]} for other in case["joined"]},
    }


def key_order(key: Sequence[int | str]) -> str:
    """A text that sorts as the typed key does: whole numbers shifted to 20 digits without sign, parts apart by the lowest character."""
    return "\0".join(f"{part + 2**63:020d}" if isinstance(part, int) else part for part in key)
