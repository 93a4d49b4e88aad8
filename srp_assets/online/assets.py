"""The Dagster shell of the online store: its load for a day, and the check that requests can be answered from it.

What belongs here is wiring and metadata: `consuming/rebuilding.py` loads. The job, the schedule and the sensor are in `jobs/online.py`.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from resources.redis import RedisResource
from resources.registry_database import RegistryResource
from resources.strict import StrictConfig
from srp_assets.errors import SrpError
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.assets import feature_key, places_of
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.times import MICROSECONDS_OF_DAY, microseconds
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.online.consuming.rebuilding import rebuild
from srp_assets.online.records.layout import RecordLayout, record_layout
from srp_assets.online.registry import Load, newest_load
from srp_assets.online.store import Store
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue

DOMAIN = "online"
OWNERS = ["team:ranking"]
STATE = dg.AssetKey([DOMAIN, "state"])


class OnlineLoadConfig(StrictConfig):
    """How a day is loaded."""

    back: bool = Field(False, description="load the day although the store is at a later one: requests are answered as of that day then")


def online_assets(
    settings: Settings, catalogue: Catalogue, logs: LogCatalogue, declared: Path, *, progress: Progress | None = None
) -> list[dg.AssetsDefinition]:
    """The store, a load a day, from a file of declarations."""
    definitions = load_definitions(declared)
    places, layout = places_of(settings, catalogue), record_layout(layout_of(definitions))
    before = dg.TimeWindowPartitionMapping(
        start_offset=-definitions.lookback_days, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )
    reached = dg.TimeWindowPartitionMapping(
        start_offset=-definitions.lookback_days, end_offset=0, allow_nonexistent_upstream_partitions=True
    )

    @dg.asset(
        key=STATE,
        deps=[
            dg.AssetDep(feature_key("partials"), partition_mapping=before),
            dg.AssetDep(dg.AssetKey(["logs", "actions"]), partition_mapping=reached),
        ],
        partitions_def=log_days(logs),
        group_name=DOMAIN,
        kinds={"redis"},
        owners=OWNERS,
        metadata={"records": layout.digest, "definitions": definitions.digest},
        description="What requests are answered from: the store as the day began, and what became known since. The last load counts.",
    )
    def state(
        context: dg.AssetExecutionContext, config: OnlineLoadConfig, registry: RegistryResource, redis: RedisResource
    ) -> dg.MaterializeResult:
        day = context.partition_key
        with registry.engine.connect() as connection:
            newest = newest_load(connection)
        if newest is not None and newest.day > day and not config.back:
            raise dg.Failure(f"the store is at {newest.day} already: load that day, or ask for back=True", allow_retries=False)
        load = _load(registry, redis, layout, places, day, context.run.run_id, progress)
        return dg.MaterializeResult(metadata=load_metadata(load))

    return [state]


def _load(
    registry: RegistryResource,
    redis: RedisResource,
    layout: RecordLayout,
    places: Places,
    day: str,
    run_id: str,
    progress: Progress | None,
) -> Load:
    end = (date.fromisoformat(day) - date(1970, 1, 1)).days + 1
    until = min(end * MICROSECONDS_OF_DAY, microseconds(datetime.now(UTC)))
    with redis.client() as client:
        return rebuild(registry.engine, Store(client), layout, places, day, until, run_id=run_id, progress=progress)


def load_metadata(load: Load) -> dict[str, Any]:
    """What Dagster shows of a load."""
    return {
        "dagster/partition_row_count": load.keys,
        "generation": load.generation,
        "portraits": load.portraits,
        "events_before": load.events,
        "events_of_the_day": load.replayed,
        "attributes_ingest": load.attributes_ingest,
    }


def online_checks(declared: Path) -> list[dg.AssetChecksDefinition]:
    """The blocking check of the store; it says why, whatever is the matter."""
    layout = record_layout(layout_of(load_definitions(declared)))

    @dg.asset_check(asset=STATE, name="can_answer", blocking=True)
    def can_answer(registry: RegistryResource, redis: RedisResource) -> dg.AssetCheckResult:
        """The store holds what was loaded last, of the definitions that are declared now, and was read at least to that day's beginning."""
        with registry.engine.connect() as connection:
            load = newest_load(connection)
        try:
            problems, shown = _problems(redis, layout, load)
        except SrpError as error:
            problems, shown = [str(error)], {}
        return dg.AssetCheckResult(passed=not problems, metadata={"problems": problems, **shown})

    return [can_answer]


def _problems(redis: RedisResource, layout: RecordLayout, load: Load | None) -> tuple[list[str], dict[str, Any]]:
    if load is None:
        return ["nothing was loaded"], {}
    with redis.client() as client:
        store = Store(client)
        pointer = store.pointer()
        if pointer is None:
            return ["the store is empty"], {}
        position = store.position(pointer)
    problems = []
    if pointer.generation != load.generation:
        problems.append(f"requests are answered from {pointer.generation}, not from what was loaded last ({load.generation})")
    if difference := layout.difference(pointer.records):
        problems.append(f"the store holds {difference}")
    if position.consumed_to < microseconds(datetime.fromisoformat(load.day).replace(tzinfo=UTC)):
        problems.append("the stream was not read to the beginning of the day")
    shown = {"day": load.day, "events": position.events, "duplicates": position.duplicates, "late": position.late}
    return problems, shown
