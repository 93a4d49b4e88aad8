"""The warehouse's tables in the registry database: the home's catalogue, ingests, what they landed, the key index; and their queries.

Builds are in `registry_builds.py`, leases in `lease.py`. What an ingest landed is visible from the one transaction on that commits it
(`commit_ingest`): until then nothing names its files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime
from srp_assets.errors import Conflict
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import UNKNOWN, start_of

metadata = sa.MetaData()

home = sa.Table(
    "warehouse_home",
    metadata,
    sa.Column("catalogue_name", sa.String, primary_key=True),
    sa.Column("catalogue_digest", sa.String, nullable=False),
    sa.Column("catalogue", sa.JSON, nullable=False),
    sa.Column("bound_at", UtcDateTime, nullable=False),
)

ingest = sa.Table(
    "warehouse_ingest",
    metadata,
    sa.Column("ingest_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("reader", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("entity", sa.String),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("landed_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("summary", sa.JSON),
)

landing = sa.Table(
    "warehouse_landing",
    metadata,
    sa.Column("ingest_id", Identifier, sa.ForeignKey("warehouse_ingest.ingest_id"), primary_key=True, autoincrement=False),
    sa.Column("entity", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("period", sa.String, primary_key=True),
    sa.Column("landed", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("tombstones", sa.BigInteger, nullable=False),
    sa.Column("duplicate", sa.BigInteger, nullable=False),
    sa.Column("pending", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Index("ix_warehouse_landing_period", "entity", "product", "period"),
)

key_index = sa.Table(
    "warehouse_key_index",
    metadata,
    sa.Column("entity", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("index_files", sa.JSON, nullable=False),
    sa.Column("pending_files", sa.JSON, nullable=False),
)

lease = sa.Table(
    "warehouse_lease",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)


@dataclass
class Counts:
    """What one ingest changed in one (entity, product, period); `pending` falls when a row that waited is settled."""

    landed: int = 0
    stored: int = 0
    tombstones: int = 0
    duplicate: int = 0
    pending: int = 0
    rejected: int = 0
    files: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not any(getattr(self, item.name) for item in fields(self))


@dataclass(frozen=True)
class KeyState:
    """The files of one entity's key index and pending rows within a product."""

    index_files: tuple[str, ...] = ()
    pending_files: tuple[str, ...] = ()


def bind_catalogue(connection: Connection, catalogue: Catalogue) -> None:
    """Binds the home to a catalogue, or checks that it is bound to this one; declarations that need no rebuild may change.

    Raises:
        Conflict: if the home is bound to another catalogue, or what landed was laid out by another declaration.
    """
    bound = connection.execute(sa.select(home)).one_or_none()
    if bound is None:
        connection.execute(home.insert().values(bound_at=datetime.now(UTC), **_bound_values(catalogue)))
        return
    if bound.catalogue_digest == catalogue.digest:
        return
    if bound.catalogue_name != catalogue.name:
        raise Conflict(
            f"this home is bound to the catalogue {bound.catalogue_name!r}, not {catalogue.name!r}",
            where="SRP_CATALOGUE",
            remedy="use another SRP_HOME for another catalogue",
        )
    changed = _layout_change(Catalogue.model_validate(bound.catalogue), catalogue)
    if changed:
        raise Conflict(
            f"the catalogue {catalogue.name!r} changed in {changed}, by which what landed is laid out",
            where="SRP_CATALOGUE",
            remedy="undo that change, or land everything again in another SRP_HOME",
        )
    connection.execute(home.update().values(**_bound_values(catalogue)))


def _bound_values(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "catalogue_name": catalogue.name,
        "catalogue_digest": catalogue.digest,
        "catalogue": catalogue.model_dump(mode="json"),
    }


def _layout_change(before: Catalogue, after: Catalogue) -> str | None:
    if after.partition_unit != before.partition_unit:
        return "partition_unit"
    unit = before.partition_unit
    if start_of(after.first_period, unit) > start_of(before.first_period, unit):
        return "first_period"
    for name, entity in before.entities.items():
        if name not in after.entities:
            return f"entities.{name}"
        new = after.entities[name]
        for attribute in ("key", "bucket_key", "buckets", "publish_time", "updated_at", "visible", "root"):
            if getattr(new, attribute) != getattr(entity, attribute):
                return f"entities.{name}.{attribute}"
        if [(name, column.value_type) for name, column in new.columns.items()] != [
            (name, column.value_type) for name, column in entity.columns.items()
        ]:
            return f"entities.{name}.columns"
    return None


