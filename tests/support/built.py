"""Reads what was built, without Spark, in the words of the reference."""

from collections.abc import Iterable
from typing import Any

from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.reference import Warehouse
from srp_assets.warehouse.registry_builds import Build, PeriodKey
from srp_assets.warehouse.storage import Storage


def built_rows(storage: Storage, catalogue: Catalogue, build: Build) -> list[dict[str, Any]]:
    """The rows of a build as `reference.Partition.table` gives them; maps as dicts."""
    entity = catalogue.entities[build.entity]
    maps = [name for name, column in entity.columns.items() if column.value_type.startswith("map")]
    rows = []
    for file in build.files:
        for row in storage.read(file.path).to_pylist():
            for name in maps:
                row[name] = None if row[name] is None else dict(row[name])
            rows.append({**row, "visible": file.visible})
    return sorted(rows, key=lambda row: tuple(row[name] for name in entity.key))


def assert_built_as(truth: Warehouse, storage: Storage, builds: Iterable[Build]) -> None:
    """Asserts that builds hold exactly the rows, and the counts, of the reference."""
    for build in builds:
        partition = truth.partitions.get(build.key)
        expected = partition.table() if partition else []
        assert built_rows(storage, truth.catalogue, build) == expected, build.key
        assert build.rows_visible == sum(row["visible"] for row in expected)
        assert build.rows_hidden == sum(not row["visible"] for row in expected)
        assert build.superseded == (partition.superseded if partition else 0)
        assert build.moved == (partition.moved if partition else 0)


def landed_keys(truth: Warehouse) -> list[PeriodKey]:
    """The periods of which rows are stored or tombstones lie."""
    return sorted(PeriodKey(*key) for key, partition in truth.partitions.items() if partition.stored or partition.tombstones)
