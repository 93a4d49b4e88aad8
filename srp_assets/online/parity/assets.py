"""The Dagster shell of parity: a record for each day of whether what was served is what is computed again, with its checks.

What belongs here is wiring and metadata: `checking.py` compares, `expectations/parity.py` judges, `jobs/parity.py` says when and tells who.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import Engine

from resources.registry_database import RegistryResource
from resources.spark import SparkResource
from resources.strict import StrictConfig
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import feature_key, places_of
from srp_assets.features.declaration.definitions import resolve
from srp_assets.features.declaration.loading import load_document
from srp_assets.features.declaration.model import Drift
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.online.parity.checking import SAMPLED_ROWS, ParityPlaces, check_day
from srp_assets.online.parity.comparing import differing_rows
from srp_assets.online.parity.drift import READ, FeatureDrift, drift_of
from srp_assets.online.parity.inputs import stale_days
from srp_assets.online.parity.registry import ParityRecord, newest_records, record_parity, records_of_run
from srp_assets.online.parity.samples import days_before_day, read_samples
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

DOMAIN = "online"
PARITY = dg.AssetKey([DOMAIN, "feature_parity"])
OWNERS = ["team:ranking"]
SPARK_POOL = "spark"

AGREES = "agrees"
"""Name of the blocking check: every feature was proved to be served as it is computed, from what counts now."""

SHOWN_FEATURES, SHOWN_ROWS = 10, 3
"""Failed features, and differing rows of each, that metadata shows."""


class ParityConfig(StrictConfig):
    """How some days are checked."""

    sample: int = Field(SAMPLED_ROWS, ge=1, description="about how many served rows of a day are compared")
    only_changed: bool = Field(False, description="leave out days that were checked since something was served or asked for on them")


def parity_places(settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path) -> tuple[ParityPlaces, Drift]:
    """Where parity reads and writes in a home, and what it declares about drift."""
    document = load_document(declared)
    places = ParityPlaces(
        places_of(settings, catalogue), logs, layout_of(resolve(document)), document.parity, Storage(settings.warehouse_location)
    )
    return places, document.drift


def documents_folder(settings: Settings) -> Path:
    """Where Great Expectations keeps the contexts and Data Docs of checks, a folder for each day."""
    return settings.home_folder / "gx" / "feature_parity"


def parity_assets(settings: Settings, places: ParityPlaces, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The asset of a home whose logs have what was served; `progress` is told how far a check is, where somebody watches."""
    served = [log.name for log in places.catalogue.logs.values() if log.role == "served_features"]
    reached = dg.TimeWindowPartitionMapping(
        start_offset=-places.layout.definitions.lookback_days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )

    @dg.asset(
        key=PARITY,
        deps=[
            *(dg.AssetDep(dg.AssetKey(["logs", name])) for name in served),
            dg.AssetDep(feature_key("partials"), partition_mapping=reached),
        ],
        partitions_def=log_days(places.catalogue),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"spark", "greatexpectations"},
        owners=OWNERS,
        pool=SPARK_POOL,
        description="Whether every feature served on a day is what is computed again for the same requests: a record that says why not.",
    )
    def feature_parity(
        context: dg.AssetExecutionContext, config: ParityConfig, registry: RegistryResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        from expectations.parity import judge  # Great Expectations: 3 to 5 s that only a check should cost

        for day in _days(context.partition_keys, registry.engine, places, only_changed=config.only_changed):
            judged = partial(judge, folder=documents_folder(settings) / day, run=day)
            record = check_day(
                spark.session(), registry.engine, places, day, judged, sample=config.sample, run_id=context.run.run_id, progress=progress
            )
            with registry.engine.begin() as connection:
                record_parity(connection, record)
            context.add_asset_metadata(record_metadata(places, record), partition_key=day)
        return dg.MaterializeResult()

    return [feature_parity]


def _days(days: Sequence[str], engine: Engine, places: ParityPlaces, *, only_changed: bool) -> list[str]:
    if not only_changed:
        return list(days)
    with engine.connect() as connection:
        stale = stale_days(connection, places.features, places.catalogue, places.layout)
    return [day for day in days if day in stale]


def record_metadata(places: ParityPlaces, record: ParityRecord) -> dict[str, Any]:
    """What Dagster shows of a day."""
    from srp_assets.online.parity.charts import parity_charts  # altair: most of a second that only a check should cost

    failed = [record.features[name] for name in record.failed]
    lines = [
        f"| {own.feature} | {own.rows:,} | {own.mismatch_rate:.2%} | {'; '.join(own.reasons.values())} |" for own in failed[:SHOWN_FEATURES]
    ]
    shown: dict[str, Any] = {
        "passed": record.passed,
        "reasons": list(record.reasons),
        "dagster/partition_row_count": record.sampled,
        "served": record.served,
        "unmatched": record.unmatched,
        "features": len(record.features),
        "failed": len(failed),
        "failures": dg.MetadataValue.md("\n".join(["| feature | rows | differ | why |", "|---|---|---|---|", *lines])),
        "data": record.data,
    }
    if record.features:
        shown |= {title: dg.MetadataValue.md(drawn) for title, drawn in parity_charts(record).items()}
    if record.page is not None:
        shown["Data Docs"] = dg.MetadataValue.path(record.page)
    if record.pairs is not None and failed:
        names = [own.feature for own in failed[:SHOWN_FEATURES]]
        rows = differing_rows(read_samples(places.storage, [record]), names, SHOWN_ROWS)
        shown["differing rows"] = dg.MetadataValue.json(rows)
    return shown


def parity_checks(places: ParityPlaces, drift: Drift) -> list[dg.AssetChecksDefinition]:
    """The blocking check of the records, and those that warn of drift; each always gives a result."""
    warned = {
        "steady_from_day_before": ("Served values are distributed as on the day before.", 1),
        "steady_from_training_days": ("Served values are distributed as on the days from which models are trained.", drift.days),
    }
    return [_agreement(places), *(_steady(places, drift, name, text, days) for name, (text, days) in warned.items())]


def _agreement(places: ParityPlaces) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=PARITY, name=AGREES, blocking=True)
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every feature was served as it is computed, on each day that the run checked, or on the newest one, if it checked none.

        It fails, too, where nothing was checked, and where more was served or asked for since.
        """
        with registry.engine.connect() as connection:
            records = _of_run_or_newest(connection, context.run.run_id)
            stale = sorted(set(stale_days(connection, places.features, places.catalogue, places.layout)) & set(records))
        wrong = {day: _wrong(record) for day, record in records.items() if not record.passed}
        return dg.AssetCheckResult(
            passed=bool(records) and not wrong and not stale,
            metadata={"days": len(records), "failed": dg.MetadataValue.json(wrong), "checked_before_more_was_served": stale},
        )

    return check


def _of_run_or_newest(connection: Any, run_id: str) -> dict[str, ParityRecord]:
    newest = newest_records(connection)
    return records_of_run(connection, run_id) or {day: newest[day] for day in sorted(newest)[-1:]}


def _wrong(record: ParityRecord) -> dict[str, Any]:
    """Why a record says no: what is wrong with its rows, and with features."""
    return {"reasons": list(record.reasons), "features": {name: dict(record.features[name].reasons) for name in record.failed}}


def _steady(places: ParityPlaces, rules: Drift, name: str, text: str, days: int) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=PARITY, name=name, blocking=False, description=f"{text} It warns; the first day has nothing to be compared with.")
    def check(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        with registry.engine.connect() as connection:
            records = _of_run_or_newest(connection, context.run.run_id)
            known = newest_records(connection)
        drifts = {day: _drifts(places, rules, known, day, days) for day in records}
        moved = {day: {drift.feature: _figures(drift) for drift in found if drift.drifted} for day, found in drifts.items()}
        return dg.AssetCheckResult(
            passed=not any(moved.values()),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"moved": dg.MetadataValue.json({day: found for day, found in moved.items() if found}), **_drift_charts(drifts)},
        )

    return check


def _drifts(places: ParityPlaces, rules: Drift, known: Mapping[str, ParityRecord], day: str, days: int) -> list[FeatureDrift]:
    before = days_before_day(known, day, days)
    if not before or known[day].pairs is None:
        return []
    expected, found = (read_samples(places.storage, records, READ) for records in (before, [known[day]]))
    return drift_of(expected, found, rules)


def _figures(drift: FeatureDrift) -> dict[str, float]:
    return {"index": round(drift.index, 4), "nulls": round(drift.nulls, 4)}


def _drift_charts(drifts: Mapping[str, Sequence[FeatureDrift]]) -> dict[str, Any]:
    """A chart of the newest day that was compared with something."""
    from srp_assets.online.parity.charts import drift_chart  # altair: most of a second that only a check should cost

    compared = [day for day, found in sorted(drifts.items()) if found]
    return {f"index of {day}": dg.MetadataValue.md(drift_chart(drifts[day])) for day in compared[-1:]}
