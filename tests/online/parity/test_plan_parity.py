"""The sample of what was served: the same whole requests whatever the files, and the context that the request's own log tells."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.schema import landing_schema
from srp_assets.online.parity.plan_parity import HAS_REQUEST, is_sampled, sampled_rows
from srp_assets.warehouse.storage import Storage
from support.served_day import LOGS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = load_definitions(Path(__file__).parents[2] / "features" / "small.yaml")
CATALOGUE = LogCatalogue.model_validate(LOGS)
NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)


def test_traces_are_sampled_by_their_hash(spark: "SparkSession") -> None:
    from pyspark.sql import functions as F

    rows = spark.createDataFrame(pa.table({"trace_id": [f"t{number}" for number in range(4_000)]}))

    def chosen(share: float, seed: int, partitions: int = 3) -> set[str]:
        kept = rows.repartition(partitions).where(is_sampled(F.col("trace_id"), share, seed)).toArrow()
        return set(kept["trace_id"].to_pylist())

    tenth = chosen(0.1, 1)
    assert 320 < len(tenth) < 480
    assert chosen(0.1, 1, partitions=1) == tenth
    assert tenth < chosen(0.5, 1)
    assert len(tenth & chosen(0.1, 2)) < 80
    assert len(chosen(1.0, 1)) == len(chosen(2.0, 2)) == 4_000


def landed(storage: Storage, log: str, number: int, rows: list[dict[str, Any]]) -> LandedFiles:
    schema = landing_schema(CATALOGUE.logs[log])
    path = f"{log}/{number}.parquet"
    storage.write(path, pa.Table.from_pylist([{"event_time": NOON, "landed_at": NOON, **row} for row in rows], schema))
    return LandedFiles((path,))


@pytest.mark.parametrize("with_requests", [True, False])
def test_the_context_is_that_of_the_request(spark: "SparkSession", storage: Storage, with_requests: bool) -> None:
    common = {"item_id": "i1", "definition_version": "d", "values": [], "market": "de", "price": 2.0, "user_id": "u1"}
    served = landed(storage, "served_features", 1, [{**common, "event_id": f"e{n}", "trace_id": f"t{n}"} for n in (1, 2)])
    asked = [
        {"event_id": "b", "trace_id": "t1", "market": None, "user_id": "u2"},
        # A request that came twice is what it was the first time: of two at one time the one with the lesser id.
        {"event_id": "c", "trace_id": "t1", "market": "fr", "user_id": "u3"},
    ]
    logs = CATALOGUE.logs
    requests = (logs["request"], [landed(storage, "request", 1, asked)]) if with_requests else None
    frame = sampled_rows(spark, storage, (logs["served_features"], served), requests, SMALL, share=1, seed=0)
    found = {row["event_id"]: row for row in frame.toArrow().to_pylist()}
    assert set(found) == {"e1", "e2"}
    assert found["e2"]["given_market"] == "de"
    assert found["e1"]["given_price"] == 2.0
    assert found["e1"]["as_of"] == NOON
    if with_requests:
        assert (found["e1"][HAS_REQUEST], found["e1"]["given_market"], found["e1"]["given_user_id"]) == (True, None, "u2")
        assert found["e2"][HAS_REQUEST] is False
    else:
        assert (found["e1"][HAS_REQUEST], found["e1"]["given_market"]) == (True, "de")
