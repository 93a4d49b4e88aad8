"""The suite of a table, from its contract: types, nulls, allowed values and ranges, one row a key, times in their period, freshness."""

from collections.abc import Sequence
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

from expectations.contracts import ColumnContract, TableContract
from expectations.figures import ExpectColumnWithin, ExpectColumnWithoutNulls, ExpectFreshColumn


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
    return [*expectations, *_bounds(contract)]


def wide_table_expectations(contract: TableContract) -> list[Expectation]:
    """As `table_expectations`, for tables of hundreds of columns: one pass for all that is required or bounded."""
    figured = [column.name for column in contract.columns if column.required or _is_bounded(column)]
    required = [ExpectColumnWithoutNulls(column=column.name, columns=figured) for column in contract.columns if column.required]
    one = len(contract.key) == 1
    key: Expectation = (
        ExpectColumnValuesToBeUnique(column=contract.key[0]) if one else ExpectCompoundColumnsToBeUnique(column_list=list(contract.key))
    )
    types = ExpectColumnTypes(types={column.name: column.type for column in contract.columns})
    return [types, *required, key, *_bounds(contract, figured)]


def _is_bounded(column: ColumnContract) -> bool:
    return column.least is not None or column.most is not None


def _bounds(contract: TableContract, figured: Sequence[str] = ()) -> list[Expectation]:
    """Ranges and freshness; `figured` are the columns that are looked at anyway."""
    severity = "critical" if contract.strict else "warning"
    bounded = [column for column in contract.columns if _is_bounded(column)]
    named = [column.name for column in bounded] + ([contract.freshness.column] if contract.freshness else [])
    columns = list(dict.fromkeys([*figured, *named]))
    expectations: list[Expectation] = [
        ExpectColumnWithin(column=own.name, columns=columns, least=own.least, most=own.most, severity=severity) for own in bounded
    ]
    if contract.freshness is not None:
        since = contract.freshness.since.isoformat()
        expectations.append(ExpectFreshColumn(column=contract.freshness.column, columns=columns, since=since, severity=severity))
    return expectations
