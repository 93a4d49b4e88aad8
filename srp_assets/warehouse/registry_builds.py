"""Builds in the registry database: which folders are the table of a period now, what landed since, and whether all of it is accounted for.

The switch from one build to the next is one transaction here; files never change. A scan that planned with a build goes on reading it until
the retention takes it away. What landed is recorded by `registry.py`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Row,
    Select,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.warehouse.registry import landing, metadata

warehouse_build = Table(
    "warehouse_build",
    metadata,
    Column("build_id", Identifier, primary_key=True, autoincrement=True),
    Column("entity", String, nullable=False),
    Column("product", String, nullable=False),
    Column("period", String, nullable=False),
    Column("through_ingest", BigInteger, nullable=False),
    Column("rows_visible", BigInteger, nullable=False),
    Column("rows_hidden", BigInteger, nullable=False),
    Column("superseded", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),
    Column("files", JSON, nullable=False),
    Column("built_at", UtcDateTime, nullable=False),
    Column("run_id", String),
    Column("current", Boolean, nullable=False),
    Column("retired_at", UtcDateTime),
    Index("ix_warehouse_build_current", "entity", "product", "period", "current"),
)

PERIOD_COLUMNS = ("entity", "product", "period")
LANDED_COUNTS = ("landed", "duplicate", "pending", "rejected")


class PeriodKey(NamedTuple):
    """One period of one product's rows of one entity: what is built at a time."""

    entity: str
    product: str
    period: str


@dataclass(frozen=True)
class BuildFile:
    """A built file; its path is relative to the warehouse."""

    path: str
    visible: bool
    bucket: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Build:
    """The table of one (entity, product, period) as of the ingest `through_ingest`; `build_id` is 0 until it is recorded."""

    build_id: int
    entity: str
    product: str
    period: str
    through_ingest: int
    rows_visible: int
    rows_hidden: int
    superseded: int
    moved: int
    files: tuple[BuildFile, ...]
    built_at: datetime
    run_id: str | None

    @property
    def key(self) -> PeriodKey:
        """What was built."""
        return PeriodKey(self.entity, self.product, self.period)


@dataclass(frozen=True)
class LedgerRow:
    """The accounting of one (entity, product, period).

    `built` says whether a build covers all rows that were stored; `balanced` whether every landed row is accounted for.
    """

    entity: str
    product: str
    period: str
    landed: int
    in_table: int
    duplicate: int
    superseded: int
    moved: int
    pending: int
    rejected: int
    built: bool

    @property
    def balanced(self) -> bool:
        """Contract 7: landed = in the table + duplicate + superseded + moved + pending + rejected."""
        return self.landed == self.in_table + self.duplicate + self.superseded + self.moved + self.pending + self.rejected


def current_builds(
    connection: Connection,
    *,
    entity: str,
    products: Collection[str] | None = None,
    first: str | None = None,
    last: str | None = None,
) -> list[Build]:
    """The builds that are the table now, by product and period; `first` and `last` are periods, both included."""
    table = warehouse_build.c
    chosen = and_(table.current, within(table, entity, products, first, last))
    return _builds(connection, select(warehouse_build).where(chosen).order_by(table.product, table.period))


def builds_of_run(connection: Connection, run_id: str, *, entity: str) -> list[Build]:
    """What a run has built, also where another build has replaced it since."""
    chosen = and_(warehouse_build.c.run_id == run_id, warehouse_build.c.entity == entity)
    return _builds(connection, select(warehouse_build).where(chosen).order_by(warehouse_build.c.product, warehouse_build.c.period))


def builds_by_id(connection: Connection, build_ids: Collection[int]) -> list[Build]:
    """The builds of some ids, as far as they are recorded, replaced ones too."""
    return _builds(connection, select(warehouse_build).where(warehouse_build.c.build_id.in_(list(build_ids))))


