"""Tables in Spark over built files: pinned to certain builds for a scan, or the newest for people.

The registry is the truth about builds; Spark's catalogue only gets tables that follow from it. A snapshot table is bound to the
folders of certain builds and carries their digest in its name, so it never changes: whoever plans on it reads those builds, whatever is
built meanwhile.

Statements that change the catalogue are run by `spark.sql` itself; collecting their empty answer would be another round trip.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.warehouse.plan_types import literal, own_columns_ddl, quoted
from srp_assets.warehouse.registry_builds import Build
from srp_assets.warehouse.storage import Storage

DATABASE = "warehouse"
USED_AT = "srp.used_at"
USED = re.compile(rf"^Table Properties: .*\b{re.escape(USED_AT)}=([^],]+)", re.MULTILINE)
"""Where the property stands in what Spark tells of a table."""

DIGEST_LETTERS = 16

ADDED_AT_ONCE = 2_000
"""Partitions added by one statement (2 ms each; a statement for each takes 0.3 s); it bounds the statement's text to about 500 kB."""


def snapshot_table(spark: SparkSession, storage: Storage, entity_name: str, entity: Entity, builds: Iterable[Build]) -> DataFrame:
    """The rows of certain builds of an entity: its own columns, `landed_at`, and product, visible and period as partitions.

    The scan is native and knows its buckets, so a join on the bucket key shuffles nothing; a filter on product, visible or period opens
    only the partitions meant.
    """
    return spark.table(_qualified(_snapshot(spark, storage, entity_name, entity, builds)))


def publish_view(
    spark: SparkSession,
    storage: Storage,
    entity_name: str,
    entity: Entity,
    builds: Iterable[Build],
    *,
    forget_before: datetime | None = None,
) -> str:
    """Gives people `warehouse.<entity>`, a view of the builds, replaced in one step; returns its name.

    Snapshot tables of the entity that nobody used since `forget_before` are forgotten; files are left alone.
    """
    snapshot = _snapshot(spark, storage, entity_name, entity, builds)
    view = _qualified(entity_name)
    _replace_view(spark, view, snapshot)
    if forget_before is not None:
        for table in _snapshots_unused_since(spark, entity_name, forget_before):
            if table != snapshot:
                spark.sql(f"DROP TABLE IF EXISTS {_qualified(table)}")
    return view


def _replace_view(spark: SparkSession, view: str, snapshot: str) -> None:
    """Creates or replaces a view. Spark looks first and creates then: of two that do so at once the second finds the first one's view."""
    statement = f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {_qualified(snapshot)}"
    try:
        spark.sql(statement)
    except AnalysisException as error:
        if error.getCondition() != "TABLE_OR_VIEW_ALREADY_EXISTS":
            raise
        spark.sql(statement)


def publish_views(spark: SparkSession, storage: Storage, catalogue: Catalogue, builds: Mapping[str, Sequence[Build]]) -> list[str]:
    """Gives people a view of every entity that has builds: a Spark server that has just started knows of none; returns their names."""
    published = [name for name, found in builds.items() if found]
    for name in published:
        publish_view(spark, storage, name, catalogue.entities[name], builds[name])
    return [f"{DATABASE}.{name}" for name in published]


def _qualified(table: str) -> str:
    return f"{quoted(DATABASE)}.{quoted(table)}"


def _snapshot(spark: SparkSession, storage: Storage, entity_name: str, entity: Entity, builds: Iterable[Build]) -> str:
    partitions = sorted(_partitions(builds))
    columns = f"{own_columns_ddl(entity)}, `landed_at` timestamp"
    layout = f"CLUSTERED BY ({quoted(entity.bucket_key)}) SORTED BY ({quoted(entity.bucket_key)}) INTO {entity.buckets} BUCKETS"
    identity = sha256(repr((storage.location, columns, layout, partitions)).encode()).hexdigest()
    name = f"{entity_name}_{identity[:DIGEST_LETTERS]}"
    used = f"{literal(USED_AT)} = {literal(datetime.now(UTC).isoformat())}"
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {quoted(DATABASE)}")
    if spark.catalog.tableExists(_qualified(name)):
        spark.sql(f"ALTER TABLE {_qualified(name)} SET TBLPROPERTIES ({used})")
        return name
    # Filled under a name of its own and then renamed: nobody finds a snapshot that has only some of its partitions.
    unfinished = f"{name}_{uuid4().hex}"
    spark.sql(
        f"CREATE TABLE {_qualified(unfinished)} ({columns}, product string, visible boolean, period string) USING parquet "
        f"PARTITIONED BY (product, visible, period) {layout} LOCATION {literal(storage.address(f'snapshots/{entity_name}'))} "
        f"TBLPROPERTIES ({used})"
    )
    for start in range(0, len(partitions), ADDED_AT_ONCE):
        added = " ".join(
            f"PARTITION (product = {literal(product)}, visible = {str(visible).lower()}, period = {literal(period)}) "
            f"LOCATION {literal(storage.address(folder))}"
            for product, period, visible, folder in partitions[start : start + ADDED_AT_ONCE]
        )
        spark.sql(f"ALTER TABLE {_qualified(unfinished)} ADD {added}")
    try:
        spark.sql(f"ALTER TABLE {_qualified(unfinished)} RENAME TO {_qualified(name)}")
    except AnalysisException:
        spark.sql(f"DROP TABLE {_qualified(unfinished)}")
        if not spark.catalog.tableExists(_qualified(name)):
            raise
    return name


def _partitions(builds: Iterable[Build]) -> Iterator[tuple[str, str, bool, str]]:
    for build in builds:
        folders = {(file.visible, file.path.rsplit("/", 1)[0]) for file in build.files}
        for visible, folder in folders:
            yield build.product, build.period, visible, folder


def _snapshots_unused_since(spark: SparkSession, entity_name: str, moment: datetime) -> Iterator[str]:
    of_entity = re.compile(rf"{re.escape(entity_name)}_[0-9a-f]{{{DIGEST_LETTERS}}}(_[0-9a-f]{{32}})?")
    # One statement for all of them: asked one by one, each took 60 ms, and a busy home has hundreds.
    listed = spark.sql(f"SHOW TABLE EXTENDED IN {quoted(DATABASE)} LIKE {literal(entity_name + '_*')}").collect()
    for table in listed:
        used = USED.search(table["information"]) if of_entity.fullmatch(table["tableName"]) else None
        if used and datetime.fromisoformat(used[1]) < moment:
            yield table["tableName"]
