"""Orders: what the workers of a batch read, each once, so that nothing big travels in a closure. No framework."""

from functools import lru_cache
from typing import TypeVar

from srp_assets.recall.compile import BatchPlan
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.storage import Storage

Order = TypeVar("Order", bound=Frozen)


def read_plan(storage_location: str, path: str) -> BatchPlan:
    """The plan of a batch."""
    return read_order(BatchPlan, storage_location, path)


@lru_cache(maxsize=8)
def read_order(kind: type[Order], storage_location: str, path: str) -> Order:
    """Reads an order; a worker keeps the last few.

    Args:
        kind: what was written.
        storage_location: the warehouse.
        path: where, relative to the warehouse.
    """
    storage = Storage(storage_location)
    with storage.filesystem.open_input_stream(storage.path(path)) as stream:
        return kind.model_validate_json(stream.read())
