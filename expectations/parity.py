"""What is expected of served features, on a Spark frame with a row for each sampled candidate and feature.

The frame has `feature`, `state` (`compared`; `missing` where the row was served without the feature; `foreign` where it was served under
another version of it), `served` and `offline` (the two values as numbers), `differs` and `defaulted`. All figures of all features are one
metric, so that hundreds of expectations cost one pass over the frame.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import ExecutionEngine, SparkDFExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation, Expectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from expectations.parity_rules import LEVELS, RULES, FeatureStatistics, Judgement, Side, Tolerances
from expectations.validation import validate, validate_with_documents

SUITE = "feature_parity"
STATISTICS = "table.parity_statistics"
COMPARED, MISSING, FOREIGN = "compared", "missing", "foreign"


def feature_statistics(pairs: DataFrame) -> dict[str, FeatureStatistics]:
    """The figures of every feature of a frame, in one aggregation."""
    compared = F.col("state") == COMPARED
    figures = [
        F.count_if(compared).alias("rows"),
        F.count_if(compared & F.col("differs")).alias("mismatches"),
        F.count_if(F.col("state") == MISSING).alias("missing"),
        F.count_if(F.col("state") == FOREIGN).alias("foreign"),
        F.count_if(compared & F.col("defaulted")).alias("defaulted"),
        *(_figures_of_side(side, compared) for side in ("served", "offline")),
    ]
    return {row.feature: _statistics(row.asDict(recursive=True)) for row in pairs.groupBy("feature").agg(*figures).collect()}


def _figures_of_side(side: str, compared: Column) -> Column:
    # What was not compared is null here, and aggregates leave it out.
    value = F.when(compared, F.col(side))
    return F.struct(
        F.count_if(compared & F.col(side).isNull()).alias("nulls"),
        F.avg(value).alias("mean"),
        F.var_pop(value).alias("variance"),
        F.percentile(value, list(LEVELS)).alias("quantiles"),
    ).alias(side)


def _statistics(row: dict[str, Any]) -> FeatureStatistics:
    served, offline = (Side(**{**row[name], "quantiles": tuple(row[name]["quantiles"] or ())}) for name in ("served", "offline"))
    counts = {name: row[name] for name in ("rows", "mismatches", "missing", "foreign", "defaulted")}
    return FeatureStatistics(**counts, served=served, offline=offline)


class ParityStatistics(TableMetricProvider):
    """The figures of every feature of a frame, computed once for all expectations."""

    metric_name = STATISTICS

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(cls, execution_engine: SparkDFExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any) -> dict[str, Any]:
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        return feature_statistics(frame)


class ExpectServedFeature(BatchExpectation):
    """Expects of a feature's served values what a rule says; the classes below name the rules."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (STATISTICS,)
    success_keys: ClassVar[tuple[str, ...]] = ("feature", "tolerances")
    args_keys: ClassVar[tuple[str, ...]] = ("feature", "tolerances")
    rule: ClassVar[str] = "evidence"
    feature: str
    tolerances: dict[str, float]

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        found: FeatureStatistics | None = metrics[STATISTICS].get(self.feature)
        details: dict[str, Any] = {"feature": self.feature, "rule": self.rule}
        if found is None:
            return {"success": False, "result": {"observed_value": "no row was compared", "details": details}}
        problem = RULES[self.rule](found, Tolerances(**self.tolerances))  # type: ignore[arg-type]
        if self.rule == "evidence":
            details["statistics"] = asdict(found)
        return {"success": problem is None, "result": {"observed_value": problem or "agrees", "details": details}}


class ExpectServedFeatureInItsVersion(ExpectServedFeature):
    """Enough rows, each served with the feature in its declared version."""

    rule = "evidence"


class ExpectServedMeanToAgree(ExpectServedFeature):
    """The served mean is that of the recomputed values, within the declared share."""

    rule = "mean"


class ExpectServedVarianceToAgree(ExpectServedFeature):
    """The served variance is that of the recomputed values, within the declared share."""

    rule = "variance"


class ExpectServedNullsToAgree(ExpectServedFeature):
    """About as many served values as recomputed ones are null."""

    rule = "nulls"


class ExpectServedQuantilesToAgree(ExpectServedFeature):
    """The served quantiles are those of the recomputed values, give or take a step of 5 %."""

    rule = "quantiles"


class ExpectServedValuesToAgree(ExpectServedFeature):
    """Row by row the served value is the recomputed one."""

    rule = "values"


EXPECTED: tuple[type[ExpectServedFeature], ...] = (
    ExpectServedFeatureInItsVersion,
    ExpectServedMeanToAgree,
    ExpectServedVarianceToAgree,
    ExpectServedNullsToAgree,
    ExpectServedQuantilesToAgree,
    ExpectServedValuesToAgree,
)


def parity_expectations(features: Iterable[str], tolerances: Tolerances) -> list[Expectation]:
    """What is expected of each of some features."""
    plain = asdict(tolerances)
    return [
        kind(feature=feature, tolerances=plain, description=f"{feature}: {' '.join((kind.__doc__ or '').split())}")
        for feature in features
        for kind in EXPECTED
    ]


def judge(pairs: DataFrame, features: Sequence[str], tolerances: Tolerances, folder: Path | None = None, *, run: str = "") -> Judgement:
    """Judges a frame of pairs.

    Args:
        pairs: of the sample.
        features: that are declared: one without a row has failed.
        tolerances: as declared.
        folder: of the Data Docs; none are built without one.
        run: what the documents call it.

    Raises:
        ExpectationCrashed: if something could not be evaluated.
    """
    expectations = parity_expectations(features, tolerances)
    if folder is None:
        report, page = validate(pairs, expectations, "spark"), None
    else:
        report, page = validate_with_documents(pairs, expectations, "spark", folder, suite=SUITE, run=run)
    statistics: dict[str, FeatureStatistics] = {}
    problems: dict[str, dict[str, str]] = {name: {} for name in features}
    for outcome in report.outcomes:
        details = outcome.found["details"]
        if "statistics" in details:
            statistics[details["feature"]] = _statistics(details["statistics"])
        if not outcome.passed:
            problems[details["feature"]][details["rule"]] = outcome.found["observed_value"]
    return Judgement(statistics, problems, page)
