"""The suite of a warehouse table, from its contract: types, nulls, allowed values, one row a key, times in their period."""

from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import ExecutionEngine, SparkDFExecutionEngine
from great_expectations.expectations import (
    ExpectColumnPairValuesToBeEqual,
    ExpectColumnValuesToBeInSet,
    ExpectColumnValuesToBeUnique,
    ExpectColumnValuesToNotBeNull,
    ExpectCompoundColumnsToBeUnique,
)
from great_expectations.expectations.expectation import BatchExpectation, Expectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from expectations.contracts import TableContract


class DeclaredTypes(TableMetricProvider):
    """The type of every column of a Spark frame, in Spark's simple form with all that is nested."""

    metric_name = "table.declared_types"

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(cls, execution_engine: SparkDFExecutionEngine, metric_domain_kwargs: dict[str, Any], **_: Any) -> dict[str, str]:
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        return {field.name: field.dataType.simpleString() for field in frame.schema.fields}


class ExpectColumnTypes(BatchExpectation):
    """Expects that columns have these types in Spark's simple form; GX's own expectation does not look inside arrays and maps."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.declared_types",)
    success_keys: ClassVar[tuple[str, ...]] = ("types",)
    args_keys: ClassVar[tuple[str, ...]] = ("types",)
    types: dict[str, str]

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        found = metrics["table.declared_types"]
        differing = {name: found.get(name, "missing") for name, type_ in self.types.items() if found.get(name) != type_}
        return {"success": not differing, "result": {"observed_value": differing or found}}


def table_expectations(contract: TableContract) -> list[Expectation]:
    """What is expected of a table's frame."""
    expectations: list[Expectation] = [ExpectColumnTypes(types={column.name: column.type for column in contract.columns})]
    for column in contract.columns:
        if column.required:
            expectations.append(ExpectColumnValuesToNotBeNull(column=column.name))
        if column.values:
            expectations.append(ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.values)))
    # A key of one column is none to the expectation of compound ones.
    one = len(contract.key) == 1
    expectations.append(
        ExpectColumnValuesToBeUnique(column=contract.key[0]) if one else ExpectCompoundColumnsToBeUnique(column_list=list(contract.key))
    )
    expectations += [ExpectColumnPairValuesToBeEqual(column_A=left, column_B=right) for left, right in contract.equal_columns]
    return expectations
