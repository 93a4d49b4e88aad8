"""Building periods: which task reads which landing files, one Spark job for each entity, and the record that makes the result current.

A build is a folder of its own below `builds/`; nothing names it until all of it is written, so one that is interrupted leaves the old build
as it was. `retention.py` deletes what nothing names.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Connection, Engine

from srp_assets.errors import Conflict, InvalidInput, nearest
from srp_assets.progress import Progress
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.plan_build import LandingPart, Manifest, collect_manifest, newest_versions, read_landing, write_files
from srp_assets.warehouse.registry import bind_catalogue, landing_files, last_ingest
from srp_assets.warehouse.registry import products as landed_products
from srp_assets.warehouse.registry_builds import (
    Build,
    BuildFile,
    PeriodKey,
    current_builds,
    record_builds,
    stale_periods,
    stored_rows,
)
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUILDS_FOLDER = "builds"

TASK_BYTES = 32 << 20
"""Compressed landing that one task reads: a few seconds of work, and a few hundred megabytes of rows."""

SMALLEST_SPLIT = 8
"""Tasks that a build's reading is split into at least, if it has as many files: enough for the cores of a laptop."""


ENTITIES_AT_ONCE = 2
"""Entities that are built side by side: planning one overlaps with the work of the other."""


def build_periods(
    spark: "SparkSession",
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    keys: Iterable[PeriodKey],
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[Build]:
    """Builds periods from all that has landed for them until now and makes the builds current; one Spark job for each entity.

    A period without rows gets a build too: then a scan knows that there is nothing.

    Raises:
        InvalidInput: if the catalogue has no such entity.
        Conflict: if the home is bound to another catalogue, or a build lost rows.
        Unavailable: if Spark or the disk fails; the old builds stay current then.
    """
    by_entity: dict[str, list[PeriodKey]] = defaultdict(list)
    for key in sorted(set(keys)):
        if key.entity not in catalogue.entities:
            raise InvalidInput(f"unknown entity {key.entity!r}", remedy=nearest(key.entity, catalogue.entities))
        by_entity[key.entity].append(key)
    with engine.begin() as connection:
        bind_catalogue(connection, catalogue)
    built: list[Build] = []
    with ThreadPoolExecutor(ENTITIES_AT_ONCE) as pool:
        running = {
            pool.submit(_build_entity, spark, engine, storage, catalogue, entity, entity_keys, run_id): entity
            for entity, entity_keys in by_entity.items()
        }
        if progress:
            progress(f"building {sum(map(len, by_entity.values())):,} periods of {', '.join(by_entity)}", 0, len(by_entity))
        for number, done in enumerate(as_completed(running), 1):
            built += done.result()
            if progress:
                progress(f"built {running[done]}", number, len(by_entity))
    return sorted(built, key=lambda build: build.key)


def bring_up_to_date(
    spark: "SparkSession",
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    entity: str,
    periods: Iterable[str],
    *,
    products: Sequence[str] | None = None,
    only_changed: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> list[Build]:
    """Builds periods of an entity for all products, or for some; returns the builds that are current for them then.

    Args:
        spark: the session.
        engine: of the registry.
        storage: of the warehouse.
        catalogue: that declares the entity.
        entity: its name.
        periods: which.
        products: limits the build; all that landed if None.
        only_changed: leaves out what is built and got no row since.
        run_id: recorded with the builds.
        progress: told what is being done.
    """
    with engine.connect() as connection:
        wanted = keys_to_build(connection, catalogue, entity, periods, products)
        if only_changed:
            built = {build.key for build in current_builds(connection, entity=entity)} - set(stale_periods(connection, entity=entity))
        else:
            built = set()
    build_periods(spark, engine, storage, catalogue, [key for key in wanted if key not in built], run_id, progress)
    with engine.connect() as connection:
        current = {build.key: build for build in current_builds(connection, entity=entity)}
    return [current[key] for key in wanted]


def _build_entity(
    spark: "SparkSession",
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    entity_name: str,
    keys: Sequence[PeriodKey],
    run_id: str | None,
) -> list[Build]:
    with engine.connect() as connection:
        through = last_ingest(connection)
    folder = f"{BUILDS_FOLDER}/{entity_name}/{uuid4().hex}"
    builds = unrecorded_builds(spark, engine, storage, catalogue, entity_name, keys, folder, through=through, run_id=run_id)
    # From here on the folder stays whatever happens: where a commit's answer is lost, the registry may name it.
    with engine.begin() as connection:
        return record_builds(connection, builds)


def unrecorded_builds(
    spark: "SparkSession",
    engine: Engine,
    storage: Storage,
    catalogue: Catalogue,
    entity_name: str,
    keys: Sequence[PeriodKey],
    folder: str,
    *,
    through: int,
    run_id: str | None = None,
) -> list[Build]:
    """Builds periods of one entity, from all that landed by the ingest `through`, below a folder; nobody but the caller knows of them.

    Raises:
        Conflict: if a build lost rows.
        Unavailable: if Spark or the disk fails; nothing is left in the folder then.
    """
    entity = catalogue.entities[entity_name]
    with engine.connect() as connection:
        files = landing_files(connection, keys, through)
        stored = stored_rows(connection, entity_name, through)
    tasks = reading_tasks(storage, files)
    try:
        manifest: list[Manifest] = []
        if tasks:
            landed = read_landing(spark, storage, entity, tasks)
            units = [(product, period) for _, product, period in files]
            manifest = collect_manifest(write_files(newest_versions(landed, entity), storage, entity, folder, units))
        builds = builds_of_manifest(keys, manifest, through, run_id)
        _refuse_losses(builds, stored)
    except BaseException:
        storage.delete_tree(folder)
        raise
    return builds


def _refuse_losses(builds: Iterable[Build], stored: Mapping[PeriodKey, int]) -> None:
    """A build that does not account for every stored row never becomes current, whatever lost it."""
    for build in builds:
        accounted = build.rows_visible + build.rows_hidden + build.superseded + build.moved
        if accounted != stored.get(build.key, 0):
            raise Conflict(
                f"the build accounts for {accounted:,} of {stored.get(build.key, 0):,} stored rows",
                where=f"{build.entity} of {build.product} in {build.period}",
                remedy="build again; if it stays so, the files of landing are not those that were recorded",
            )


def reading_tasks(storage: Storage, files: Mapping[tuple[str, str, str], Sequence[str]]) -> list[list[LandingPart]]:
    """Spreads landing files over tasks of about the same size; a large file is split by its row groups.

    The unit of a part is the place of its key in `files`.
    """
    paths = [path for period_files in files.values() for path in period_files]
    sizes = dict(zip(paths, storage.sizes(paths), strict=True))
    parts: list[tuple[float, LandingPart]] = []
    for unit, period_files in enumerate(files.values()):
        for path in period_files:
            split = max(1, ceil(sizes[path] / TASK_BYTES))
            parts += [(sizes[path] / split, LandingPart(path, unit, part, split)) for part in range(split)]
    count = min(len(parts), max(SMALLEST_SPLIT, ceil(sum(sizes.values()) / TASK_BYTES)))
    tasks: list[list[LandingPart]] = [[] for _ in range(count)]
    # Dealt out from the largest to the smallest, so that each task gets some of every size.
    for number, (_, part) in enumerate(sorted(parts, reverse=True)):
        tasks[number % count].append(part)
    return tasks


def builds_of_manifest(keys: Iterable[PeriodKey], manifest: Iterable[Manifest], through: int, run_id: str | None) -> list[Build]:
    """One build for each key, from what was written for it."""
    written: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for row in manifest:
        written[row.product, row.period].append(row)
    now = datetime.now(UTC)
    builds = []
    for key in keys:
        rows = sorted(written[key.product, key.period], key=lambda row: (not row.visible, row.bucket))
        files = tuple(BuildFile(row.path, row.visible, row.bucket, row.rows, row.bytes) for row in rows if row.path is not None)
        builds.append(
            Build(
                build_id=0,
                entity=key.entity,
                product=key.product,
                period=key.period,
                through_ingest=through,
                rows_visible=sum(file.rows for file in files if file.visible),
                rows_hidden=sum(file.rows for file in files if not file.visible),
                superseded=sum(row.superseded for row in rows),
                moved=sum(row.moved for row in rows),
                files=files,
                built_at=now,
                run_id=run_id,
            )
        )
    return builds


def keys_to_build(
    connection: Connection, catalogue: Catalogue, entity: str, periods: Iterable[str], limit_to: Sequence[str] | None = None
) -> list[PeriodKey]:
    """The keys of an entity's periods: for the catalogue's products, or where it is open for those that landed; `limit_to` some of them.

    Raises:
        InvalidInput: if `limit_to` names a product that there is not.
    """
    known = landed_products(connection) if catalogue.products == "open" else sorted(catalogue.products)
    for name in limit_to or ():
        if name not in known:
            raise InvalidInput(f"unknown product {name!r}", where="products", remedy=nearest(name, known))
    chosen = known if limit_to is None else sorted(set(limit_to))
    return [PeriodKey(entity, product, period) for product in chosen for period in periods]
