"""Where the candidates of each group lie after the scans, and a job that leaves of many of them those that join one another.

One task of Spark reduces one group in the memory of a worker. What is left goes on to the join in memory, or in Spark where it is large.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from srp_assets.recall.scan.candidates import CandidateSource
from srp_assets.recall.scan.kernel import scan_schema
from srp_assets.recall.scan.orders import GroupOrder, read_plan
from srp_assets.recall.scan.place_files import PLACE
from srp_assets.recall.scan.plan_attempt import Attempt
from srp_assets.recall.scan.plan_group_orders import answers
from srp_assets.recall.scan.reduction import reduce_candidates
from srp_assets.warehouse.storage import Storage

HELD_BYTES = 2048
"""About what a candidate weighs that a worker holds as a row in Python."""

KEY_BYTES = 64
"""About what the join keys of a candidate weigh while candidates are reduced, beside its bitmap."""

WORTH_REDUCING = 1_000
"""Candidates from which on a job that reduces them costs less than holding them all (arbitrary, and far from critical)."""

LEFT_SCHEMA = pa.schema([pa.field("group", pa.int32()), pa.field("object", pa.string()), pa.field("rows", pa.int64())])
"""How many candidates of an object are left."""


class Found(NamedTuple):
    """The candidates of one object with rules of one group: where they lie, and an upper bound of how many they are."""

    source: CandidateSource
    rows: int


FoundCandidates = Mapping[tuple[int, str], Found]
"""By group and object."""


def scanned_candidates(attempt: Attempt, matched_rows: Sequence[int]) -> dict[tuple[int, str], Found]:
    """What the scans left in the attempt's folder.

    Args:
        attempt: the attempt at the batch.
        matched_rows: an upper bound of the rows at each place, by its index.
    """
    found = {}
    for place in attempt.plan.places:
        folder = attempt.scan_folder(attempt.plan.catalogue.objects[place.object].entity)
        source = CandidateSource(folder=f"{folder}/{PLACE}={place.index}", ruled=True)
        found[place.group.index, place.object] = Found(source, matched_rows[place.index])
    return found


def reduced_candidates(attempt: Attempt, found: FoundCandidates, worker_rows: int) -> dict[tuple[int, str], Found]:
    """The same candidates but for groups with many: of these, what joins.

    Args:
        attempt: the attempt at the batch.
        found: the candidates.
        worker_rows: so many rows a worker can hold in Python; as many bytes of keys and bitmaps it can hold, too.
    """
    orders, weights = list[GroupOrder](), list[int]()
    for group in attempt.plan.groups:
        of_group = {name: found[group.index, name] for name in sorted(group.ruled)}
        rows = sum(own.rows for own in of_group.values())
        fits = rows * (KEY_BYTES + 8 * group.words) <= worker_rows * HELD_BYTES
        many = rows >= WORTH_REDUCING or any(own.rows > worker_rows for own in of_group.values())
        if len(of_group) > 1 and many and fits:
            sources = {name: own.source for name, own in of_group.items()}
            orders.append(GroupOrder(group=group.index, sources=sources, target=f"{attempt.folder}/left/{group.index}"))
            weights.append(rows)
    if not orders:
        return dict(found)
    left = dict(found)
    for row in answers(attempt, "reduce", orders, weights, _reduce, LEFT_SCHEMA):
        source = CandidateSource(folder=f"{attempt.folder}/left/{row['group']}/{row['object']}", ruled=True)
        left[row["group"], row["object"]] = Found(source, row["rows"])
    return left


def _reduce(storage: Storage, plan_path: str, order: GroupOrder) -> pa.RecordBatch:
    plan = read_plan(storage.location, plan_path)
    rows = reduce_candidates(storage, plan, plan.groups[order.group], order.sources, order.target)
    told = [{"group": order.group, "object": name, "rows": count} for name, count in rows.items()]
    return pa.RecordBatch.from_pylist(told, schema=LEFT_SCHEMA)


def candidate_frame(attempt: Attempt, name: str, found: Found) -> DataFrame:
    """Candidates as a frame: `_product`, `_bits`, `_hits` and the carried columns."""
    schema = scan_schema(attempt.plan, attempt.plan.catalogue.objects[name].entity)
    schema = from_arrow_schema(schema.remove(schema.get_field_index(PLACE)))
    if not found.rows:
        return attempt.spark.createDataFrame([], schema)
    return attempt.spark.read.schema(schema).parquet(attempt.storage.address(found.source.folder))
