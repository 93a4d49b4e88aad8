"""The Dagster shell of differences: a record for each day of why what was served is not what is computed again, with its check.

What belongs here is wiring and metadata: `checking.py` compares. The report is written beside the stages.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from resources.registry_database import RegistryResource
from resources.strict import StrictConfig
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.sequences.differences.registry import DifferenceRecord, newest_differences, record_difference
from srp_assets.sequences.places import SequencePlaces
from srp_assets.warehouse.storage import Storage

DOMAIN = "sequences"
STAGES = dg.AssetKey([DOMAIN, "stages"])
DIFFERENCES = dg.AssetKey([DOMAIN, "differences"])
OWNERS = ["team:ranking"]
POOL = "training"
"""A comparison takes a core and some memory, as trainings do."""

EXPLAINED = 2_000
DAYS_SHOWN = 30


class DifferencesConfig(StrictConfig):
    """How some days are compared."""

    explained: int = Field(EXPLAINED, ge=0, description="on how many differing traces of a day hypotheses are tried")
    only_changed: bool = Field(False, description="leave out days that were compared as they are, and days on which nothing was served")


def difference_assets(places: SequencePlaces, parity: Storage, *, progress: Progress | None = None) -> list[dg.AssetsDefinition]:
    """The record of each day.

    Args:
        places: where sequences are.
        parity: the storage of the samples of parity, whose scalar features are explained beside the sequences.
        progress: told how far a comparison is, where somebody watches.
    """

    @dg.asset(
        key=DIFFERENCES,
        deps=[STAGES],
        partitions_def=log_days(places.logs),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=DOMAIN,
        kinds={"python"},
        owners=OWNERS,
        pool=POOL,
        description="Where the served sequences of a day are not those that are computed again, and why: by cause, with whom to ask.",
    )
    def differences(context: dg.AssetExecutionContext, config: DifferencesConfig, registry: RegistryResource) -> dg.MaterializeResult:
        from srp_assets.sequences.differences.checking import compare_day, days_to_compare  # numba and pyarrow.compute: a second

        with registry.engine.connect() as connection:
            known, wanted = newest_differences(connection), days_to_compare(connection, places)
        for day in context.partition_keys:
            if config.only_changed and (day not in wanted or (day in known and known[day].reads == wanted[day])):
                continue
            record = compare_day(
                registry.engine, places, day, most=config.explained, parity=parity, run_id=context.run.run_id, progress=progress
            )
            with registry.engine.begin() as connection:
                record_difference(connection, record)
                records = [own for other, own in newest_differences(connection).items() if other <= day][-DAYS_SHOWN:]
            context.add_asset_metadata(record_metadata(places.sequences, records), partition_key=day)
        return dg.MaterializeResult()

    return [differences]


def record_metadata(storage: Storage, records: list[DifferenceRecord]) -> dict[str, Any]:
    """What Dagster shows of the newest of some days; its page is written as well."""
    from srp_assets.sequences.differences.report.charts import pictures_of  # altair: most of a second that only a comparison should cost
    from srp_assets.sequences.differences.report.keeping import keep_page
    from srp_assets.sequences.differences.report.page import difference_html

    record = records[-1]
    page = keep_page(storage, record.day, difference_html(records))
    shown: dict[str, Any] = {"passed": record.passed, "reasons": list(record.reasons), "report": dg.MetadataValue.text(page)}
    figures = record.figures
    if figures is None:
        return shown
    lines = [f"| {own.cause} | {own.traces:,} | {own.rate:.2%} | {own.overlap:.1%} |" for own in figures.causes]
    shown |= {
        "dagster/partition_row_count": figures.traces,
        "differing": figures.differing,
        "explained": figures.share_explained,
        "unexplained": figures.unexplained,
        "causes": dg.MetadataValue.md("\n".join(["| cause | traces | rate | overlap |", "|---|---|---|---|", *lines])),
        "problems": dg.MetadataValue.json({name: list(found) for name, found in record.problems.items()}),
    }
    days = [own.figures for own in records if own.figures is not None]
    return shown | {picture.title: dg.MetadataValue.md(picture.markdown) for picture in pictures_of(days)}


def difference_checks(places: SequencePlaces) -> list[dg.AssetChecksDefinition]:
    """The blocking check of the records."""

    @dg.asset_check(asset=DIFFERENCES, name="within_limits", blocking=True)
    def within_limits(registry: RegistryResource) -> dg.AssetCheckResult:
        """On the newest day on which something was served, every sequence is within the limits of every cause, and nothing leaked."""
        from srp_assets.sequences.differences.checking import days_to_compare  # numba and pyarrow.compute: a second

        with registry.engine.connect() as connection:
            wanted, records = days_to_compare(connection, places), newest_differences(connection)
        day = max(wanted, default=None)
        record = records.get(day) if day is not None else None
        stale = day is not None and record is not None and record.reads != wanted[day]
        problems = {} if record is None else {name: list(found) for name, found in record.problems.items() if found}
        return dg.AssetCheckResult(
            passed=record is not None and record.passed and not stale,
            metadata={"day": day or "nothing was served", "problems": dg.MetadataValue.json(problems), "compared_before_it_changed": stale},
        )

    return [within_limits]
