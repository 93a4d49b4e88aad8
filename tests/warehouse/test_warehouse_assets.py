"""The assets through Dagster: one period, a range in one run, limited to products; checks that block; what Dagster shows."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, update

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from srp_assets.settings import Settings
from srp_assets.warehouse.assets import BuildConfig, period_metadata, table_key, warehouse_assets, warehouse_checks
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import landing
from srp_assets.warehouse.registry_builds import current_builds, stale_periods
from srp_assets.warehouse.storage import Storage
from support.built import assert_built_as, landed_keys
from support.landed import LandedByReference

pytestmark = pytest.mark.publishes_views

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 5, tzinfo=UTC) for month in (1, 2, 3))
COMMENT = table_key("comment")


def comment(comment_id: int | None, day: datetime, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A raw comment of the sample catalogue."""
    row = {"comment_id": comment_id, "post_id": 7, "user_id": 1, "text": "first", "created_at": day, "updated_at": day}
    return "comment", row | changes


@pytest.fixture
def world(settings_with_spark: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> LandedByReference:
    """Two products with comments in two months."""
    landed = LandedByReference(engine, storage, sample_catalogue)
    landed.ingest("aurora", [comment(number, day) for number, day in enumerate([JANUARY, JANUARY, FEBRUARY])])
    landed.ingest("lotus", [comment(1, JANUARY, hidden=True), comment(2, JANUARY, text=7.5), comment(None, JANUARY)])
    return landed


def materialize(
    world: LandedByReference,
    instance: dg.DagsterInstance,
    *,
    partition: str | None = None,
    last: str | None = None,
    config: BuildConfig | None = None,
) -> dg.ExecuteInProcessResult:
    """Materializes the comments' table and its checks, as a run of one partition or of a range."""
    settings = Settings()
    tags = {"dagster/asset_partition_range_start": partition or "", "dagster/asset_partition_range_end": last} if last else None
    return dg.materialize(
        [*warehouse_assets(settings, world.catalogue), *warehouse_checks(settings, world.catalogue)],
        instance=instance,
        selection=dg.AssetSelection.assets(COMMENT),
        resources={"registry": RegistryResource(), "spark": SparkResource()},
        partition_key=None if last else partition,
        tags=tags,
        run_config=dg.RunConfig(ops={COMMENT.to_python_identifier(): config}) if config else None,
        raise_on_error=False,
    )


def test_range_in_one_run_and_partition_alone(world: LandedByReference) -> None:
    """A range is one run and one Spark job with an event and metadata for each period; one period alone gives the same rows."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(world, instance, partition="2024-01", last="2024-03")
        assert result.success
        events = {event.partition: event for event in result.asset_materializations_for_node("warehouse__comment")}
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
        assert list(events) == ["2024-01", "2024-02", "2024-03"]
        january = {name: value.value for name, value in events["2024-01"].metadata.items()}
        assert january["rows"] == {"aurora": 2, "lotus": 2}
        assert (january["dagster/partition_row_count"], january["hidden"], january["through_ingest"]) == (4, 1, 2)
        assert events["2024-03"].metadata["dagster/partition_row_count"].value == 0
        assert set(checks) == {"ledger", "schema"}
        assert all(check.passed and check.blocking for check in checks.values())
        with world.engine.connect() as connection:
            builds = current_builds(connection, entity="comment")
            assert stale_periods(connection, entity="comment") == []
        assert_built_as(world.truth, world.storage, builds)
        assert {build.key for build in builds} >= set(landed_keys(world.truth))
        assert {build.run_id for build in builds} == {result.dagster_run.run_id}
        # The same period once more, alone.
        world.ingest("aurora", [comment(77, FEBRUARY)])
        assert materialize(world, instance, partition="2024-02").success
        with world.engine.connect() as connection:
            builds = current_builds(connection, entity="comment")
        assert_built_as(world.truth, world.storage, builds)
        session = SparkResource().session()
        assert session.table("warehouse.comment").count() == sum(build.rows_visible + build.rows_hidden for build in builds) == 6


def test_limited_builds(world: LandedByReference) -> None:
    """A build of one product leaves the other open; one of what changed leaves the rest as it is."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(world, instance, partition="2024-01", last="2024-02", config=BuildConfig(products=["lotus"])).success
        with world.engine.connect() as connection:
            before = current_builds(connection, entity="comment")
            assert {key.product for key in stale_periods(connection)} == {"aurora"}
        assert {build.product for build in before} == {"lotus"}
        assert materialize(world, instance, partition="2024-01", last="2024-02", config=BuildConfig(only_changed=True)).success
        with world.engine.connect() as connection:
            after = current_builds(connection, entity="comment")
        assert {build.build_id for build in before} < {build.build_id for build in after}
        assert len(after) == 4
        assert not materialize(world, instance, partition="2024-01", config=BuildConfig(products=["lotos"])).success


def test_ledger_check_blocks_what_is_not_accounted_for(world: LandedByReference) -> None:
    """A row that landing counted and nobody has fails the run."""
    with world.engine.begin() as connection:
        lost = landing.c.landed + 1
        connection.execute(update(landing).where(landing.c.product == "aurora", landing.c.period == "2024-01").values(landed=lost))
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(world, instance, partition="2024-01")
        assert not result.success
        failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
        assert failed == ["ledger"]


def test_build_that_loses_rows_never_becomes_current(world: LandedByReference) -> None:
    """If the files hold fewer rows than landing recorded, the build is refused before the switch."""
    with world.engine.begin() as connection:
        connection.execute(update(landing).where(landing.c.product == "aurora").values(stored=landing.c.stored + 1))
    with dg.DagsterInstance.ephemeral() as instance:
        assert not materialize(world, instance, partition="2024-01").success
    with world.engine.connect() as connection:
        assert current_builds(connection, entity="comment") == []


def test_period_without_build_has_metadata() -> None:
    """Where no product has landed yet, Dagster shows zero rows, not nothing."""
    assert period_metadata(["2024-01"], [])["2024-01"]["dagster/partition_row_count"] == 0


def test_every_asset_says_what_it_is(settings: Settings, sample_catalogue: Catalogue) -> None:
    """Each table has owner, group, kinds, description and a documented column schema."""
    for asset in warehouse_assets(settings, sample_catalogue):
        (spec,) = asset.specs
        assert spec.owners
        assert spec.group_name == "warehouse"
        assert spec.kinds == {"spark", "parquet"}
        assert spec.description
        columns = spec.metadata["dagster/column_schema"].columns
        entity = sample_catalogue.entities[spec.key.path[-1]]
        assert [column.name for column in columns] == list(entity.columns)
        assert all(column.description for column in columns)
