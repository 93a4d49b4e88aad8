"""Both sides of a day, some traces at a time, however large the day is: their files are read a piece at a time and split by trace.

A trace lies in one part as a whole, on both sides, so that parts can be compared for themselves. Which part it is in, its digest decides.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srp_assets.sequences.search.attributes import digests_of
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.warehouse.storage import Storage

ACTIONS_AT_ONCE = 5_000_000
"""Places of lists that a part holds, on both sides together: about a gigabyte while it is compared."""

ACTIONS_OF_A_PIECE = 500_000
"""Places of lists that are read at once."""

COUNTED = "event_id.list.element"
"""The column of files whose values are the places of all lists."""

Tables = tuple[pa.Table, pa.Table]


@dataclass(frozen=True)
class Side:
    """The files of one side of a day."""

    storage: Storage
    paths: Sequence[str]

    def places(self) -> int:
        """Places of all lists; told by the files' ends alone."""
        return sum(_places(file) for file in self._files())

    def pieces(self) -> Iterator[pa.Table]:
        """The rows, a piece at a time."""
        for file in self._files():
            of_a_row = max(1.0, _places(file) / max(1, file.metadata.num_rows))
            for batch in file.iter_batches(max(1, int(ACTIONS_OF_A_PIECE / of_a_row)), columns=STAGE_SCHEMA.names):
                yield pa.Table.from_batches([batch]).cast(STAGE_SCHEMA)

    def _files(self) -> Iterator[pq.ParquetFile]:
        for path in self.paths:
            # Buffered, a row group would be in memory as a whole before its first rows are.
            with pq.ParquetFile(self.storage.path(path), filesystem=self.storage.filesystem, pre_buffer=False) as file:
                yield file


def _places(file: pq.ParquetFile) -> int:
    found = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        columns = (group.column(place) for place in range(group.num_columns))
        found += sum(column.num_values for column in columns if column.path_in_schema == COUNTED)
    return found


def parts_of(served: Side, offline: Side) -> tuple[int, Iterator[Tables]]:
    """How many parts there are, and both tables of each of them; parts are read one after the other."""
    count = max(1, -(-(served.places() + offline.places()) // ACTIONS_AT_ONCE))
    return count, _parts(served, offline, count)


def _parts(served: Side, offline: Side, count: int) -> Iterator[Tables]:
    if count == 1:
        yield _whole(served), _whole(offline)
        return
    with tempfile.TemporaryDirectory(prefix="srp-differences-") as scratch:
        folders = [Path(scratch) / name for name in ("served", "offline")]
        for side, folder in zip((served, offline), folders, strict=True):
            folder.mkdir()
            _split(side, folder, count)
        for number in range(count):
            one, other = (_read(folder / f"{number}.arrow") for folder in folders)
            yield one, other


def _whole(side: Side) -> pa.Table:
    return pa.concat_tables([STAGE_SCHEMA.empty_table(), *side.pieces()])


def _split(side: Side, folder: Path, count: int) -> None:
    """Writes each part of a side as a file; one piece is in memory at a time."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as stack:
        writers = [
            stack.enter_context(pa.ipc.new_stream(str(folder / f"{number}.arrow"), STAGE_SCHEMA, options=options))
            for number in range(count)
        ]
        for piece in side.pieces():
            part = digests_of(piece["trace_id"]) % count
            for number in np.unique(part).tolist():
                writers[number].write_table(piece.filter(pa.array(part == number)).combine_chunks())


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        return stream.read_all()
