"""How the rows of each day are weighed: read from the impressions of the day, and of the days before it where examination is estimated."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.building.days import Places
from srp_assets.features.building.files import open_files
from srp_assets.features.registry import FeatureBuild
from srp_assets.logs.tables import BuiltDay
from srp_assets.training.inputs import SetOptions, days_before
from srp_assets.training.propensities import Examination, examination_by_regression, examination_of_randomised
from srp_assets.training.sampling import uniform_of_ids
from srp_assets.training.schema import CLICKED
from srp_assets.training.weights import WeightRule, weight_rule
from srp_assets.warehouse.storage import Storage

REGRESSION_ROWS = 200_000
"""Impressions that regression EM looks at, at most: with 100 features 160 MB, and places' standard errors are below half a percent."""

COLUMNS = ["event_id", "position", "propensity", "explored", CLICKED]


def rules_of_days(
    places: Places, options: SetOptions, days: Sequence[str], shown: Mapping[str, BuiltDay], features: Mapping[str, FeatureBuild]
) -> dict[str, WeightRule]:
    """The rule of each day.

    Args:
        places: of the logs and features.
        options: of the sets.
        days: which.
        shown: the built impressions of these days, and of those by which examination is estimated.
        features: the features of impressions of the same days, where regression EM needs them.
    """
    rules: dict[str, WeightRule] = {}
    read: dict[str, pa.Table] = {}
    for day in days:
        window = [other for other in shown if days_before(day, options.window_days) <= other <= day] if options.estimates else [day]
        # Days are in order: what is before the window is needed no more.
        read = {other: read[other] if other in read else _impressions(places.logs, shown[other]) for other in window}
        own = read[day]
        examination = _examination(
            places, options, pa.concat_tables(read.values()), [features[other] for other in window if other in features]
        )
        propensities = pc.fill_null(own["propensity"], float("nan")).to_numpy()
        positions, clicked = own["position"].to_numpy(), own[CLICKED].to_numpy()
        rules[day] = weight_rule(options.weighting, options.weight_limit, propensities, positions, clicked, examination)
    return rules


def _impressions(logs: Storage, day: BuiltDay) -> pa.Table:
    if day.paths:
        return pa.concat_tables([logs.read(path, COLUMNS) for path in day.paths])
    types = (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.bool_())
    return pa.schema(list(zip(COLUMNS, types, strict=True))).empty_table()


def _examination(places: Places, options: SetOptions, shown: pa.Table, features: Sequence[FeatureBuild]) -> Examination | None:
    if options.weighting == "randomised":
        return examination_of_randomised(shown["position"].to_numpy(), shown[CLICKED].to_numpy(), shown["explored"].to_numpy())
    if options.weighting != "regression_em" or shown.num_rows == 0:
        return None
    share = REGRESSION_ROWS / shown.num_rows
    chosen = shown if share >= 1 else shown.filter(pa.array(uniform_of_ids(shown["event_id"], seed=1) < share))
    return examination_by_regression(
        chosen["position"].to_numpy(), chosen[CLICKED].to_numpy(), _numbers(places, features, chosen["event_id"])
    )


def _numbers(places: Places, builds: Sequence[FeatureBuild], ids: pa.ChunkedArray) -> np.ndarray:
    """The features of impressions that are numbers, nan where one is missing, shape (rows, features)."""
    paths = [path for build in builds for path, _ in places.features.files(build.folder)]
    found = open_files(places.features, paths)
    names = [field.name for field in found.schema if pa.types.is_floating(field.type)]
    table = found.to_table(columns=["event_id", *names], filter=pc.field("event_id").isin(ids.combine_chunks()))
    rows = table.take(pc.index_in(ids, value_set=table["event_id"].combine_chunks()))
    return np.column_stack([pc.fill_null(rows[name], float("nan")).to_numpy() for name in names])
