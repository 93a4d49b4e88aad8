"""Orders: what the workers of a scan read, each once, so that nothing big travels in a closure. No framework."""

from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel

from srp_assets.warehouse.storage import Storage

Order = TypeVar("Order", bound=BaseModel)


def write_order(storage: Storage, path: str, order: BaseModel) -> None:
    """Writes an order where the workers read it; `path` is relative to the warehouse."""
    storage.filesystem.create_dir(storage.path(path.rsplit("/", 1)[0]), recursive=True)
    with storage.filesystem.open_output_stream(storage.path(path)) as stream:
        stream.write(order.model_dump_json().encode())


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
