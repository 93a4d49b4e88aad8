"""The join of requests with partial sums in files, bucket by bucket, as the tasks of the plan do it, without Spark."""

from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.point_in_time import family_features
from srp_assets.features.aggregation.rows import buckets_of, integers
from srp_assets.features.building.files import PartialFiles
from srp_assets.features.in_memory import described_requests
from srp_assets.features.times import days_of


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
