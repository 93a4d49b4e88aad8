"""The Dagster shell of the logs: the landed logs, the tables that are stitched from them day by day, their checks, and what they show.

What belongs here is wiring and metadata: `building.py` builds, `expectations/` says what must hold. The job, the sensor that asks for days
that late rows reopened, and the retention are in `jobs/logs.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from expectations.adapter import check_result
from expectations.contracts import ColumnContract, TableContract
from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.logs.catalogue import Log, LogCatalogue
from srp_assets.logs.durations import whole_days
from srp_assets.logs.landing import logs_storage
from srp_assets.logs.plan_tables import built_table, spark_type
from srp_assets.logs.quality import landed_contract
from srp_assets.logs.registry import landed_days
from srp_assets.logs.registry_builds import DayBuild, builds_of_run, current_builds, log_ledger
from srp_assets.logs.schema import LABEL_STATES, ROLE_COLUMNS, TABLES, Table, table_schema
from srp_assets.logs.stitching.building import bring_up_to_date
from srp_assets.logs.stitching.plan_stitching import read_log
from srp_assets.logs.tables import BuiltDay, landed_log_files
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.periods import UNKNOWN
from srp_assets.warehouse.plan_types import SPARK_TYPES

DOMAIN = "logs"
OWNERS = ["team:ranking"]
SPARK_POOL = "spark"

LANDED = "landed_as_declared"
"""Name of the check of a landed log. It warns or fails beside the builds: what is wrong with a source's rows is no reason not to stitch."""

DESCRIPTIONS: Mapping[Table, str] = {
    "impression_outcomes": "A row for each impression, with its request and what came of it: clicks and steps within their windows.",
    "actions": "A row for each impression, click and step, with the context of its request and its session; orphans are kept and named.",
    "sessions": "A row for each session of a user, in the day in which it starts.",
}

KEYS: Mapping[Table, tuple[str, ...]] = {
    "impression_outcomes": ("event_id",),
    "actions": ("kind", "event_id"),
    "sessions": ("session_id",),
}

REQUIRED: Mapping[Table, tuple[str, ...]] = {
    "impression_outcomes": (
        "event_id",
        "event_time",
        "arrival_time",
        "trace_id",
        "item_id",
        "position",
        "explored",
        "clicked",
        "label_state",
    ),
    "actions": ("event_id", "event_time", "arrival_time", "event_day", "arrival_day", "kind", "item_id"),
    "sessions": ("user_id", "session_id", "start", "end", "events"),
}


class LogsBuildConfig(StrictConfig):
    """What a build of some days is limited to."""

    only_changed: bool = Field(False, description="leave out days that are built and that nothing has reopened")


def log_table_key(table: str) -> dg.AssetKey:
    """The asset of a built table, or of a landed log."""
    return dg.AssetKey([DOMAIN, table])


def logs_assets(settings: Settings, catalogue: LogCatalogue, *, progress: Progress | None = None) -> list[Any]:
    """The landed logs and the tables built from them; `progress` is told how far a build is, where somebody watches."""
    return [*_landed_logs(catalogue), _tables(settings, catalogue, progress)]


def _landed_logs(catalogue: LogCatalogue) -> list[dg.AssetSpec]:
    """The logs as they land: `srp logs ingest` brings them, so Dagster shows them and builds nothing."""
    return [
        dg.AssetSpec(
            log_table_key(name),
            description=log.description,
            group_name=DOMAIN,
            kinds={"parquet"},
            owners=OWNERS,
            partitions_def=log_days(catalogue),
            metadata={"dagster/column_schema": _log_schema(log)},
        )
        for name, log in catalogue.logs.items()
    ]


def _log_schema(log: Log) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                SPARK_TYPES[column.value_type],
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for name, column in log.columns.items()
        ]
    )


def _tables(settings: Settings, catalogue: LogCatalogue, progress: Progress | None) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="stitched_logs",
        specs=[_table_spec(catalogue, table) for table in TABLES],
        partitions_def=log_days(catalogue),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=SPARK_POOL,
    )
    def tables(
        context: dg.AssetExecutionContext, config: LogsBuildConfig, registry: RegistryResource, spark: SparkResource
    ) -> Iterator[dg.MaterializeResult]:
        """Builds the tables of some days together; one transaction makes them current."""
        days = list(context.partition_keys)
        storage = logs_storage(settings.warehouse_location)
        bring_up_to_date(
            spark.session(),
            registry.engine,
            storage,
            catalogue,
            days,
            only_changed=config.only_changed,
            run_id=context.run.run_id,
            progress=progress,
        )
        with registry.engine.connect() as connection:
            builds = current_builds(connection, min(days), max(days))
        for table in TABLES:
            for day in days:
                metadata = day_metadata(table, builds.get(day))
                context.add_asset_metadata(metadata, asset_key=log_table_key(table), partition_key=day)
            yield dg.MaterializeResult(asset_key=log_table_key(table))

    return tables


def _table_spec(catalogue: LogCatalogue, table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        log_table_key(table),
        deps=[
            dg.AssetDep(log_table_key(name), partition_mapping=_days_around(catalogue))
            for name, log in catalogue.logs.items()
            if log.role != "served_features"
        ],
        description=DESCRIPTIONS[table],
        group_name=DOMAIN,
        kinds={"spark", "parquet"},
        owners=OWNERS,
        metadata={"dagster/column_schema": _column_schema(catalogue, table), "dagster/table_name": f"{DOMAIN}.{table}"},
    )


def _days_around(catalogue: LogCatalogue) -> dg.TimeWindowPartitionMapping:
    """The days of the logs that decide about a day, sessions of more than a day left out: those of the windows before it and after it."""
    click = catalogue.of_role("click")
    before = 1 + catalogue.label_days + catalogue.request_days + (whole_days(click.window) if click else 0)
    return dg.TimeWindowPartitionMapping(
        start_offset=-before, end_offset=max(1, catalogue.label_days), allow_nonexistent_upstream_partitions=True
    )


