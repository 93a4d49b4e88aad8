"""The readers of logs by the names that the command line knows: the warehouse's formats, and adapters of public data sets."""

from dataclasses import dataclass

from srp_assets.errors import InvalidInput, nearest
from srp_assets.logs.adapters import online_retail, open_bandit
from srp_assets.warehouse.readers import csv, json_lines, parquet
from srp_assets.warehouse.readers.base import Reader


@dataclass(frozen=True)
class LogReader:
    """A reader, and whether it says itself which log each row is of."""

    read: Reader
    names_logs: bool = False


LOG_READERS: dict[str, LogReader] = {
    "jsonl": LogReader(json_lines.read),
    "parquet": LogReader(parquet.read),
    "csv": LogReader(csv.read),
    "online_retail": LogReader(online_retail.read, names_logs=True),
    "open_bandit": LogReader(open_bandit.read, names_logs=True),
}


def log_reader_named(name: str) -> Reader:
    """A reader by its name.

    Raises:
        InvalidInput: if there is none of that name.
    """
    if name not in LOG_READERS:
        raise InvalidInput(f"unknown reader {name!r}", where="READER", remedy=nearest(name, LOG_READERS))
    return LOG_READERS[name].read
