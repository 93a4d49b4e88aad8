"""Near-real-time tasks: what they may ask, and builds of their own from what landed and is not built yet.

A task in real time does not wait. A period that it reads and that got rows since it was built is built by the attempt for itself, by the
same functions as a real build, into its own folder: no other reader sees it, and its cells say that they were read from landing. So the
answer is the one that the real build would give.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Engine

from srp_assets.errors import InvalidInput
from srp_assets.progress import Progress
from srp_assets.recall.pins import Pins
from srp_assets.recall.registry import Task
from srp_assets.strategy.resolved import ResolvedStrategy
from srp_assets.warehouse.building import unrecorded_builds
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry_builds import PeriodKey, stale_periods
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REALTIME_FOLDER = "realtime"
"""Folder of an attempt that holds its own builds."""


def require_basic_features(strategy: ResolvedStrategy) -> None:
    """Refuses a strategy that asks for what only a build works out.

    Raises:
        InvalidInput: if it does; the message names the features.
    """
    if strategy.derived:
        raise InvalidInput(
            f"strategy {strategy.id!r} asks for {', '.join(strategy.derived)}, which is worked out when a period is built",
            where="--realtime",
            remedy="submit it without --realtime, or ask for the word lists by `match: matches`",
        )


class Unbuilt(NamedTuple):
    """Periods whose current build, if there is one, does not cover all that landed by the ingest `through`."""

    periods: tuple[PeriodKey, ...]
    through: int


def unbuilt_rows(connection: Connection, tasks: Iterable[Task]) -> Unbuilt:
    """What tasks read that is not built, as of the connection's instant."""
    through = last_ingest(connection)
    found: set[PeriodKey] = set()
    for needed in {needed for task in tasks for needed in task.needs}:
        found.update(
            stale_periods(
                connection, entity=needed.entity, products=[needed.product], first=needed.first, last=needed.last, through=through
            )
        )
    return Unbuilt(tuple(sorted(found)), through)


def with_unbuilt(
    session: Callable[[], "SparkSession"],
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    pins: Pins,
    unbuilt: Unbuilt,
    folder: str,
    *,
    progress: Progress | None = None,
) -> Pins:
    """The pins of a scan with periods that are read from landing in the place of their outdated builds.

    Args:
        session: called when Spark is needed.
        engine: of the registry.
        storage: of the warehouse.
        catalogue: of the home.
        pins: what is built.
        unbuilt: what is not, as of the same instant: then no row that moved from one period to another is in both or in none.
        folder: where the attempt's own builds go, relative to the warehouse.
        progress: told what is being done.
    """
    builds = dict(pins.builds)
    for entity in builds:
        keys = [key for key in unbuilt.periods if key.entity == entity]
        if keys:
            if progress:
                progress(f"reading {len(keys):,} periods of {entity} from landing", 0, 0)
            own = unrecorded_builds(session(), engine, storage, catalogue, entity, keys, f"{folder}/{entity}", through=unbuilt.through)
            kept = [build for build in builds[entity] if build.key not in keys]
            builds[entity] = sorted([*kept, *own], key=lambda build: (build.product, build.period))
    return Pins(builds, pins.hits)
