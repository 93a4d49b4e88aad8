"""The expectation that every landed row is accounted for."""

from typing import Any, ClassVar

import pandas as pd
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import ExecutionEngine, PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

SHOWN = 10
"""Periods that a failure names; the ledger itself has all."""


class LedgerDifferences(TableMetricProvider):
    """The rows of a ledger whose whole is not the sum of its parts, and how many rows it has."""

    metric_name = "table.ledger_differences"
    value_keys = ("whole", "parts")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> dict[str, Any]:
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        whole, parts = metric_value_kwargs["whole"], list(metric_value_kwargs["parts"])
        # A count that is missing is no evidence; without this it would be counted as zero.
        differing: pd.DataFrame = frame[
            (frame[parts].sum(axis="columns") != frame[whole]) | frame[[whole, *parts]].isna().any(axis="columns")
        ]
        return {"rows": len(frame), "differing": len(differing), "first": differing.head(SHOWN).astype(str).to_dict("records")}


class ExpectLedgerToBalance(BatchExpectation):
    """Expects of every row of a ledger that the whole is the sum of the parts, and that there is a row: no evidence is a failure."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.ledger_differences",)
    success_keys: ClassVar[tuple[str, ...]] = ("whole", "parts")
    args_keys: ClassVar[tuple[str, ...]] = ("whole", "parts")
    whole: str = "landed"
    parts: list[str] = ["in_table", "duplicate", "superseded", "moved", "pending", "rejected"]

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        found = metrics["table.ledger_differences"]
        return {"success": found["rows"] > 0 and found["differing"] == 0, "result": {"observed_value": found}}
