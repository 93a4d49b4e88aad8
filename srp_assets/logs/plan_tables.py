"""Built tables as frames in Spark: certain builds, so that a reader goes on with them whatever is built meanwhile."""

from collections.abc import Iterable

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.schema import Table, table_schema
from srp_assets.logs.tables import BuiltDay
from srp_assets.warehouse.plan_types import quoted
from srp_assets.warehouse.storage import Storage


def spark_type(type_: pa.DataType) -> str:
    """An Arrow type of a built table as Spark writes it."""
    if pa.types.is_timestamp(type_):
        return "timestamp"
    return {"date32[day]": "date", "int64": "bigint", "bool": "boolean"}.get(str(type_), str(type_))


def built_table(spark: SparkSession, storage: Storage, catalogue: LogCatalogue, table: Table, days: Iterable[BuiltDay]) -> DataFrame:
    """The rows of some built days of a table."""
    schema = ", ".join(f"{quoted(field.name)} {spark_type(field.type)}" for field in table_schema(catalogue, table))
    paths = [storage.address(path) for day in days for path in day.paths]
    return spark.read.schema(schema).parquet(*paths) if paths else spark.createDataFrame([], schema)
