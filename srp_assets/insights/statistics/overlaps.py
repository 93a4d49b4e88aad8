"""Which rows several tasks have found: bitmaps of tasks, and how many cases each two of them share. No framework but numpy and pyarrow."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MASK_BITS = 64
"""Tasks in one column of a bitmap: Spark's widest integer."""

SETS_AT_ONCE = 8_192
"""Sets of tasks that are multiplied at a time: with a thousand tasks, 32 MB."""


class KeyedTask(NamedTuple):
    """A task and the entity whose rows it recalls: roles of one entity have rows in common."""

    task_id: str
    entity: str


class Overlap(NamedTuple):
    """Two tasks, and the number of rows that are cases of both."""

    first: str
    second: str
    cases: int


def mask_names(tasks: int) -> list[str]:
    """The columns of a bitmap of so many tasks."""
    return [f"mask_{number}" for number in range(max(1, -(-tasks // MASK_BITS)))]


def masks(bit: int, tasks: int) -> list[int]:
    """The bitmap of one task among so many, as signed 64-bit integers."""
    words = [0] * len(mask_names(tasks))
    value = 1 << (bit % MASK_BITS)
    words[bit // MASK_BITS] = value - (1 << MASK_BITS) if value >> (MASK_BITS - 1) else value
    return words


def members(table: pa.Table, tasks: int) -> npt.NDArray[np.bool_]:
    """Which tasks each bitmap of a table names.

    Returns:
        dtype bool, shape (rows, tasks).
    """
    words = np.stack([table.column(name).to_numpy().astype("<i8") for name in mask_names(tasks)], axis=1)
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    return bits[:, :tasks].astype(bool)


def overlaps(counted: pa.Table, tasks: Sequence[KeyedTask]) -> list[Overlap]:
    """How many cases each two tasks share, for those that share any.

    Args:
        counted: `rows` by bitmap of tasks, as `plan_statistics.write_keys` gives them.
        tasks: in the order of their bits.
    """
    shared = np.zeros((len(tasks), len(tasks)))
    for start in range(0, counted.num_rows, SETS_AT_ONCE):
        some = counted.slice(start, SETS_AT_ONCE)
        # Whole numbers in float64 are exact up to 2^53, and their product is BLAS's.
        held = members(some, len(tasks)).astype(np.float64)
        shared += (held * some.column("rows").to_numpy()[:, None]).T @ held
    return [
        Overlap(tasks[first].task_id, tasks[second].task_id, int(shared[first, second]))
        for first, second in zip(*np.nonzero(np.triu(shared, 1)), strict=True)
    ]
