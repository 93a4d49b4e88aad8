"""The compared samples and documents that are kept: read for drift and by people, and deleted when no day needs them any more."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from srp_assets.features.building.files import open_files
from srp_assets.online.parity.comparing import PAIRS
from srp_assets.online.parity.registry import ParityRecord
from srp_assets.warehouse.storage import Storage


def read_samples(storage: Storage, records: Iterable[ParityRecord], columns: Sequence[str] | None = None) -> pa.Table:
    """The pairs of some records, where they are still kept: all columns, or some."""
    schema = PAIRS if columns is None else pa.schema([PAIRS.field(name) for name in columns])
    paths = [path for record in records if record.pairs and storage.exists(record.pairs) for path, _ in storage.files(record.pairs)]
    return open_files(storage, paths, PAIRS).to_table(columns=schema.names) if paths else schema.empty_table()


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


def delete_old_documents(folder: Path, kept: int) -> int:
    """Deletes the documents of all days but so many, the newest ones; returns how many.

    Args:
        folder: on a local disk, with a folder for each day.
        kept: days.
    """
    days = sorted(entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    old = days[: max(0, len(days) - kept)]
    for entry in old:
        shutil.rmtree(entry)
    return len(old)
