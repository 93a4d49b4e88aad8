from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa
import pytest

from srp_assets.features.feature_tables import FeatureTable, join_feature_tables
from srp_assets.warehouse.storage import Storage

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("longest_age_days", [None, 2])
def test_each_request_gets_the_newest_row_from_before_it(storage: Storage, longest_age_days: int | None) -> None:
    random = Random(3)
    rows = [
        {
            "item_id": random.choice(("1", "2", "3")),
            "market": random.choice(("de", "fr", None)),
            "at": BEGIN + timedelta(hours=hours),
            "x": hours,
            "y": "t",
        }
        for hours in random.sample(range(200), 90)
    ]
    for number in range(3):
        storage.write(f"table/{number}.parquet", pa.Table.from_pylist(rows[number * 30 : number * 30 + 30]), row_group_rows=7)
    requests = [
        {
            "item_id": random.choice(("1", "2", "4", None)),
            "market": random.choice(("de", "fr", None)),
            "as_of": BEGIN + timedelta(hours=random.randrange(-5, 220)),
        }
        for _ in range(100)
    ]
    table = FeatureTable(
        "t", tuple(f"table/{number}.parquet" for number in range(3)), ("item_id", "market"), "at", ("x", "y"), longest_age_days
    )
    found = join_feature_tables(storage, pa.Table.from_pylist(requests), [table]).to_pylist()
    assert found == [_naive(request, rows, longest_age_days) for request in requests]
    assert sum(row["t_x"] is not None for row in found) > 10


def _naive(request: dict, rows: list[dict], longest_age_days: int | None) -> dict:
    keys = (request["item_id"], request["market"])
    older = [
        row
        for row in rows
        if None not in keys
        and (row["item_id"], row["market"]) == keys
        and row["at"] < request["as_of"]
        and (longest_age_days is None or request["as_of"] - row["at"] <= timedelta(days=longest_age_days))
    ]
    newest = max(older, key=lambda row: row["at"], default={})
    return {"t_x": newest.get("x"), "t_y": newest.get("y")}


def test_a_table_without_rows_gives_nulls(storage: Storage) -> None:
    schema = pa.schema([("item_id", pa.string()), ("at", pa.timestamp("us", tz="UTC")), ("x", pa.float64())])
    storage.write("empty.parquet", schema.empty_table())
    requests = pa.table({"item_id": ["1"], "as_of": pa.array([BEGIN], pa.timestamp("us", tz="UTC"))})
    found = join_feature_tables(storage, requests, [FeatureTable("t", ("empty.parquet",), ("item_id",), "at", ("x",))])
    assert found.to_pylist() == [{"t_x": None}]
