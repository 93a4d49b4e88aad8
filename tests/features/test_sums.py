"""What all tables of partial sums promise: rows that were built keep it, and each kind of broken row is seen."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from srp_assets.features.aggregation.layout import Family, PartialTable, layout_of
from srp_assets.features.aggregation.partials import BUCKET, EVENT_DAY
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.files import file_of, write_day
from srp_assets.features.building.plan_sums import promised
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.quality import SUMS_KEY
from srp_assets.features.reference import first_arrivals
from srp_assets.features.times import days_of
from srp_assets.warehouse.storage import Storage
from support.feature_logs import events_table, random_logs, versions_tables

BUCKETS = 3

Built = list[tuple[Family, PartialTable, pa.Table, int]]


@pytest.fixture
def built(small: Definitions, tmp_path: Path) -> Built:
    """Every partial table of every day of some logs, as it was written."""
    storage, generated = Storage(str(tmp_path)), random_logs(Random(5), 80, 4)
    events = events_table(small, first_arrivals(generated.events))
    table = with_attributes(small, events, "event_time", versions_tables(small, generated.versions))
    of_rows = days_of(integers(table["event_time"]))
    found = []
    for day in sorted(set(of_rows.tolist())):
        for family in layout_of(small).families:
            write_day(storage, small, family, table.filter(pa.array(of_rows == day)), f"day={day}", BUCKETS)
            found += [(family, own, storage.read(file_of(f"day={day}", family, own.name)), day) for own in family.tables]
    return found


def test_sums_that_were_built_keep_what_is_promised(small: Definitions, built: Built) -> None:
    rows = pa.concat_tables([promised(small, family, table, found, day, BUCKETS) for family, table, found, day in built])
    assert len(rows) == sum(len(found) for _, _, found, _ in built) > 100
    assert rows.group_by(list(SUMS_KEY)).aggregate([]).num_rows == len(rows)
    assert rows["keys"].null_count == 0
    assert rows["event_day"] == rows["day"]
    assert rows["bucket"] == rows["bucket_of_keys"]
    assert pc.min(rows["least_count"]).as_py() >= 0
    assert set(rows["missing_sums"].to_pylist()) == set(rows["other_columns"].to_pylist()) == {0}


def replaced(rows: pa.Table, column: str, values: pa.Array) -> pa.Table:
    """The rows with another column under the same name."""
    return rows.set_column(rows.column_names.index(column), column, values)


@pytest.mark.parametrize(
    ("broken", "is_seen"),
    [
        (lambda rows, table: replaced(rows, table.keys[0], pa.nulls(len(rows), pa.string())), lambda row: row["keys"] is None),
        (lambda rows, _: replaced(rows, BUCKET, pc.add(rows[BUCKET], 1)), lambda row: row["bucket"] != row["bucket_of_keys"]),
        (lambda rows, _: replaced(rows, EVENT_DAY, pa.nulls(len(rows), pa.date32())), lambda row: row["event_day"] != row["day"]),
        (lambda rows, table: replaced(rows, count_of(table), pa.array([-1] * len(rows))), lambda row: row["least_count"] < 0),
        (lambda rows, table: replaced(rows, count_of(table), pa.nulls(len(rows), pa.int64())), lambda row: row["missing_sums"] == 1),
        (lambda rows, table: replaced(rows, count_of(table), pa.array([0.5] * len(rows))), lambda row: row["other_columns"] == 2),
        (lambda rows, table: rows.drop_columns([count_of(table)]), lambda row: (row["other_columns"], row["missing_sums"]) == (1, 1)),
        (lambda rows, _: rows.append_column("more", pa.nulls(len(rows), pa.string())), lambda row: row["other_columns"] == 1),
    ],
    ids=["no key", "other bucket", "other day", "negative count", "no count", "other type", "column less", "further column"],
)
def test_broken_sums_are_seen(
    small: Definitions, built: Built, broken: Callable[[pa.Table, PartialTable], pa.Table], is_seen: Callable[[dict[str, object]], bool]
) -> None:
    family, table, rows, day = next(entry for entry in built if len(entry[2]) and any(sum_.part == "count" for sum_ in entry[1].additives))
    found = promised(small, family, table, broken(rows, table), day, BUCKETS).to_pylist()
    assert len(found) == len(rows)
    assert all(is_seen(row) for row in found)


def count_of(table: PartialTable) -> str:
    """The name of one of a table's counts."""
    return next(additive.name for additive in table.additives if additive.part == "count")


def test_a_table_that_is_not_there_is_a_row_without_keys(small: Definitions, built: Built) -> None:
    family, table, _, day = built[0]
    (row,) = promised(small, family, table, None, day, BUCKETS).to_pylist()
    assert row["table"] == f"{family.key}/{table.name}"
    assert {value for name, value in row.items() if name != "table"} == {None}
