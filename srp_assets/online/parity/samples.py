"""The compared samples that are kept: read for drift and for people, and deleted when no day needs them any more."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import pyarrow as pa

from srp_assets.features.building.files import open_files
from srp_assets.online.parity.comparing import PAIRS
from srp_assets.online.parity.registry import ParityRecord
from srp_assets.warehouse.storage import Storage


def read_samples(storage: Storage, records: Iterable[ParityRecord]) -> pa.Table:
    """The pairs of some records, where they are still kept."""
    paths = [path for record in records if record.pairs and storage.exists(record.pairs) for path, _ in storage.files(record.pairs)]
    return open_files(storage, paths, PAIRS).to_table() if paths else PAIRS.empty_table()


def days_before_day(records: Mapping[str, ParityRecord], day: str, days: int) -> list[ParityRecord]:
    """The records with a sample of so many days before one."""
    first = (date.fromisoformat(day) - timedelta(days=days)).isoformat()
    return [record for other, record in sorted(records.items()) if first <= other < day and record.pairs is not None]


def delete_old_samples(storage: Storage, folder: str, records: Mapping[str, ParityRecord], days: int) -> int:
    """Deletes samples that no record counts any more, and those of days so long before the newest; returns how many.

    Args:
        storage: of the samples.
        folder: below which each day has one.
        records: that count, by day.
        days: that are kept.
    """
    kept = {record.pairs.rsplit("/", 1)[0] for record in days_from_newest(records, days) if record.pairs is not None}
    deleted = 0
    for of_day in storage.folders(folder):
        for name in storage.folders(f"{folder}/{of_day}"):
            path = f"{folder}/{of_day}/{name}"
            if path not in kept:
                storage.delete_tree(path)
                deleted += 1
    return deleted


def days_from_newest(records: Mapping[str, ParityRecord], days: int) -> list[ParityRecord]:
    """The records of the newest day and of so many before it."""
    if not records:
        return []
    first = (date.fromisoformat(max(records)) - timedelta(days=days)).isoformat()
    return [record for day, record in records.items() if day >= first]
