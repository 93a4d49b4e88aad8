"""A model scores rows of Spark as it scores a table."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.gbdt import train_gbdt
from srp_assets.models.plan_scoring import scored
from srp_assets.models.serving import load_ranker, save_ranker
from srp_assets.warehouse.storage import Storage
from support.training_sets import SCHEMA, set_table, written_sets

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_rows_in_spark_are_scored_by_arrow(spark: "SparkSession", tmp_path: Path) -> None:
    reader = written_sets(Storage(str(tmp_path / "sets")), {"2024-03-01": [set_table("2024-03-01", 400, seed=1)]})
    written = {
        "kind": "model", "name": "trees", "version": "1.0.0", "owner": "Tests", "description": "Trees.",
        "labels": {"clicked": 1.0, "order": 1.0}, "groups": {"all": ["quality", "category", "tags", "seen_at"]},
        "architecture": {"kind": "gbdt", "rounds": 5, "leaves": 5},
    }  # fmt: skip
    ranker = train_gbdt(resolve_inputs(ModelDocument.model_validate(written), SCHEMA.features), reader, None)
    save_ranker(ranker, tmp_path / "ranker", SCHEMA.features)
    assert load_ranker(tmp_path / "ranker").document == ranker.document
    rows = set_table("2024-03-02", 60, seed=2)
    frame = spark.createDataFrame(rows.select(["event_id", "noise", *ranker.columns])).repartition(3)
    found = {
        row["event_id"]: row
        for row in scored(frame, str(tmp_path / "ranker"), ranker.columns, ["clicked", "order"], ["event_id"]).collect()
    }
    expected = ranker.score(rows)
    for label in ("clicked", "order"):
        assert [found[key][label] for key in rows["event_id"].to_pylist()] == pytest.approx(expected[label].tolist(), rel=1e-12)
