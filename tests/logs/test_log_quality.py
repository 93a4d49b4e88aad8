"""What logs promise of what landed, and the checks that look at it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import yaml
from sqlalchemy import Engine

from jobs.quality import CHECK_LOGS_JOB
from srp_assets.definitions import build_definitions
from srp_assets.logs.catalogue import LogCatalogue, load_log_catalogue
from srp_assets.logs.landing import land_log_batches, logs_storage
from srp_assets.logs.quality import landed_contract
from srp_assets.settings import PROJECT_ROOT, Settings

DECLARED: dict[str, Any] = {
    "name": "small",
    "first_day": "2024-01-01",
    "logs": {
        "impression": {
            "role": "impression",
            "description": "Shown.",
            "fresh_within": "1 hour",
            "columns": {"share": {"kind": "metric", "type": "float64", "least": 0, "most": 1, "description": "A share."}},
        },
        "click": {"role": "click", "description": "Opened."},
    },
}
DAY = "2024-03-09"


def test_a_day_that_is_over_has_to_reach_its_end_and_another_one_now() -> None:
    log = LogCatalogue.model_validate(DECLARED).logs["impression"]
    noon = datetime(2024, 3, 9, 12, tzinfo=UTC)
    for now, since in ((noon, noon - timedelta(hours=1)), (noon + timedelta(days=9), datetime(2024, 3, 9, 23, tzinfo=UTC))):
        freshness = landed_contract(log, DAY, now).freshness
        assert freshness is not None
        assert (freshness.column, freshness.since) == ("event_time", since)
    columns = {column.name: column for column in landed_contract(log, DAY, noon).columns}
    assert (columns["share"].least, columns["share"].most) == (0, 1)
    assert (columns["position"].least, columns["position"].required) == (1, True)
    assert landed_contract(LogCatalogue.model_validate(DECLARED).logs["click"], DAY, noon).freshness is None


@pytest.mark.parametrize(
    ("column", "problem"),
    [({"least": 2, "most": 1}, "least must not be above most"), ({"kind": "text", "type": None, "least": 1}, "only a metric has")],
)
def test_ranges_that_make_no_sense_are_refused(column: dict[str, Any], problem: str) -> None:
    shown = DECLARED["logs"]["impression"]
    declared = DECLARED | {"logs": {"impression": shown | {"columns": {"share": shown["columns"]["share"] | column}}}}
    with pytest.raises(ValueError, match=problem):
        LogCatalogue.model_validate(declared)


def test_the_newest_day_of_every_log_is_looked_at(
    settings_with_spark: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "logs.yaml"
    path.write_text(yaml.safe_dump(DECLARED), encoding="utf-8")
    monkeypatch.setenv("SRP_LOGS", str(path))
    # A catalogue without features beside it: those of the sample world read other logs.
    monkeypatch.setenv("SRP_CATALOGUE", str(PROJECT_ROOT / "examples" / "shop" / "catalogue.yaml"))
    assert settings_with_spark.spark_remote is not None
    settings = Settings()
    rows = [
        {"event_time": datetime(2024, 3, day, 23, 30, tzinfo=UTC), "trace_id": f"t{number}", "item_id": "i", "position": 1, "share": share}
        for day, number, share in ((8, 1, 7.0), (9, 2, 0.5), (9, 3, None))
    ]
    land(engine, settings, rows)
    definitions = build_definitions(settings=settings)
    assert looked_at(definitions) == {("impression", True, "ERROR"), ("click", False, "WARN")}
    late = {"event_time": datetime(2024, 3, 10, 3, tzinfo=UTC), "trace_id": "t4", "item_id": "i", "position": 0, "share": 2.0}
    land(engine, settings, [late])
    assert looked_at(definitions) == {("impression", False, "WARN"), ("click", False, "WARN")}


def land(engine: Engine, settings: Settings, rows: list[dict[str, Any]]) -> None:
    assert settings.log_catalogue is not None
    catalogue = load_log_catalogue(settings.log_catalogue)
    batches = [("impression", pa.RecordBatch.from_pylist(rows))]
    storage = logs_storage(settings.warehouse_location)
    assert land_log_batches(engine, storage, catalogue, batches=batches, source="test", reader="test").rejected == {}


def looked_at(definitions: dg.Definitions) -> set[tuple[str, bool, str]]:
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(CHECK_LOGS_JOB).execute_in_process(instance=instance)
        assert result.success
        return {(found.asset_key.path[-1], found.passed, found.severity.value) for found in result.get_asset_check_evaluations()}
