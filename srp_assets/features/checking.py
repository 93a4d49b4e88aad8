"""What Great Expectations says of built features: of the tables of partial sums together, of each other table by itself."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from expectations.report import Report
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import Places, number_of
from srp_assets.features.building.plan_sums import promised_sums
from srp_assets.features.building.plan_values import built_features
from srp_assets.features.quality import folders_of, sums_contract, table_contracts
from srp_assets.features.registry import FeatureBuild

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def judged_sums(spark: "SparkSession", places: Places, layout: Layout, builds: Mapping[str, FeatureBuild]) -> Report:
    """Whether partial sums keep what all their tables promise.

    Args:
        spark: the session.
        places: where they lie.
        layout: that they were built for.
        builds: by day.
    """
    from expectations.validation import validate  # Great Expectations: 3 to 5 s that only a check should cost
    from expectations.warehouse import table_expectations

    folders = {number_of(day): build.folder for day, build in builds.items()}
    frame = promised_sums(spark, places.features, layout, folders, places.buckets)
    return validate(frame, table_expectations(sums_contract()), "spark")


def judged_features(spark: "SparkSession", places: Places, layout: Layout, builds: Mapping[str, FeatureBuild]) -> Report:
    """Whether windows or impressions keep what their declarations promise; arguments as of `judged_sums`, builds of one kind."""
    from expectations.validation import validate
    from expectations.warehouse import wide_table_expectations

    outcomes = []
    for name, contract in table_contracts(layout, next(iter(builds.values())).table).items():
        folders = [folder for build in builds.values() for folder in folders_of(places.features, build, name)]
        if folders:
            found = validate(built_features(spark, places.features, folders), wide_table_expectations(contract), "spark")
            outcomes += [replace(outcome, expectation=f"{name}: {outcome.expectation}") for outcome in found.outcomes]
    return Report(tuple(outcomes))
