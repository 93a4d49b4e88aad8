"""Dagster's folder for both storages, on a real instance."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.storage import tags as dg_tags
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy import inspect

from resources.dagster_home import prepare_dagster_home
from resources.registry_database import open_registry
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings


@dg.asset
def answer() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 42})


def materialize_and_read_back(folder: Path) -> int:
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert dg.materialize([answer], instance=instance).success
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("answer"))
        return event.asset_materialization.metadata["dagster/row_count"].value


def test_the_embedded_storage_is_inside_the_home(settings: Settings) -> None:
    folder = prepare_dagster_home(settings)
    assert folder == settings.home_folder / "dagster"
    assert materialize_and_read_back(folder) == 42
    assert list(folder.rglob("*.db"))


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition([f"part-{number:03d}" for number in range(300)]),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def parts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    for key in context.partition_keys:
        context.add_asset_metadata({"dagster/row_count": int(key[-3:])}, partition_key=key)
    return dg.MaterializeResult()


@pytest.mark.parametrize("on_postgresql", [False, True])
def test_events_of_many_partitions_are_stored_together_and_completely(
    settings: Settings, postgres_database: str, monkeypatch: pytest.MonkeyPatch, on_postgresql: bool
) -> None:
    if on_postgresql:
        monkeypatch.setenv("SRP_DATABASE_URL", postgres_database)
    stored: list[int] = []
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(Settings()))) as instance:
        together = instance.event_log_storage.store_event_batch
        monkeypatch.setattr(instance.event_log_storage, "store_event_batch", lambda events: stored.append(len(events)) or together(events))
        tags = {dg_tags.ASSET_PARTITION_RANGE_START_TAG: "part-000", dg_tags.ASSET_PARTITION_RANGE_END_TAG: "part-299"}
        run = dg.materialize([parts], instance=instance, tags=tags)
        assert run.success
        assert 300 in stored  # materialized; what was planned is stored by runs that are launched
        records = instance.fetch_materializations(dg.AssetKey("parts"), limit=1000).records
        assert {record.partition_key: record.asset_materialization.metadata["dagster/row_count"].value for record in records} == {
            f"part-{number:03d}": number for number in range(300)
        }
        assert instance.get_materialized_partitions(dg.AssetKey("parts")) == {f"part-{number:03d}" for number in range(300)}
        of_run = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, limit=1000).records
        assert sorted(str(record.partition_key) for record in of_run) == [f"part-{number:03d}" for number in range(300)]


def test_the_storage_moves_to_postgresql_and_shares_the_database_with_the_registry(
    settings: Settings, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRP_DATABASE_URL", postgres_database)
    moved = Settings()
    folder = prepare_dagster_home(moved)
    assert postgres_database not in (folder / "dagster.yaml").read_text()
    assert materialize_and_read_back(folder) == 42
    registry = open_registry(moved)
    assert {"runs", "event_logs", "alembic_version", "registry_version"} <= set(inspect(registry).get_table_names())
    registry.dispose()
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
    assert materialize_and_read_back(folder) == 42
    open_registry(moved).dispose()


def test_the_instance_accepts_every_option(settings: Settings) -> None:
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_poll_interval_seconds == 30
        assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] == 300
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 2
        assert not instance.telemetry_enabled


def test_a_file_that_the_user_made_their_own_is_kept(settings: Settings) -> None:
    file = prepare_dagster_home(settings) / "dagster.yaml"
    written = file.read_text()
    file.write_text(written.replace("max_concurrent_runs: 4", "max_concurrent_runs: 9"))
    prepare_dagster_home(settings)
    assert file.read_text() == written
    own = yaml.safe_dump({"telemetry": {"enabled": True}})
    file.write_text(own)
    prepare_dagster_home(settings)
    assert file.read_text() == own


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match="the home cannot be written"):
        prepare_dagster_home(Settings(home=tmp_path / "file"))
