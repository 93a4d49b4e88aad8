"""What sensors that ask for builds have in common: spans of stale periods, what runs build already, what was asked for before."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import Connection

from resources.registry_database import RegistryResource
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.partitions import log_days
from srp_assets.warehouse.registry_builds import PeriodKey
from srp_assets.warehouse.reopening import Asked, PeriodSpan, due, spans

TICK_SECONDS = 30
"""How often such a sensor looks: a build takes about as long, and a tick costs one registry query."""

FIRST_TAG = "dagster/asset_partition_range_start"
LAST_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def sensor_of_days(
    name: str,
    *,
    job: str,
    keys: Sequence[dg.AssetKey],
    op: str,
    config: dg.Config,
    catalogue: LogCatalogue,
    stale: Callable[[Connection], tuple[Sequence[str], int | str]],
    description: str,
) -> dg.SensorDefinition:
    """The sensor that asks for days of the logs whose tables must be built again.

    Args:
        name: of the sensor.
        job: that builds the tables.
        keys: of the tables, which are built together.
        op: that builds them.
        config: of the op in the runs that are asked for.
        catalogue: of the logs, whose days these are.
        stale: finds the days, and the state that they follow from (`as_of` of `ask_for`).
        description: what is asked for, and when.
    """

    @dg.sensor(
        name=name,
        job_name=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext, registry: RegistryResource) -> dg.SensorResult:
        """Asks for one run for each range of days that must be built again, unless a run does so already."""
        with registry.engine.connect() as connection:
            days, as_of = stale(connection)
        return ask_for(
            context,
            [PeriodKey(job, catalogue.name, day) for day in days],
            log_days(catalogue).get_partition_keys(),
            job=job,
            assets=dict.fromkeys(keys, job),
            as_of=as_of,
            request=lambda span: span_request(span, keys, op, config),
        )

    return sensor


def ask_for(
    context: dg.SensorEvaluationContext,
    stale: Iterable[PeriodKey],
    periods: Sequence[str],
    *,
    job: str,
    assets: Mapping[dg.AssetKey, str],
    as_of: int | str,
    request: Callable[[PeriodSpan], dg.RunRequest],
) -> dg.SensorResult:
    """One run for each span of stale periods, unless a run builds them already or a build of the same state has just failed.

    Args:
        context: of the tick; its cursor is the memory.
        stale: what must be built.
        periods: those that can be built now, in order; others wait until they can.
        job: that builds all of `assets` where a run selects none.
        assets: the assets whose runs count as building, each with the name that `stale` calls its table by.
        as_of: the state that `stale` follows from; a run that failed is tried again later, or at once when this has changed.
        request: the run for a span.
    """
    wanted = spans(stale, periods)
    asked, memory = due(wanted, spans_of_runs(context.instance, job, assets), memory_of(context.cursor), as_of, datetime.now(UTC))
    reason = None if asked else (f"{len(wanted)} ranges are being built or wait" if wanted else "nothing is stale")
    return dg.SensorResult(run_requests=[request(span) for span in asked], skip_reason=reason, cursor=cursor_of(memory))


def span_request(span: PeriodSpan, keys: Sequence[dg.AssetKey], op: str, config: dg.Config) -> dg.RunRequest:
    """The run that brings assets up to date over a span."""
    return dg.RunRequest(
        asset_selection=list(keys), run_config=dg.RunConfig(ops={op: config}), tags={FIRST_TAG: span.first, LAST_TAG: span.last}
    )


def spans_of_runs(instance: dg.DagsterInstance, job: str, assets: Mapping[dg.AssetKey, str]) -> list[PeriodSpan]:
    """What unfinished runs build of some assets, whoever asked for them; each asset is of a table, and a run of `job` alone is of all."""
    found: list[PeriodSpan] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        selected: Iterable[dg.AssetKey] = run.asset_selection or (assets if run.job_name == job else ())
        first = run.tags.get(FIRST_TAG) or run.tags.get(PARTITION_TAG)
        last = run.tags.get(LAST_TAG) or run.tags.get(PARTITION_TAG)
        if first and last:
            found += [PeriodSpan(assets[key], first, last) for key in selected if key in assets]
    return found


def memory_of(cursor: str | None) -> dict[str, Asked]:
    """What a sensor has asked for before."""
    kept = json.loads(cursor or "{}")
    return {name: Asked(as_of, times, datetime.fromisoformat(again_at)) for name, (as_of, times, again_at) in kept.items()}


def cursor_of(memory: Mapping[str, Asked]) -> str:
    """The memory as a sensor keeps it."""
    return json.dumps({name: (asked.as_of, asked.times, asked.again_at.isoformat()) for name, asked in memory.items()})
