"""Compares the cases of two tasks of one batch without holding them: both are read in the order of their keys. No framework."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa

from srp_assets.recall.cases import case_batches, case_json
from srp_assets.warehouse.storage import Storage

Key = tuple[str, str, str]
"""Product, key order and object of a case: the order in which a task's cases are kept, and then what tells two of them apart."""


@dataclass
class Difference:
    """How many cases only the new side has, only the old side has, and both have; the first few of each in the shape that users see."""

    added: int = 0
    lost: int = 0
    kept: int = 0
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"added": [], "lost": [], "kept": []})


def compare_cases(storage: Storage, folder: str, old_task: str, new_task: str, *, shown: int) -> Difference:
    """The difference between the cases of two tasks.

    A case is the same if it has the same product, object and id, whatever hit it.

    Args:
        storage: the warehouse.
        folder: the cases folder of the batch.
        old_task: the id of the old side's task.
        new_task: of the new side's.
        shown: samples of each kind; a kept case is shown as the new side has it.
    """
    difference = Difference()
    sides = merge(_keyed(storage, folder, old_task), _keyed(storage, folder, new_task), key=_key)
    for _, found in groupby(sides, key=_key):
        cases = {case.task_id: case for case in found}
        if new_task not in cases:
            difference.lost += 1
            _show(difference.samples["lost"], cases[old_task], shown)
        elif old_task not in cases:
            difference.added += 1
            _show(difference.samples["added"], cases[new_task], shown)
        else:
            difference.kept += 1
            _show(difference.samples["kept"], cases[new_task], shown)
    return difference


class KeyedCase(NamedTuple):
    """A case by its key, and where it lies."""

    key: Key
    task_id: str
    batch: pa.RecordBatch
    row: int


def _key(case: KeyedCase) -> Key:
    return case.key


def _keyed(storage: Storage, folder: str, task_id: str) -> Iterator[KeyedCase]:
    for batch in case_batches(storage, folder, task_id):
        keys = zip(*(batch.column(name).to_pylist() for name in ("product", "key_order", "object")), strict=True)
        for row, key in enumerate(keys):
            yield KeyedCase(key, task_id, batch, row)


def _show(samples: list[dict[str, Any]], case: KeyedCase, shown: int) -> None:
    if len(samples) < shown:
        samples.append(case_json(case.batch.slice(case.row, 1).to_pylist()[0]))
