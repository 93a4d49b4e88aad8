"""Ranges, nulls and freshness of many columns in one pass: what is planted is found, and warns or fails as it was declared."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pytest

from expectations.adapter import check_result
from expectations.contracts import ColumnContract, Freshness, TableContract
from expectations.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
CLEAN: dict[str, list[Any]] = {
    "id": ["a", "b", "c"],
    "position": [1, 2, 3],
    "share": [0.0, 1.0, None],
    "price": [-2.5, None, 1e9],
    "lists": [["x"], [], None],
    "time": [NOON, NOON - timedelta(hours=3), NOON - timedelta(days=2)],
}


def contract(*, strict: bool) -> TableContract:
    columns = (
        ColumnContract("id", "string", required=True),
        ColumnContract("position", "bigint", required=True, least=1),
        ColumnContract("share", "double", least=0, most=1),
        ColumnContract("price", "double"),
        ColumnContract("lists", "array<string>"),
        ColumnContract("time", "timestamp", required=True),
    )
    return TableContract(columns, ("id",), freshness=Freshness("time", NOON - timedelta(minutes=1)), strict=strict)


def report_on(spark: "SparkSession", columns: dict[str, list[Any]], *, strict: bool, wide: bool) -> Report:
    from expectations.validation import validate
    from expectations.warehouse import table_expectations, wide_table_expectations

    expectations = (wide_table_expectations if wide else table_expectations)(contract(strict=strict))
    return validate(spark.createDataFrame(pa.table(columns)), expectations, "spark")


@pytest.mark.parametrize("wide", [False, True])
def test_a_clean_table_passes(spark: "SparkSession", wide: bool) -> None:
    report = report_on(spark, CLEAN, strict=True, wide=wide)
    assert report.passed
    assert len(report.outcomes) == 8


PLANTED: list[tuple[str, list[Any], str]] = [
    ("position", [1, 0, 3], "expect_column_within(position)"),
    ("share", [0.5, 1.5, None], "expect_column_within(share)"),
    ("share", [0.5, float("nan"), None], "expect_column_within(share)"),
    ("share", [-1e-9, 0.5, None], "expect_column_within(share)"),
    ("time", [NOON - timedelta(hours=1)] * 3, "expect_fresh_column(time)"),
]


@pytest.mark.parametrize(("column", "values", "title"), PLANTED)
def test_what_is_beyond_its_bounds_is_found(spark: "SparkSession", column: str, values: list[Any], title: str) -> None:
    report = report_on(spark, CLEAN | {column: values}, strict=False, wide=True)
    assert [outcome.expectation for outcome in report.failed] == [title]
    assert check_result(report).severity == dg.AssetCheckSeverity.WARN


def test_what_we_answer_for_is_an_error(spark: "SparkSession") -> None:
    columns = CLEAN | {"position": [0, None, 1], "id": ["a", "a", "b"]}
    report = report_on(spark, columns, strict=True, wide=True)
    assert [outcome.expectation for outcome in report.failed] == [
        "expect_column_values_to_be_unique(id)",
        "expect_column_within(position)",
        "expect_column_without_nulls(position)",
    ]
    assert check_result(report).severity == dg.AssetCheckSeverity.ERROR


def test_no_rows_are_not_fresh(spark: "SparkSession") -> None:
    from expectations.validation import validate
    from expectations.warehouse import table_expectations

    nothing = spark.createDataFrame(pa.table(CLEAN)).where("false")
    report = validate(nothing, table_expectations(contract(strict=False)), "spark")
    assert [outcome.expectation for outcome in report.failed] == ["expect_fresh_column(time)"]
