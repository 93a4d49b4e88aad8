"""What a scan reads, file by file, and how files are spread over Spark tasks. No framework but pyarrow."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.warehouse.catalogue import Strict
from srp_assets.warehouse.registry_builds import Build, BuildFile
from srp_assets.warehouse.storage import Storage

BATCH_BYTES = 32 * 2**20
"""About how much of a file's text a worker holds at once; a row's decoded size is taken as four times its size in the file."""

SLOT_BYTES = 32 * 2**20
"""About how much file one Spark task reads: large enough that starting a task costs nothing beside it."""

LEAST_SLOTS = 4
"""Small scans are still spread over this many Spark tasks (arbitrary: twice the cores of a small machine)."""


class ScanUnit(Strict):
    """One built file that a scan reads."""

    path: str
    product: str
    period: str
    visible: bool
    bucket: int
    rows: int
    bytes: int

    @property
    def batch_rows(self) -> int:
        """How many of its rows a worker decodes at a time."""
        bytes_per_row = max(1, 4 * self.bytes // max(1, self.rows))
        return min(65_536, max(256, BATCH_BYTES // bytes_per_row))


def unit_of(build: Build, file: BuildFile) -> ScanUnit:
    """One file of a build."""
    return ScanUnit(
        path=file.path,
        product=build.product,
        period=build.period,
        visible=file.visible,
        bucket=file.bucket,
        rows=file.rows,
        bytes=file.bytes,
    )


def spread(sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Spreads pieces of work of some sizes in bytes evenly over slots, one Spark task each.

    Returns:
        The places of the pieces of each slot.
    """
    slot_count = min(len(sizes), max(LEAST_SLOTS, -(-sum(sizes) // SLOT_BYTES)))
    slots: list[list[int]] = [[] for _ in range(slot_count)]
    loads = [0] * slot_count
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        lightest = loads.index(min(loads))
        slots[lightest].append(place)
        loads[lightest] += sizes[place]
    return tuple(tuple(sorted(slot)) for slot in slots)


def read_unit(storage: Storage, unit: ScanUnit, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a built file, some of its columns, in batches of bounded size."""
    with storage.filesystem.open_input_file(storage.path(unit.path)) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(unit.batch_rows, columns=list(columns), use_threads=False):
            yield batch.select(list(columns))