def stale_periods(
    connection: Connection,
    *,
    entity: str | None = None,
    products: Collection[str] | None = None,
    first: str | None = None,
    last: str | None = None,
    through: int | None = None,
) -> list[PeriodKey]:
    """The periods that got rows or tombstones (by ingest `through` at the latest) that their current build does not cover."""
    named = (landing.c.entity, landing.c.product, landing.c.period)
    statement = (
        select(*named)
        .distinct()
        .select_from(landing.outerjoin(warehouse_build, and_(warehouse_build.c.current, _of_the_landed_period())))
        .where(
            or_(landing.c.stored > 0, landing.c.tombstones > 0),
            or_(warehouse_build.c.build_id.is_(None), warehouse_build.c.through_ingest < landing.c.ingest_id),
            within(landing.c, entity, products, first, last),
            true() if through is None else landing.c.ingest_id <= through,
        )
        .order_by(*named)
    )
    return [PeriodKey(*row) for row in connection.execute(statement)]


def lacking_periods(connection: Connection) -> dict[PeriodKey, int]:
    """The periods that got rows or tombstones that their current build does not cover, each with the first ingest that it lacks."""
    named = (landing.c.entity, landing.c.product, landing.c.period)
    statement = (
        select(*named, func.min(landing.c.ingest_id))
        .select_from(landing.outerjoin(warehouse_build, and_(warehouse_build.c.current, _of_the_landed_period())))
        .where(
            or_(landing.c.stored > 0, landing.c.tombstones > 0),
            or_(warehouse_build.c.build_id.is_(None), warehouse_build.c.through_ingest < landing.c.ingest_id),
        )
        .group_by(*named)
        .order_by(*named)
    )
    return {PeriodKey(*row[:3]): int(row[3]) for row in connection.execute(statement)}


def built_rows(connection: Connection) -> dict[PeriodKey, int]:
    """The rows of every current build, visible or not."""
    table = warehouse_build.c
    statement = select(table.entity, table.product, table.period, table.rows_visible + table.rows_hidden).where(table.current)
    return {PeriodKey(*row[:3]): int(row[3]) for row in connection.execute(statement)}


def newest_build(connection: Connection) -> int:
    """The id of the build that was recorded last; 0 where there is none."""
    return int(connection.execute(select(func.max(warehouse_build.c.build_id))).scalar() or 0)


def stored_rows(connection: Connection, entity: str, through: int) -> dict[PeriodKey, int]:
    """How many rows landing stored by period up to an ingest: what a build must account for."""
    named = (landing.c.entity, landing.c.product, landing.c.period)
    counted = select(*named, func.sum(landing.c.stored)).where(landing.c.entity == entity, landing.c.ingest_id <= through).group_by(*named)
    return {PeriodKey(*row[:3]): int(row[3]) for row in connection.execute(counted)}


def record_builds(connection: Connection, builds: Sequence[Build]) -> list[Build]:
    """Makes builds the tables of their periods: the switch, seen by others when the caller's transaction commits.

    A build of what landed earlier than what the current one covers is recorded as replaced already.
    """
    if connection.dialect.name == "postgresql":
        # Two first builds of a period would both find none to retire (SQLite has one writer at a time anyway).
        connection.execute(text("LOCK TABLE warehouse_build IN SHARE ROW EXCLUSIVE MODE"))
    if not builds:
        return []
    now = datetime.now(UTC)
    same_period = and_(*[warehouse_build.c[name] == bindparam(f"new_{name}") for name in PERIOD_COLUMNS])
    older = and_(warehouse_build.c.current, same_period, warehouse_build.c.through_ingest <= bindparam("new_through"))
    connection.execute(
        update(warehouse_build).where(older).values(current=False, retired_at=now),
        [{**{f"new_{name}": getattr(build, name) for name in PERIOD_COLUMNS}, "new_through": build.through_ingest} for build in builds],
    )
    period = select(*[warehouse_build.c[name] for name in PERIOD_COLUMNS])
    still_current = period.where(warehouse_build.c.current, warehouse_build.c.entity.in_({build.entity for build in builds}))
    newer = {PeriodKey(*row) for row in connection.execute(still_current)}
    rows = [
        {name: value for name, value in asdict(build).items() if name != "build_id"}
        | {"current": build.key not in newer, "retired_at": now if build.key in newer else None}
        for build in builds
    ]
    inserted = insert(warehouse_build).returning(warehouse_build.c.build_id, sort_by_parameter_order=True)
    return [replace(build, build_id=row.build_id) for build, row in zip(builds, connection.execute(inserted, rows), strict=True)]


