"""Building features day by day: partial sums, windowed features as of the beginning of days, and the features of impressions.

Partial sums are a function of one day's actions and of the attributes that stood when that day began. Days are built in any order; a day
whose actions were built again is stale, and building it again changes no other day's sums. Windows and impressions read the partial sums of
all days that their windows reach, and are stale when one of these was built again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Connection, Engine

from srp_assets.errors import Conflict, InvalidInput, nearest
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.attributes import UPDATED_AT
from srp_assets.features.building.files import PartialFiles, VersionFiles, Written
from srp_assets.features.building.plan_impressions import write_impressions
from srp_assets.features.building.plan_partials import DayOfEvents, build_partials
from srp_assets.features.building.plan_windows import write_windows
from srp_assets.features.declaration.model import AttributeSource
from srp_assets.features.registry import FeatureBuild, Table, current_builds, forget_builds, record_builds, retired_builds
from srp_assets.features.standing_words import WORD_LISTS, entity_of, word_versions
from srp_assets.logs.tables import BuiltDay, built_days
from srp_assets.progress import Progress
from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.warehouse.registry import landed_periods, landing_files, last_ingest, products
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EPOCH = date(1970, 1, 1)
LANDED_AT = "landed_at"

DAYS_AT_ONCE: Mapping[Table, int] = {"partials": 30, "windows": 5, "impressions": 30}
"""Days of one Spark job: what a build that breaks off loses. Windows of a day have a row for each pair of 60 days."""


@dataclass(frozen=True)
class Places:
    """Where features are built from and to.

    Args:
        features: the storage that is written to.
        logs: the storage that the built logs are relative to.
        warehouse: the storage of the entities that attributes are taken from.
        catalogue: that declares these entities.
        buckets: how many buckets files have.
    """

    features: Storage
    logs: Storage
    warehouse: Storage
    catalogue: Catalogue
    buckets: int


def identity_of(table: Table, layout: Layout, buckets: int) -> str:
    """The identity of builds: of partial sums what is summed, of all else every definition; and the number of buckets."""
    return f"{layout.digest if table == 'partials' else layout.definitions.digest}-{buckets}"


@dataclass(frozen=True)
class Inputs:
    """What a day is made from: the digest of the builds, the newest of them, and why it cannot be built, if it cannot."""

    reads: str
    newest: int
    problem: str | None = None


def inputs_of(connection: Connection, table: Table, layout: Layout, buckets: int) -> dict[str, Inputs]:
    """The days that can be built now, or could if what they read was, by day in order."""
    actions = built_days(connection, "actions")
    if table == "partials":
        return {day: Inputs(_digest([own.build_id]), own.build_id) for day, own in actions.items()}
    partials = current_builds(connection, "partials", identity_of("partials", layout, buckets))
    sums = inputs_of(connection, "partials", layout, buckets)
    fresh = {day: build.build_id for day, build in partials.items() if day in sums and build.reads == sums[day].reads}
    shown = built_days(connection, "impression_outcomes") if table == "impressions" else {}
    days = list(shown) if table == "impressions" else _days_and_the_next(list(actions))
    return {day: _joined_inputs(table, layout, day, list(actions), fresh, shown) for day in days}


def _joined_inputs(
    table: Table, layout: Layout, day: str, actions: Sequence[str], fresh: Mapping[str, int], shown: Mapping[str, BuiltDay]
) -> Inputs:
    first = days_before(day, layout.definitions.lookback_days)
    reached = [other for other in actions if first <= other and (other <= day if table == "impressions" else other < day)]
    missing = [other for other in reached if other not in fresh]
    ids = [fresh[other] for other in reached if other in fresh]
    own = [shown[day].build_id] if day in shown else []
    problem = f"the partial sums of {_some(missing)} are not built" if missing else None
    return Inputs(_digest([*own, 0, *ids]), max(ids, default=0), problem)


def _days_and_the_next(days: Sequence[str]) -> list[str]:
    """Days and those after them: the windows of a day are made of the days before it."""
    return sorted({other for day in days for other in (day, days_before(day, -1))})


def stale_days(connection: Connection, table: Table, layout: Layout, buckets: int) -> list[str]:
    """The days that could be built and are not, or were made from other builds than the current ones."""
    built = current_builds(connection, table, identity_of(table, layout, buckets))
    inputs = inputs_of(connection, table, layout, buckets)
    return [day for day, own in inputs.items() if own.problem is None and (day not in built or built[day].reads != own.reads)]


def bring_up_to_date(
    spark: "SparkSession",
    engine: Engine,
    places: Places,
    table: Table,
    layout: Layout,
    days: Iterable[str],
    *,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[FeatureBuild]:
    """Builds days and makes the builds current; returns those that are current for the days then.

    Args:
        spark: the session.
        engine: of the registry.
        places: where to read and write.
        table: what is built.
        layout: of the definitions.
        days: which, as 2024-03-09.
        only_changed: leaves out what is built from the current builds, and what cannot be built yet.
        run_id: recorded with the builds.
        progress: told what is being done.

    Raises:
        Conflict: if what a day reads is not built, or a build lost impressions.
        Unavailable: if Spark or the disk fails; the old builds stay current then.
    """
    wanted = sorted(set(days))
    with engine.connect() as connection:
        inputs = inputs_of(connection, table, layout, places.buckets)
        stale = set(stale_days(connection, table, layout, places.buckets))
        through = last_ingest(connection)
    if only_changed:
        # A sensor's range may run across days that cannot be built yet.
        wanted = [day for day in wanted if day in inputs and (day in stale or inputs[day].problem is None)]
    _refuse_missing(table, wanted, inputs)
    waiting = [day for day in wanted if not only_changed or day in stale]
    for start in range(0, len(waiting), DAYS_AT_ONCE[table]):
        span = waiting[start : start + DAYS_AT_ONCE[table]]
        if progress:
            progress(f"building {table} of {span[0]} to {span[-1]}", start, len(waiting))
        written = _written(spark, engine, places, table, layout, span, through)
        now = datetime.now(UTC)
        draft = FeatureBuild(0, table, identity_of(table, layout, places.buckets), "", "", 0, through, "", {}, 0, now, run_id)
        builds = [
            replace(
                draft,
                day=day,
                reads=inputs[day].reads,
                newest_read=inputs[day].newest,
                folder=folder,
                rows=_rows(files),
                bytes=sum(file.bytes for file in files),
            )
            for day, (folder, files) in written.items()
        ]
        with engine.begin() as connection:
            record_builds(connection, builds)
    with engine.connect() as connection:
        current = current_builds(connection, table, identity_of(table, layout, places.buckets))
    return [current[day] for day in wanted if day in current]


def _rows(files: Sequence[Written]) -> dict[str, int]:
    """Rows by family and table, over all files of it."""
    rows: dict[str, int] = {}
    for file in files:
        rows[f"{file.family}/{file.table}"] = rows.get(f"{file.family}/{file.table}", 0) + file.rows
    return rows


def _refuse_missing(table: Table, days: Sequence[str], inputs: Mapping[str, Inputs]) -> None:
    missing = [day for day in days if day not in inputs]
    if missing:
        raise Conflict(
            f"the logs of {_some(missing)} are not built", where=f"features/{table}", remedy="build the logs of these days first"
        )
    for day in days:
        problem = inputs[day].problem
        if problem:
            raise Conflict(problem, where=f"features/{table} of {day}", remedy="materialize features/partials of these days first")


def _written(
    spark: "SparkSession", engine: Engine, places: Places, table: Table, layout: Layout, days: Sequence[str], through: int
) -> dict[str, tuple[str, list[Written]]]:
    """Writes days below a folder of their own, which stays only if all of it is there; the folder and files of each day."""
    run = f"{table}/{uuid4().hex}"
    folders = {day: f"{run}/day={day}" for day in days}
    with engine.connect() as connection:
        versions = version_files(connection, places, layout, through)
        actions = built_days(connection, "actions", days[0], days[-1])
        shown = built_days(connection, "impression_outcomes", days[0], days[-1])
        last = days_before(days[-1], 1) if table == "windows" else days[-1]
        files = None if table == "partials" else partial_files(connection, places, layout, days[0], last)
    try:
        if files is None:
            events = [DayOfEvents(number_of(day), places.logs, actions[day].paths, folders[day]) for day in days]
            by_number = build_partials(spark, places.features, layout, events, versions, places.buckets)
        elif table == "windows":
            by_number = write_windows(spark, files, layout, [(number_of(day), folders[day]) for day in days], places.buckets)
        else:
            paths = [path for day in days for path in shown[day].paths]
            found = write_impressions(spark, places.logs, files, layout, paths, run, versions, places.buckets)
            by_number = {number_of(day): found.get(day, []) for day in days}
            _refuse_losses({day: shown[day].rows for day in days}, by_number)
    except BaseException:
        places.features.delete_tree(run)
        raise
    return {day: (folders[day], by_number[number_of(day)]) for day in days}


def _refuse_losses(impressions: Mapping[str, int], written: Mapping[int, Sequence[Written]]) -> None:
    """Every impression has features, once, or the build never becomes current."""
    for day, expected in impressions.items():
        found = sum(file.rows for file in written[number_of(day)])
        if found != expected:
            remedy = "build again; if it stays so, event_id is not unique among the impressions"
            raise Conflict(f"{found:,} of {expected:,} impressions have features", where=f"features/impressions of {day}", remedy=remedy)


def version_files(connection: Connection, places: Places, layout: Layout, through: int) -> dict[str, VersionFiles]:
    """The landed versions of the entities that attributes are taken from, and the standing word lists in texts of `<entity>_words`.

    A source that the catalogue has no entity for has none.

    Raises:
        InvalidInput: if such an entity has not a column that an attribute is declared to be.
    """
    found = {}
    for name, source in layout.definitions.attributes.items():
        if name in places.catalogue.entities:
            entity = places.catalogue.entities[name]
            _refuse_unknown_columns(name, source, entity)
            keys = [(name, product, period) for product in products(connection) for period in landed_periods(connection, name, product)]
            paths = tuple(path for files in landing_files(connection, keys, through).values() for path in files)
            order = (LANDED_AT, "row_hash")
            found[name] = VersionFiles(places.warehouse, paths, entity.updated_at or LANDED_AT, "moved_to", order)
            continue
        words_of = entity_of(name, places.catalogue.entities)
        if words_of is not None:
            _refuse_other_columns(name, source)
            entity = places.catalogue.entities[words_of]
            paths = word_versions(connection, places.warehouse, places.features, words_of, entity, source.key)
            found[name] = VersionFiles(places.features, paths, UPDATED_AT)
    return found


def _refuse_other_columns(name: str, source: AttributeSource) -> None:
    for attribute in source.columns.values():
        if attribute.column != WORD_LISTS:
            raise InvalidInput(f"{name!r} has no column {attribute.column!r}", where=f"attributes.{name}", remedy=f"valid: {WORD_LISTS}")


def _refuse_unknown_columns(name: str, source: AttributeSource, entity: Entity) -> None:
    for column in (source.key, *(attribute.column for attribute in source.columns.values())):
        if column not in entity.columns:
            remedy = nearest(column, entity.columns)
            raise InvalidInput(f"entity {name!r} has no column {column!r}", where=f"attributes.{name}", remedy=remedy)


def partial_files(connection: Connection, places: Places, layout: Layout, first_day: str, last_day: str) -> PartialFiles:
    """What the join of requests of some days reads: the partial sums of all days that their windows reach.

    Raises:
        Conflict: if a day's actions are built, but not its partial sums.
    """
    first = days_before(first_day, layout.definitions.lookback_days)
    stale = [day for day in stale_days(connection, "partials", layout, places.buckets) if first <= day <= last_day]
    if stale:
        remedy = "materialize features/partials of these days"
        raise Conflict(f"the partial sums of {_some(stale)} are not built", where="features/partials", remedy=remedy)
    builds = current_builds(connection, "partials", identity_of("partials", layout, places.buckets), first, last_day)
    return PartialFiles(places.features, layout.definitions, {number_of(day): build.folder for day, build in builds.items()})


def delete_old_builds(engine: Engine, storage: Storage, before: datetime) -> int:
    """Deletes builds that were replaced before a time; returns how many. Files go before their record, so a call may be repeated."""
    with engine.connect() as connection:
        retired = retired_builds(connection, before)
    for build in retired:
        storage.delete_tree(build.folder)
    with engine.begin() as connection:
        forget_builds(connection, [build.build_id for build in retired])
    return len(retired)


def number_of(day: str) -> int:
    """Days since 1970."""
    return (date.fromisoformat(day) - EPOCH).days


def days_before(day: str, days: int) -> str:
    """The date so many days before another one."""
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()


def _digest(content: Any) -> str:
    return sha256(json.dumps(content).encode()).hexdigest()


def _some(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{len(days)} days ({days[0]} to {days[-1]})"
