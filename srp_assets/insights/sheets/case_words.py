"""Reads of kept cases what sheets need: the words that brought them, all at once, and a few cases whole. No framework but pyarrow."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from srp_assets.insights.marks import CaseKey, Cause
from srp_assets.insights.sheets.sample_sheet import CaseWords
from srp_assets.recall.cases import CASE_SCHEMA
from srp_assets.warehouse.storage import Storage

BETWEEN = "\x1f"
"""Stands between a list and a word while they are one text; ids of lists have no control characters."""

KEY_COLUMNS = ("product", "object", "id")


class WholeCase(NamedTuple):
    """One kept case: its key, the words that brought it, and its texts by `object.feature`."""

    key: CaseKey
    causes: tuple[Cause, ...]
    texts: tuple[tuple[str, str], ...]


def batches_of(storage: Storage, folder: str, task_id: str, columns: Collection[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a task's kept cases, in the order of their files: always the same."""
    files = ds.dataset(storage.path(folder), schema=CASE_SCHEMA, format="parquet", filesystem=storage.filesystem)
    scanned = files.to_batches(columns=list(columns), filter=pc.field("task_id") == task_id, batch_size=65_536, use_threads=False)
    yield from (batch for batch in scanned if batch.num_rows)


def read_case_words(storage: Storage, folder: str, task_id: str) -> CaseWords:
    """The words of all of a task's cases, in the order of `batches_of`."""
    numbers_of: dict[str, int] = {}
    lengths, numbers = [np.zeros(1, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for batch in batches_of(storage, folder, task_id, ["hits"]):
        hits = batch.column("hits")
        row = pc.list_parent_indices(hits).to_numpy().astype(np.int64)
        flat = pc.list_flatten(hits)
        encoded = pc.binary_join_element_wise(flat.field("list"), flat.field("word"), BETWEEN).dictionary_encode()
        known = [numbers_of.setdefault(text, len(numbers_of)) for text in encoded.dictionary.to_pylist()]
        number = np.array(known, dtype=np.int64)[encoded.indices.to_numpy()] if known else np.empty(0, dtype=np.int64)
        # A word that hits two features of a case brought it once.
        pairs = np.unique(row << 32 | number)
        lengths.append(np.bincount(pairs >> 32, minlength=batch.num_rows).astype(np.int64))
        numbers.append(pairs & 0xFFFFFFFF)
    words = [tuple(text.split(BETWEEN, 1)) for text in numbers_of]
    return CaseWords([(list_, word) for list_, word in words], np.cumsum(np.concatenate(lengths)), np.concatenate(numbers))


def read_cases_at(storage: Storage, folder: str, task_id: str, places: npt.NDArray[np.int64]) -> list[WholeCase]:
    """The cases at some places in the order of `batches_of`, in the order of `places`."""
    wanted = np.sort(places)
    found: dict[int, WholeCase] = {}
    start = 0
    for batch in batches_of(storage, folder, task_id, [*KEY_COLUMNS, "hits", "texts"]):
        first, last = np.searchsorted(wanted, (start, start + batch.num_rows))
        mine = wanted[first:last]
        if len(mine):
            rows = batch.take(pa.array(mine - start)).to_pylist()
            found |= {place: whole_case(row) for place, row in zip(mine.tolist(), rows, strict=True)}
        start += batch.num_rows
    return [found[place] for place in places.tolist()]


def find_cases(storage: Storage, folder: str, task_id: str, keys: Collection[CaseKey]) -> dict[CaseKey, WholeCase]:
    """Those of some keys that are cases of the task."""
    ids = pa.array(sorted({key.id for key in keys}), pa.string())
    found: dict[CaseKey, WholeCase] = {}
    for batch in batches_of(storage, folder, task_id, [*KEY_COLUMNS, "hits", "texts"]):
        near = batch.filter(pc.is_in(batch.column("id"), value_set=ids))
        for row in near.to_pylist():
            case = whole_case(row)
            if case.key in keys:
                found[case.key] = case
    return found


def keys_with_id(storage: Storage, folder: str, task_id: str, id_: str) -> list[CaseKey]:
    """The cases of a task that have an id, in whatever product."""
    found: list[CaseKey] = []
    for batch in batches_of(storage, folder, task_id, KEY_COLUMNS):
        near = batch.filter(pc.equal(batch.column("id"), id_))
        found += [CaseKey(*(row[name] for name in KEY_COLUMNS)) for row in near.to_pylist()]
    return found


def whole_case(row: Mapping[str, Any]) -> WholeCase:
    """A row of kept cases."""
    causes = dict.fromkeys(Cause(hit["object"], hit["feature"], hit["list"], hit["word"]) for hit in row["hits"])
    return WholeCase(CaseKey(*(row[name] for name in KEY_COLUMNS)), tuple(causes), tuple(row["texts"]))
