"""Expectations about ranges, nulls and freshness, all from one metric: one pass over a Spark frame, however many columns it has."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import ExecutionEngine, SparkDFExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from pyspark.sql import Column
from pyspark.sql import functions as F

FIGURES = "table.column_figures"


class ColumnFigures(TableMetricProvider):
    """Of each of some columns the number of nulls, the least and the greatest value."""

    metric_name = FIGURES
    value_keys = ("columns",)

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(
        cls, execution_engine: SparkDFExecutionEngine, metric_domain_kwargs: dict[str, Any], metric_value_kwargs: dict[str, Any], **_: Any
    ) -> dict[str, dict[str, Any]]:
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        columns = metric_value_kwargs["columns"]
        figures = [_figures(name, frame.schema[name].dataType.simpleString()).alias(str(place)) for place, name in enumerate(columns)]
        found = frame.agg(*figures).collect()[0] if columns else {}
        return {name: found[str(place)].asDict() for place, name in enumerate(columns)}


def _figures(name: str, type_: str) -> Column:
    """Nulls of a column, and its least and greatest value where it has numbers or times: of texts and lists they would say nothing."""
    column = F.col(f"`{name}`")
    ordered = column if type_ == "timestamp" else column.cast("double") if type_ in ("double", "bigint", "int") else F.lit(None)
    return F.struct(F.count_if(column.isNull()).alias("nulls"), F.min(ordered).alias("least"), F.max(ordered).alias("most"))


class ExpectColumnWithoutNulls(BatchExpectation):
    """Expects that a column is never null; for tables of many columns, where a pass for each would take minutes."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (FIGURES,)
    success_keys: ClassVar[tuple[str, ...]] = ("column", "columns")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "columns")
    column: str
    columns: list[str]

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        nulls = metrics[FIGURES][self.column]["nulls"]
        return {"success": nulls == 0, "result": {"observed_value": nulls}}


class ExpectColumnWithin(BatchExpectation):
    """Expects that no number of a column is beyond its bounds; a column without numbers has none."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (FIGURES,)
    success_keys: ClassVar[tuple[str, ...]] = ("column", "columns", "least", "most")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "columns", "least", "most")
    column: str
    columns: list[str]
    least: float | None = None
    most: float | None = None

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        found = metrics[FIGURES][self.column]
        too_small = self.least is not None and found["least"] is not None and found["least"] < self.least
        # NaN is the greatest number to Spark, and within no bounds.
        too_great = found["most"] is not None and (found["most"] != found["most"] or (self.most is not None and found["most"] > self.most))
        return {"success": not too_small and not too_great, "result": {"observed_value": f"{found['least']} to {found['most']}"}}


class ExpectFreshColumn(BatchExpectation):
    """Expects that the newest time of a column is not before another one (ISO 8601, UTC); no time at all is not fresh."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (FIGURES,)
    success_keys: ClassVar[tuple[str, ...]] = ("column", "columns", "since")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "columns", "since")
    column: str
    columns: list[str]
    since: str

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        newest: datetime | None = metrics[FIGURES][self.column]["most"]
        if newest is not None and newest.tzinfo is None:
            newest = newest.replace(tzinfo=UTC)
        fresh = newest is not None and newest >= datetime.fromisoformat(self.since)
        return {"success": fresh, "result": {"observed_value": "none" if newest is None else newest.isoformat()}}
