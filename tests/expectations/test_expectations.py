"""Suites find planted dirt, balance needs evidence, and what cannot be evaluated is never taken for bad data."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from expectations.adapter import check_result
from expectations.contracts import ColumnContract, TableContract
from expectations.report import Outcome, Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONTRACT = TableContract(
    columns=(
        ColumnContract("product", "string", required=True),
        ColumnContract("post_id", "bigint", required=True),
        ColumnContract("risk", "string", values=("low", "high")),
        ColumnContract("tags", "array<string>"),
    ),
    key=("product", "post_id"),
    equal_columns=(("period", "published_period"),),
)
CLEAN: dict[str, list[Any]] = {
    "product": ["aurora", "aurora", "lotus"],
    "post_id": [1, 2, 1],
    "risk": ["low", None, "high"],
    "tags": [["a"], [], None],
    "period": ["2024-01"] * 3,
    "published_period": ["2024-01"] * 3,
}
LEDGER = {
    "landed": [6, 0],
    "in_table": [1, 0],
    "duplicate": [1, 0],
    "superseded": [1, 0],
    "moved": [1, 0],
    "pending": [1, 0],
    "rejected": [1, 0],
}


def report_on(spark: "SparkSession", table: pa.Table, contract: TableContract = CONTRACT) -> Report:
    """Validates a table by its contract."""
    from expectations.validation import validate
    from expectations.warehouse import table_expectations

    return validate(spark.createDataFrame(table), table_expectations(contract), "spark")


def failed(report: Report) -> list[str]:
    """Titles of what failed."""
    return [outcome.expectation for outcome in report.failed]


def test_clean_table_passes(spark: "SparkSession") -> None:
    """Everything that the contract says is looked at, and holds."""
    report = report_on(spark, pa.table(CLEAN))
    assert report.passed
    assert len(report.outcomes) == 6


@pytest.mark.parametrize(
    ("column", "values", "title"),
    [
        ("post_id", ["1", "2", "3"], "expect_column_types()"),
        ("tags", [[1], [2], None], "expect_column_types()"),
        ("post_id", [1, None, 1], "expect_column_values_to_not_be_null(post_id)"),
        ("risk", ["low", "middling", None], "expect_column_values_to_be_in_set(risk)"),
        ("post_id", [1, 1, 1], "expect_compound_columns_to_be_unique(['product', 'post_id'])"),
        ("published_period", ["2024-01", "2024-02", "2024-01"], "expect_column_pair_values_to_be_equal(period)"),
    ],
    ids=["type", "nested type", "null", "value", "key", "period"],
)
def test_planted_dirt_is_found(spark: "SparkSession", column: str, values: list[Any], title: str) -> None:
    """One planted mistake fails exactly the expectation that it breaks."""
    report = report_on(spark, pa.table(CLEAN | {column: values}))
    assert failed(report) == [title]
    result = check_result(report)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR


def test_the_values_that_break_an_expectation_are_shown(spark: "SparkSession") -> None:
    """They are looked for only where one is broken."""
    (outcome,) = report_on(spark, pa.table(CLEAN | {"risk": ["low", "middling", None]})).failed
    assert (outcome.found["unexpected_count"], outcome.found["partial_unexpected_list"]) == (1, ["middling"])


def test_missing_column_raises(spark: "SparkSession") -> None:
    """A suite that names a column which is not there is a mistake, not bad data."""
    from expectations.validation import ExpectationCrashed

    with pytest.raises(ExpectationCrashed, match="risk"):
        report_on(spark, pa.table(CLEAN).drop_columns(["risk"]))
    unknown = replace(CONTRACT, columns=(*CONTRACT.columns, ColumnContract("absent", "bigint", required=True)))
    with pytest.raises(ExpectationCrashed, match="absent"):
        report_on(spark, pa.table(CLEAN), unknown)


def ledger_report(frame: pd.DataFrame) -> Report:
    """Validates a ledger."""
    from expectations.ledger import ExpectLedgerToBalance
    from expectations.validation import validate

    return validate(frame, [ExpectLedgerToBalance()], "pandas")


def test_ledger_balances() -> None:
    """The whole is the sum of the parts, in each row."""
    assert ledger_report(pd.DataFrame(LEDGER)).passed


@pytest.mark.parametrize("column", list(LEDGER))
def test_ledger_that_misses_a_row_fails(column: str) -> None:
    """One row too many or too few anywhere is found, and shown."""
    report = ledger_report(pd.DataFrame(LEDGER | {column: [LEDGER[column][0] + 1, 0]}))
    (outcome,) = report.failed
    assert outcome.found["observed_value"]["differing"] == 1
    assert outcome.found["observed_value"]["first"][0][column] == str(LEDGER[column][0] + 1)


def test_no_evidence_is_a_failure() -> None:
    """An empty ledger, a missing count and an empty report all fail; a missing column raises."""
    from expectations.validation import ExpectationCrashed

    assert not ledger_report(pd.DataFrame(LEDGER).head(0)).passed
    assert not ledger_report(pd.DataFrame(LEDGER | {"moved": [None, 0], "landed": [5, 0]})).passed
    assert not check_result(Report(())).passed
    with pytest.raises(ExpectationCrashed, match="moved"):
        ledger_report(pd.DataFrame(LEDGER).drop(columns="moved"))


def test_severity_follows_the_worst_failure() -> None:
    """Warnings warn; one critical failure is an error."""
    warning = Outcome("late", passed=False, severity="warning", found={})
    assert check_result(Report((warning,))).severity == dg.AssetCheckSeverity.WARN
    critical = Outcome("null", passed=False, severity="critical", found={})
    assert check_result(Report((warning, critical))).severity == dg.AssetCheckSeverity.ERROR
