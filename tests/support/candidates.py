"""Candidates as the scan's kernel finds them, without Spark."""

from typing import Any

import pyarrow as pa

from srp_assets.recall.scan.compile import BatchPlan
from srp_assets.recall.scan.kernel import EntityKernel, UnitCount
from srp_assets.warehouse.schema import entity_schema
from support.partitions import partitions


def candidates_by_place(plan: BatchPlan, rows: dict[str, list[dict[str, Any]]]) -> dict[int, pa.Table]:
    """What the kernel finds at each place."""
    found: dict[int, list[pa.RecordBatch]] = {place.index: [] for place in plan.places}
    schemas = {}
    for entity_name, entity in plan.catalogue.entities.items():
        if not plan.places_of(entity_name):
            continue
        kernel = EntityKernel(plan, entity_name)
        schemas |= {place.index: kernel.schema for place in plan.places_of(entity_name)}
        for (product, period, visible), own in partitions(plan.catalogue, entity_name, rows[entity_name]).items():
            whole = pa.RecordBatch.from_pylist(own, schema=entity_schema(entity)).select(list(kernel.columns))
            for batch in kernel.scan(whole, product, kernel.active(product, period, visible), UnitCount()):
                found[batch.column("_place")[0].as_py()].append(batch)
    return {place: pa.Table.from_batches(batches, schema=schemas[place]) for place, batches in found.items()}
