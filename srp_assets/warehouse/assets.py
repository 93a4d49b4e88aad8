"""The Dagster shell of the warehouse: one asset for each entity of the catalogue, its checks, and what they show.

What belongs here is wiring and metadata: `building.py` builds, `plan_tables.py` makes tables, `expectations/` says what must hold. Jobs and
the sensor that asks for reopened periods are in `jobs/warehouse.py`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from expectations.adapter import check_result
from expectations.contracts import ColumnContract, TableContract
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.partitions import period_partitions
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.building import bring_up_to_date
from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.warehouse.plan_tables import publish_view, snapshot_table
from srp_assets.warehouse.plan_types import SPARK_TYPES, published_period
from srp_assets.warehouse.registry_builds import Build, builds_of_run, current_builds, ledger
from srp_assets.warehouse.storage import Storage

DOMAIN = "warehouse"
OWNERS = ["team:data-platform"]
SPARK_POOL = "spark"


class BuildConfig(StrictConfig):
    """What a build of some periods is limited to; everything that landed by default."""

    products: list[str] | None = Field(None, description="limit the build to these products")
    only_changed: bool = Field(False, description="leave out periods that are built and got no row since")


def table_key(entity_name: str) -> dg.AssetKey:
    """The asset of an entity's table."""
    return dg.AssetKey([DOMAIN, entity_name])


def warehouse_assets(settings: Settings, catalogue: Catalogue, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The tables of a catalogue; `progress` is told how far a build is, where somebody watches."""
    return [_table(settings, catalogue, name, progress) for name in catalogue.entities]


def warehouse_checks(settings: Settings, catalogue: Catalogue) -> list[dg.AssetChecksDefinition]:
    """Two blocking checks for each table: every landed row is accounted for, and the rows are as the catalogue declares."""
    return [check for name in catalogue.entities for check in (_ledger_check(name), _schema_check(settings, catalogue, name))]


def _table(settings: Settings, catalogue: Catalogue, name: str, progress: Progress | None) -> dg.AssetsDefinition:
    entity = catalogue.entities[name]

    @dg.asset(
        key=table_key(name),
        partitions_def=period_partitions(catalogue),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description=f"{entity.description} Newest versions of all products, by publish period.",
        metadata={"dagster/column_schema": _column_schema(entity), "dagster/table_name": f"{DOMAIN}.{name}"},
    )
    def table(
        context: dg.AssetExecutionContext, config: BuildConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        storage, session = Storage(settings.warehouse_location), spark.session()
        periods = list(context.partition_keys)
        builds = bring_up_to_date(
            session,
            registry.engine,
            storage,
            catalogue,
            name,
            periods,
            products=config.products,
            only_changed=config.only_changed,
            run_id=context.run.run_id,
            progress=progress,
        )
        with registry.engine.connect() as connection:
            everything = current_builds(connection, entity=name)
        forget_before = datetime.now(UTC) - timedelta(hours=settings.build_retention_hours)
        publish_view(session, storage, name, entity, everything, forget_before=forget_before)
        for period, metadata in period_metadata(periods, builds).items():
            context.add_asset_metadata(metadata, partition_key=period)
        return dg.MaterializeResult()

    return table


def period_metadata(periods: Iterable[str], builds: Iterable[Build]) -> dict[str, dict[str, Any]]:
    """What Dagster shows of each period: its rows by product, and what became of the others."""
    by_period: dict[str, list[Build]] = defaultdict(list)
    for build in builds:
        by_period[build.period].append(build)
    return {period: _metadata(by_period[period]) for period in periods}


def _metadata(builds: list[Build]) -> dict[str, Any]:
    return {
        "dagster/partition_row_count": sum(build.rows_visible + build.rows_hidden for build in builds),
        "rows": {build.product: build.rows_visible + build.rows_hidden for build in builds},
        "hidden": sum(build.rows_hidden for build in builds),
        "superseded": sum(build.superseded for build in builds),
        "moved": sum(build.moved for build in builds),
        "files": sum(len(build.files) for build in builds),
        "bytes": sum(file.bytes for build in builds for file in build.files),
        "through_ingest": max((build.through_ingest for build in builds), default=0),
    }


def _column_schema(entity: Entity) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                SPARK_TYPES[column.value_type],
                description=f"{column.description} ({column.unit})" if column.unit else column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required, unique=entity.key == (name,)),
            )
            for name, column in entity.columns.items()
        ]
    )


def _ledger_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=table_key(name), name="ledger", blocking=True)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every landed row is accounted for: landed = in the table + duplicate + superseded + moved + pending + rejected.

        Of every period that the run built, or of all, if it built none.
        """
        import pandas as pd

        from expectations.ledger import ExpectLedgerToBalance
        from expectations.validation import validate  # Great Expectations: 3 to 5 s that only a check should cost

        with registry.engine.connect() as connection:
            rows = ledger(connection, entity=name, run_id=context.run.run_id) or ledger(connection, entity=name)
        frame = pd.DataFrame([asdict(row) for row in rows], columns=LEDGER_COLUMNS)
        return check_result(validate(frame, [ExpectLedgerToBalance()], "pandas"), {"periods": len(rows)})

    return check


def _schema_check(settings: Settings, catalogue: Catalogue, name: str) -> dg.AssetChecksDefinition:
    entity = catalogue.entities[name]

    @dg.asset_check(asset=table_key(name), name="schema", blocking=True, pool=SPARK_POOL)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.AssetCheckResult:
        """Types, nulls and allowed values are as the catalogue declares, no key is there twice, each row lies in its period.

        Of every row that the run built, or of all, if it built none.
        """
        from expectations.validation import validate  # Great Expectations: 3 to 5 s that only a check should cost
        from expectations.warehouse import table_expectations

        with registry.engine.connect() as connection:
            builds = builds_of_run(connection, context.run.run_id, entity=name) or current_builds(connection, entity=name)
        frame = snapshot_table(spark.session(), Storage(settings.warehouse_location), name, entity, builds)
        frame = frame.withColumn(PUBLISHED_PERIOD, published_period(entity, catalogue.partition_unit))
        if sum(file.bytes for build in builds for file in build.files) <= CACHED_BYTES:
            frame = frame.persist()
        try:
            return check_result(validate(frame, table_expectations(table_contract(entity)), "spark"), {"periods": len(builds)})
        finally:
            frame.unpersist()

    return check


CACHED_BYTES = 64 << 20
"""Files up to this size together are read once for all expectations: opening many small ones costs more than keeping what they hold."""

PUBLISHED_PERIOD = "_published_period"
LEDGER_COLUMNS = ["entity", "product", "period", "landed", "in_table", "duplicate", "superseded", "moved", "pending", "rejected", "built"]


def table_contract(entity: Entity) -> TableContract:
    """What the catalogue says of an entity's table, in the words of the expectations."""
    needed = {*entity.key, entity.bucket_key, entity.publish_time}
    columns = [
        ColumnContract(name, SPARK_TYPES[column.value_type], column.required or name in needed, column.values, column.least, column.most)
        for name, column in entity.columns.items()
    ]
    product = ColumnContract("product", "string", required=True)
    landed_at = ColumnContract("landed_at", "timestamp", required=True)
    return TableContract((product, *columns, landed_at), ("product", *entity.key), (("period", PUBLISHED_PERIOD),))