def day_metadata(table: Table, build: DayBuild | None) -> dict[str, Any]:
    """What Dagster shows of a table's day."""
    if build is None:
        return {"dagster/partition_row_count": 0}
    shown: dict[str, Any] = {
        "dagster/partition_row_count": build.rows(table),
        "files": len(build.of_table(table)),
        "bytes": sum(file.bytes for file in build.of_table(table)),
        "label_state": build.state,
        "through_ingest": build.through_ingest,
    }
    return shown | (asdict(build.counts) if table == "actions" else {})


def _column_schema(catalogue: LogCatalogue, table: Table) -> dg.TableSchema:
    known = {name: column for columns in ROLE_COLUMNS.values() for name, column in columns.items()} | catalogue.context_columns
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name,
                spark_type(field.type),
                description=known[field.name].description if field.name in known else None,
                constraints=dg.TableColumnConstraints(nullable=field.name not in REQUIRED[table], unique=KEYS[table] == (field.name,)),
            )
            for field in table_schema(catalogue, table)
        ]
    )


def logs_checks(settings: Settings, catalogue: LogCatalogue) -> list[dg.AssetChecksDefinition]:
    """Every landed row is accounted for, the rows of each table are as declared, and so are those of each log."""
    tables = [_schema_check(settings, catalogue, table) for table in TABLES]
    return [_ledger_check(catalogue), *tables, *(_landed_check(settings, catalogue, log) for log in catalogue.logs.values())]


def landed_checks(catalogue: LogCatalogue) -> dg.AssetSelection:
    """The checks of the logs as they landed."""
    return dg.AssetSelection.checks(*[dg.AssetCheckKey(log_table_key(name), LANDED) for name in catalogue.logs])


def _landed_check(settings: Settings, catalogue: LogCatalogue, log: Log) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=log_table_key(log.name), name=LANDED, pool=SPARK_POOL)
    def check(registry: RegistryResource, spark: SparkResource) -> dg.AssetCheckResult:
        """The newest day that landed is as declared: types, nulls, values, ranges, each event once, and not stopped too early."""
        from expectations.validation import validate  # Great Expectations: 3 to 5 s that only a check should cost
        from expectations.warehouse import table_expectations

        with registry.engine.connect() as connection:
            days = [landed.day for landed in landed_days(connection, log=log.name) if landed.day != UNKNOWN and landed.rows]
            files = landed_log_files(connection, log.name, max(days), max(days)) if days else {}
        if not days:
            return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"reason": "nothing has landed"})
        rows = read_log(spark.session(), logs_storage(settings.warehouse_location), log, files.values())
        contract = landed_contract(log, max(days), datetime.now(UTC))
        return check_result(validate(rows, table_expectations(contract), "spark"), {"day": max(days)})

    return check


def _ledger_check(catalogue: LogCatalogue) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=log_table_key("actions"), name="ledger", blocking=True)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every landed row is accounted for: landed = in the table + duplicate + rejected.

        Of every day that the run built, or of all, if it built none.
        """
        import pandas as pd

        from expectations.ledger import ExpectLedgerToBalance
        from expectations.validation import validate  # Great Expectations: 3 to 5 s that only a check should cost

        with registry.engine.connect() as connection:
            rows = log_ledger(connection, catalogue, run_id=context.run.run_id) or log_ledger(connection, catalogue)
        parts = ["in_table", "duplicate", "rejected"]
        frame = pd.DataFrame([asdict(row) for row in rows], columns=["log", "day", "landed", *parts, "built"])
        return check_result(validate(frame, [ExpectLedgerToBalance(whole="landed", parts=parts)], "pandas"), {"days": len(rows)})

    return check


def _schema_check(settings: Settings, catalogue: LogCatalogue, table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=log_table_key(table), name="schema", blocking=True, pool=SPARK_POOL)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource, spark: SparkResource) -> dg.AssetCheckResult:
        """Types, nulls and allowed values are as declared, and no key is there twice.

        Of every row that the run built, or of all, if it built none.
        """
        from expectations.validation import validate  # Great Expectations: 3 to 5 s that only a check should cost
        from expectations.warehouse import table_expectations

        with registry.engine.connect() as connection:
            builds = builds_of_run(connection, context.run.run_id) or current_builds(connection)
        storage = logs_storage(settings.warehouse_location)
        frame = built_table(spark.session(), storage, catalogue, table, _built(table, builds.values()))
        return check_result(validate(frame, table_expectations(table_contract(catalogue, table)), "spark"), {"days": len(builds)})

    return check


def _built(table: Table, builds: Iterable[DayBuild]) -> Iterator[BuiltDay]:
    for build in builds:
        paths = tuple(file.path for file in build.of_table(table))
        yield BuiltDay(build.day, paths, build.rows(table), build.state, build.build_id, build.through_ingest)


def table_contract(catalogue: LogCatalogue, table: Table) -> TableContract:
    """What is promised of a table, in the words of the expectations; ranges are those of the logs' columns."""
    values = {"label_state": LABEL_STATES, "kind": catalogue.action_kinds}
    declared = {name: column for log in catalogue.logs.values() for name, column in log.columns.items()}
    columns = []
    for field in table_schema(catalogue, table):
        name, known = field.name, declared.get(field.name)
        bounds = (known.least, known.most) if known is not None else (None, None)
        columns.append(ColumnContract(name, spark_type(field.type), name in REQUIRED[table], tuple(values.get(name, ())), *bounds))
    return TableContract(tuple(columns), KEYS[table])
