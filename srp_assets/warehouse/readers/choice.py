"""The readers by the names that the command line knows."""

from srp_assets.errors import InvalidInput, nearest
from srp_assets.warehouse.readers import csv, json_lines, parquet, stackexchange
from srp_assets.warehouse.readers.base import Reader

READERS: dict[str, Reader] = {
    "stackexchange": stackexchange.read,
    "jsonl": json_lines.read,
    "parquet": parquet.read,
    "csv": csv.read,
}


def reader_named(name: str) -> Reader:
    """A reader by its name.

    Raises:
        InvalidInput: if there is none of that name.
    """
    if name not in READERS:
        raise InvalidInput(f"unknown reader {name!r}", where="READER", remedy=nearest(name, READERS))
    return READERS[name]
