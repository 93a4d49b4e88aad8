"""Cases of groups that join nothing: each row that fits is a case of each of its tasks. No framework but numpy and pyarrow."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.recall.cases import AT_ONCE
from srp_assets.recall.scan.assembly import CaseAssembler, key_orders
from srp_assets.recall.scan.bitmaps import bitmaps_of
from srp_assets.recall.scan.compile import WORD_BITS, BatchPlan, Group


def lone_cases(plan: BatchPlan, group: Group, candidates: pa.Table) -> Iterator[pa.RecordBatch]:
    """The cases as they are kept, ordered by task id, product and key.

    Args:
        plan: the batch.
        group: a group of one object.
        candidates: rows with `_product`, `_bits`, `_hits` and the object's carried columns, in any order.
    """
    assembler = CaseAssembler(plan, group)
    rows = candidates.combine_chunks()
    key = [rows[column].combine_chunks() for column in plan.catalogue.entity_of(group.recall).key]
    in_order = {"product": rows["_product"].combine_chunks(), "key": key_orders(key)}
    order = pc.sort_indices(pa.table(in_order), sort_keys=[("product", "ascending"), ("key", "ascending")]).to_numpy()
    words = bitmaps_of(rows["_bits"], group.words)
    for bit in plan.bits_in_order(group):
        held = words[:, bit // WORD_BITS] >> np.uint64(bit % WORD_BITS) & np.uint64(1)
        mine = order[held[order].astype(bool)]
        for start in range(0, len(mine), AT_ONCE):
            some = rows.take(pa.array(mine[start : start + AT_ONCE])).combine_chunks().to_batches()[0]
            yield assembler.assemble(some.add_column(0, "_task", pa.repeat(pa.scalar(bit, pa.int32()), some.num_rows)))
