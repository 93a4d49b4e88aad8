"""Built actions for features to read, and the join of requests with partial sums in files, bucket by bucket, without Spark."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.point_in_time import family_features
from srp_assets.features.aggregation.rows import buckets_of, integers
from srp_assets.features.building.files import PartialFiles
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.times import EPOCH, days_of
from srp_assets.logs import registry_builds as log_builds
from srp_assets.warehouse.storage import Storage
from support.feature_join import described_requests
from support.feature_logs import Row, events_table


def joined(files: PartialFiles, requests: pa.Table, versions: dict[str, pa.Table], buckets: int) -> list[dict[str, Any]]:
    """The aggregated features of requests, as arrived, with defaults."""
    definitions = files.definitions
    asked = described_requests(definitions, requests, versions)
    found: list[dict[str, Any]] = [{} for _ in range(requests.num_rows)]
    for family in layout_of(definitions).families:
        of_requests = buckets_of(asked[family.key], buckets)
        for bucket in np.unique(of_requests).tolist():
            places = np.flatnonzero(of_requests == bucket)
            own = asked.take(pa.array(places))
            days = days_of(integers(own["as_of"]))
            partials = files.partials(family, bucket, days.min(), days.max())
            rows = files.rows(family, bucket, days.min(), days.max(), "as_arrived")
            values = family_features(definitions, family, own, partials, rows, "as_arrived").to_pylist()
            for place, row in zip(places, values, strict=True):
                found[place] |= row
    return [
        {feature.name: feature.declared.default if row[feature.name] is None else row[feature.name] for feature in definitions.aggregated}
        for row in found
    ]


def build_actions(
    engine: Engine,
    logs: Storage,
    definitions: Definitions,
    events: Sequence[Row],
    days: Sequence[str],
    number: int,
    provisional: Sequence[str] = (),
) -> None:
    """Writes the actions of days and records them as the current builds, as the logs do; labels are final but for some days."""
    table = events_table(definitions, events)
    of_rows = days_of(integers(table["event_time"]))
    builds = []
    for day in days:
        own = table.filter(pa.array(of_rows == (datetime.fromisoformat(day).replace(tzinfo=UTC) - EPOCH).days))
        shown = own.filter(pc.equal(own["kind"], "impression"))
        files = []
        for name, rows in (("actions", own), ("impression_outcomes", shown)):
            path = f"{name}/{day}/{number}.parquet"
            files.append(log_builds.TableFile(name, path, rows.num_rows, logs.write(path, rows)))
        counts = log_builds.DayCountsBuilt()
        state = "provisional" if day in provisional else "final"
        builds.append(log_builds.DayBuild(0, day, number, state, {}, counts, tuple(files), datetime.now(UTC), None))
    with engine.begin() as connection:
        log_builds.record_builds(connection, builds)


def day_of(event: Row) -> str:
    """The UTC date of an event."""
    return str(event["event_time"].date())