def ledger(
    connection: Connection,
    *,
    entity: str | None = None,
    products: Collection[str] | None = None,
    first: str | None = None,
    last: str | None = None,
    run_id: str | None = None,
) -> list[LedgerRow]:
    """The accounting by entity, product and period: as of now, or as of the builds of one run.

    Rejects without a usable date are counted in the period `unknown`, which is never built.
    """
    chosen = warehouse_build.c.current if run_id is None else warehouse_build.c.run_id == run_id
    in_range = within(warehouse_build.c, entity, products, first, last)
    # A step that was tried again has built twice in one run: the last one counts.
    found = _builds(connection, select(warehouse_build).where(chosen, in_range).order_by(warehouse_build.c.build_id))
    builds = {build.key: build for build in found}
    counts: dict[PeriodKey, dict[str, int]] = {key: dict.fromkeys(LANDED_COUNTS, 0) for key in builds}
    changed: dict[PeriodKey, int] = {}
    for row in connection.execute(select(landing).where(within(landing.c, entity, products, first, last))):
        key = PeriodKey(row.entity, row.product, row.period)
        if run_id is not None and (key not in builds or row.ingest_id > builds[key].through_ingest):
            continue
        counted = counts.setdefault(key, dict.fromkeys(LANDED_COUNTS, 0))
        for name in LANDED_COUNTS:
            counted[name] += getattr(row, name)
        if row.stored > 0 or row.tombstones > 0:
            changed[key] = max(row.ingest_id, changed.get(key, 0))
    return [_ledger_row(key, counts[key], changed.get(key, 0), builds.get(key)) for key in sorted(counts)]


def retired_builds(connection: Connection, before: datetime) -> list[Build]:
    """The builds that were replaced before a time."""
    return _builds(connection, select(warehouse_build).where(~warehouse_build.c.current, warehouse_build.c.retired_at < before))


def forget_builds(connection: Connection, builds: Iterable[Build]) -> None:
    """Deletes the records of replaced builds whose files are gone."""
    for build in builds:
        connection.execute(delete(warehouse_build).where(warehouse_build.c.build_id == build.build_id, ~warehouse_build.c.current))


def build_folders(connection: Connection) -> set[str]:
    """The folders of the runs whose builds are recorded: `builds/<entity>/<run>`."""
    files = connection.execute(select(warehouse_build.c.files)).scalars()
    return {"/".join(file["path"].split("/")[:3]) for build_files in files for file in build_files}


def within(table: Any, entity: str | None, products: Collection[str] | None, first: str | None, last: str | None) -> ColumnElement[bool]:
    """The rows of a table by period that are of these; None asks nothing, `first` and `last` are both included."""
    conditions = [true()]
    if entity is not None:
        conditions.append(table.entity == entity)
    if products is not None:
        conditions.append(table.product.in_(products))
    if first is not None:
        conditions.append(table.period >= first)
    if last is not None:
        conditions.append(table.period <= last)
    return and_(*conditions)


def _of_the_landed_period() -> ColumnElement[bool]:
    return and_(*[warehouse_build.c[name] == landing.c[name] for name in PERIOD_COLUMNS])


def _builds(connection: Connection, statement: Select[Any]) -> list[Build]:
    return [_build(row) for row in connection.execute(statement)]


def _build(row: Row[Any]) -> Build:
    values = dict(row._mapping)
    for name in ("current", "retired_at"):
        del values[name]
    return Build(**{**values, "files": tuple(BuildFile(**file) for file in values["files"])})


def _ledger_row(key: PeriodKey, counts: dict[str, int], changed: int, build: Build | None) -> LedgerRow:
    return LedgerRow(
        entity=key.entity,
        product=key.product,
        period=key.period,
        landed=counts["landed"],
        duplicate=counts["duplicate"],
        pending=counts["pending"],
        rejected=counts["rejected"],
        in_table=build.rows_visible + build.rows_hidden if build else 0,
        superseded=build.superseded if build else 0,
        moved=build.moved if build else 0,
        built=changed <= (build.through_ingest if build else 0),
    )
