"""The scan for standing hits in Spark: each task reads built files with pyarrow and writes their hits; only counts come back.

`keeping.py` chooses what is scanned and records it, `hit_scan.py` is what a task does.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import grpc
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from srp_assets.errors import Unavailable
from srp_assets.warehouse.orders import read_order, write_order
from srp_assets.warehouse.plan_build import cause_of
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.scanner import Scanner
from srp_assets.wordlists.shared_scanner import shared
from srp_assets.wordlists.standing.hit_scan import HitsOrder, scan_piece

COUNT_SCHEMA = pa.schema([pa.field("piece", pa.int64()), pa.field("rows", pa.int64()), pa.field("hits", pa.int64())])


class PieceCount(NamedTuple):
    """What was counted in a piece: rows scanned, and hits written."""

    piece: int
    rows: int
    hits: int


def write_hits(spark: SparkSession, storage: Storage, order: HitsOrder, order_path: str) -> list[PieceCount]:
    """Scans every piece of an order and writes its hits; `order_path` is where the workers read the order, relative to the warehouse.

    Raises:
        Unavailable: if Spark cannot finish it.
    """
    write_order(storage, order_path, order)
    slots = spark.range(0, len(order.slots), 1, len(order.slots))
    try:
        counted = slots.mapInArrow(_scanner_of_slots(storage, order_path), "piece bigint, rows bigint, hits bigint").toArrow().to_pylist()
    except (PySparkException, grpc.RpcError) as error:
        raise Unavailable(
            f"Spark could not look for the standing lists: {cause_of(str(error))}", remedy="build again once that is corrected"
        ) from error
    return sorted(PieceCount(**row) for row in counted)


@lru_cache(maxsize=2)
def _scanner(storage_location: str, order_path: str) -> Scanner:
    return shared(read_order(HitsOrder, storage_location, order_path).lists)


def _scanner_of_slots(storage: Storage, order_path: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def scan_slots(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        order = read_order(HitsOrder, storage.location, order_path)
        compiled = _scanner(storage.location, order_path)
        for batch in batches:
            for slot in batch.column(0).to_pylist():
                counts = [(piece, *scan_piece(storage, compiled, order, order.pieces[piece])) for piece in order.slots[slot]]
                columns = [pa.array(column, pa.int64()) for column in zip(*counts, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=COUNT_SCHEMA)

    return scan_slots
