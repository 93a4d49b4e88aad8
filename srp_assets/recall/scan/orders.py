"""The plan of a batch as its workers read it. No framework."""

from srp_assets.recall.scan.compile import BatchPlan
from srp_assets.warehouse.orders import read_order


def read_plan(storage_location: str, path: str) -> BatchPlan:
    """The plan of a batch."""
    return read_order(BatchPlan, storage_location, path)
