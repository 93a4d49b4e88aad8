"""What a scan found, written where it was found: a file for each place and slot. No framework but pyarrow.

Spark would write the same rows, but only after each had crossed to the JVM, in a second job with files of its own kind; and what was
counted would be read back by a third.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.warehouse.storage import Storage

PLACE = "_place"
"""The column that says which place a row is for; in files it is the name of their folder."""

HELD_BYTES = 4 * 2**20
"""So much of a place is held until it is written: a worker finds few rows at a time."""


@contextmanager
def place_files(storage: Storage, folder: str, slot: int) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Gives what takes the rows of one slot, a batch of one place at a time; the files appear, whole, when the block ends without an error.

    Args:
        storage: the warehouse.
        folder: where the places' folders lie, relative to the warehouse.
        slot: the slot: a second try of it writes the same files again.

    Raises:
        Unavailable: if they cannot be written.
    """
    writers: dict[int, pq.ParquetWriter] = {}
    held: dict[int, list[pa.RecordBatch]] = {}
    with ExitStack() as files:

        def write(found: pa.RecordBatch) -> None:
            place, rows = found.column(PLACE)[0].as_py(), found.drop_columns([PLACE])
            held.setdefault(place, []).append(rows)
            if sum(batch.nbytes for batch in held[place]) >= HELD_BYTES:
                flush(place)

        def flush(place: int) -> None:
            rows = pa.Table.from_batches(held.pop(place))
            if place not in writers:
                path = f"{folder}/{PLACE}={place}/part-{slot:05d}.parquet"
                writers[place] = files.enter_context(storage.parquet_writer(path, rows.schema))
            writers[place].write_table(rows)

        yield write
        for place in list(held):
            flush(place)
