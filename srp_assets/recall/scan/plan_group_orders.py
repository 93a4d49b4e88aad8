"""Has workers do something with groups of a batch, several in one Spark task where they are small."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import Row
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.scan.orders import GroupOrder, GroupOrders
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_scan import BatchMapper
from srp_assets.warehouse.orders import read_order
from srp_assets.warehouse.scan_units import spread
from srp_assets.warehouse.storage import Storage

CANDIDATE_BYTES = 1024
"""About what a candidate weighs when work is spread: it is a few hundred bytes, and costs more than reading them."""

GroupWork = Callable[[Storage, str, GroupOrder], pa.RecordBatch]
"""Takes the warehouse, where the plan lies, and an order; gives what is told of it."""


def answers(
    attempt: Attempt, name: str, orders: Sequence[GroupOrder], rows: Sequence[int], work: GroupWork, schema: pa.Schema
) -> list[Row]:
    """What the workers tell of all orders.

    Args:
        attempt: the attempt at the batch.
        name: under which the orders are written.
        orders: at least one.
        rows: about how many candidates each has.
        work: what is done with each; a second try of it must write the same again.
        schema: of what it tells.
    """
    slots = spread([CANDIDATE_BYTES * count for count in rows])
    path = attempt.give_order(name, GroupOrders(groups=tuple(orders), slots=slots))
    mapper = _mapper(attempt.storage, attempt.plan_path, path, work)
    return attempt.spark.range(0, len(slots), 1, len(slots)).mapInArrow(mapper, from_arrow_schema(schema)).collect()


def _mapper(storage: Storage, plan_path: str, path: str, work: GroupWork) -> BatchMapper:
    def work_slots(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            order = read_order(GroupOrders, storage.location, path)
            for slot in batch.column(0).to_pylist():
                for number in order.slots[slot]:
                    yield work(storage, plan_path, order.groups[number])

    return work_slots
