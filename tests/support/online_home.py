"""What the online store is loaded from, as files: partial sums, actions and versions of generated logs, built without Spark."""

from collections.abc import Mapping

import pyarrow as pa

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.files import PartialFiles, VersionFiles, write_day
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import first_arrivals
from srp_assets.features.times import days_of
from srp_assets.online.consuming.loading import DayInputs
from srp_assets.online.consuming.stream import ActionFiles
from srp_assets.warehouse.storage import Storage
from support.feature_logs import Logs, events_table, versions_tables

BUCKETS = 2


def built(definitions: Definitions, storage: Storage, generated: Logs) -> DayInputs:
    """Partial sums, actions and versions of generated logs as files."""
    versions = versions_tables(definitions, generated.versions)
    plain = events_table(definitions, first_arrivals(generated.events))
    described = with_attributes(definitions, plain, "event_time", versions)
    days = days_of(integers(plain["event_time"]))
    folders, paths = {}, {}
    for day in sorted(set(days.tolist())):
        folders[day] = f"partials/{day}"
        for family in layout_of(definitions).families:
            write_day(storage, definitions, family, described.filter(pa.array(days == day)), folders[day], BUCKETS)
        paths[day] = (f"actions/{day}.parquet",)
        storage.write(paths[day][0], plain.filter(pa.array(days == day)))
    partials = PartialFiles(storage, definitions, folders)
    return DayInputs(partials, BUCKETS, version_files(storage, versions), ActionFiles(storage, paths))


def version_files(storage: Storage, versions: Mapping[str, pa.Table]) -> dict[str, VersionFiles]:
    """Versions of rows as files."""
    for name, table in versions.items():
        storage.write(f"{name}.parquet", table)
    return {name: VersionFiles(storage, (f"{name}.parquet",), "updated_at") for name in versions}