def open_ingest(
    connection: Connection, *, reader: str, source: str, product: str, entity: str | None, now: datetime
) -> tuple[int, datetime]:
    """Opens an ingest; returns its id and its landed_at, which is later than that of every ingest before it.

    Open ingests of others have died, since ingests take turns: they are marked so.
    """
    connection.execute(ingest.update().where(ingest.c.state == "open").values(state="failed", finished_at=now))
    last = connection.execute(sa.select(sa.func.max(ingest.c.landed_at))).scalar_one()
    landed_at = now if last is None else max(now, last + timedelta(microseconds=1))
    values = {"reader": reader, "source": source, "product": product, "entity": entity}
    opened = ingest.insert().values(state="open", started_at=now, landed_at=landed_at, **values)
    key = connection.execute(opened).inserted_primary_key
    if key is None:
        raise Conflict("the registry gave an ingest no id")
    return int(key[0]), landed_at


def commit_ingest(
    connection: Connection,
    ingest_id: int,
    *,
    counts: Mapping[tuple[str, str, str], Counts],
    states: Mapping[tuple[str, str], KeyState],
    summary: Mapping[str, Any],
) -> None:
    """Makes all that an ingest landed visible.

    Args:
        connection: in the transaction that does it.
        ingest_id: an open ingest.
        counts: by (entity, product, period).
        states: the new key index and pending files, by (entity, product).
        summary: what the ingest tells its user.
    """
    rows = [
        {"ingest_id": ingest_id, "entity": entity, "product": product, "period": period}
        | {item.name: getattr(change, item.name) for item in fields(change)}
        for (entity, product, period), change in sorted(counts.items())
        if not change.is_empty
    ]
    if rows:
        connection.execute(landing.insert(), rows)
    for (entity, product), state in states.items():
        here = (key_index.c.entity == entity) & (key_index.c.product == product)
        files = {"index_files": list(state.index_files), "pending_files": list(state.pending_files)}
        if connection.execute(key_index.update().where(here).values(**files)).rowcount == 0:
            connection.execute(key_index.insert().values(entity=entity, product=product, **files))
    finished = ingest.update().where((ingest.c.ingest_id == ingest_id) & (ingest.c.state == "open"))
    if connection.execute(finished.values(state="committed", finished_at=datetime.now(UTC), summary=dict(summary))).rowcount != 1:
        raise Conflict("another process took this ingest's turn", remedy="ingest again")


def fail_ingest(connection: Connection, ingest_id: int, message: str) -> None:
    """Marks an ingest as failed; none of its rows landed."""
    failed = ingest.update().where((ingest.c.ingest_id == ingest_id) & (ingest.c.state == "open"))
    connection.execute(failed.values(state="failed", finished_at=datetime.now(UTC), summary={"error": message}))


def key_states(connection: Connection, product: str) -> dict[str, KeyState]:
    """The key index and pending files of a product's entities."""
    rows = connection.execute(sa.select(key_index).where(key_index.c.product == product))
    return {row.entity: KeyState(tuple(row.index_files), tuple(row.pending_files)) for row in rows}


def last_ingest(connection: Connection) -> int:
    """The newest committed ingest, 0 if there is none."""
    newest = sa.select(sa.func.max(ingest.c.ingest_id)).where(ingest.c.state == "committed")
    return connection.execute(newest).scalar_one() or 0


def products(connection: Connection) -> list[str]:
    """The products of which rows have landed."""
    named = sa.select(landing.c.product).where((landing.c.stored > 0) | (landing.c.pending > 0)).distinct()
    return sorted(connection.execute(named).scalars())


def landed_periods(connection: Connection, entity: str, product: str | None = None) -> list[str]:
    """The periods for which rows of an entity are stored, in order; of one product, or of all."""
    named = sa.select(landing.c.period).where((landing.c.entity == entity) & (landing.c.stored > 0) & (landing.c.period != UNKNOWN))
    if product is not None:
        named = named.where(landing.c.product == product)
    return sorted(connection.execute(named.distinct()).scalars())


def landing_files(connection: Connection, keys: Iterable[tuple[str, str, str]], through: int) -> dict[tuple[str, str, str], list[str]]:
    """The landing files of some (entity, product, period) up to an ingest, oldest first."""
    wanted = set(keys)
    entities: Sequence[str] = sorted({entity for entity, _, _ in wanted})
    query = sa.select(landing.c.entity, landing.c.product, landing.c.period, landing.c.files)
    query = query.where((landing.c.ingest_id <= through) & landing.c.entity.in_(entities)).order_by(landing.c.ingest_id)
    found: dict[tuple[str, str, str], list[str]] = {key: [] for key in wanted}
    for entity, product, period, files in connection.execute(query):
        if (entity, product, period) in wanted:
            found[entity, product, period] += files
    return found
