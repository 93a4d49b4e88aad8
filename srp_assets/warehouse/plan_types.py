"""How the catalogue's types and conditions read in Spark."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from srp_assets.warehouse.catalogue import ColumnType, Condition, Entity
from srp_assets.warehouse.periods import Unit

SPARK_TYPES: dict[ColumnType, str] = {
    "int64": "bigint",
    "float64": "double",
    "string": "string",
    "timestamp": "timestamp",
    "bool": "boolean",
    "list<string>": "array<string>",
    "map<string,string>": "map<string,string>",
    "map<string,float64>": "map<string,double>",
}

PERIOD_PATTERNS: dict[Unit, str] = {"hour": "yyyy-MM-dd'T'HH", "day": "yyyy-MM-dd", "month": "yyyy-MM", "year": "yyyy"}
"""`periods.FORMATS` in Spark's letters."""


def quoted(name: str) -> str:
    """A name as Spark SQL reads it whatever it contains."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as a Spark SQL literal whatever it contains."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def own_columns_ddl(entity: Entity) -> str:
    """The own columns of an entity as a Spark SQL column list."""
    return ", ".join(f"{quoted(name)} {SPARK_TYPES[column.value_type]}" for name, column in entity.columns.items())


def condition_holds(condition: Condition, entity: Entity) -> Column:
    """`Condition.holds` as a column that is never null: a null equals nothing, and is different from every value."""
    column = F.col(quoted(condition.column))
    if condition.test == "is_null":
        return column.isNull()
    if condition.test == "is_not_null":
        return column.isNotNull()
    equal = _equals(column, entity.columns[condition.column].value_type, condition.value)
    return equal if condition.test == "equals" else ~equal


def visible_holds(entity: Entity) -> Column:
    """Whether a row is visible."""
    return F.lit(True) if entity.visible is None else condition_holds(entity.visible, entity)


def _equals(column: Column, type_: ColumnType, value: str | int | bool | None) -> Column:
    # A text never equals a number, as in Python; Spark would cast the column and fail on the first row that is no number.
    if isinstance(value, str):
        same = column == F.lit(value) if type_ == "string" else F.lit(False)
    elif type_ == "bool":
        same = column.cast("bigint") == F.lit(value).cast("bigint")
    elif type_ in ("int64", "float64"):
        same = column == F.lit(value).cast("bigint")
    else:
        same = F.lit(False)
    return F.coalesce(same, F.lit(False))


def published_period(entity: Entity, unit: Unit) -> Column:
    """The period that holds the publish time, as `periods.period_of` writes it (the session's time zone is UTC)."""
    return F.date_format(quoted(entity.publish_time), PERIOD_PATTERNS[unit])
