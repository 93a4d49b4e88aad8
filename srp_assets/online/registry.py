"""The online side's table in the registry database: what was loaded into the store, and when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resources.registry_types import Identifier, UtcDateTime

metadata = sa.MetaData()

load_table = sa.Table(
    "online_load",
    metadata,
    sa.Column("load_id", Identifier, primary_key=True, autoincrement=True),
    sa.Column("day", sa.String, nullable=False, index=True),
    sa.Column("generation", sa.String, nullable=False),
    sa.Column("records", sa.String, nullable=False),
    sa.Column("definitions", sa.String, nullable=False),
    sa.Column("attributes_ingest", sa.BigInteger, nullable=False),
    sa.Column("keys", sa.BigInteger, nullable=False),
    sa.Column("portraits", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("replayed", sa.BigInteger, nullable=False),
    sa.Column("loaded_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String),
)


@dataclass(frozen=True)
class Load:
    """One load of the store.

    Args:
        load_id: identity; 0 before it is recorded.
        day: whose beginning was loaded.
        generation: of the store, made current.
        records: identity of the layout of its records.
        definitions: version of the definitions.
        attributes_ingest: the last ingest of the warehouse whose attributes it has.
        keys: records that were written.
        portraits: that were written.
        events: of the days before that were remembered.
        replayed: events of the day itself that were counted then.
        loaded_at: when.
        run_id: of the run that did it, if there was one.
    """

    load_id: int
    day: str
    generation: str
    records: str
    definitions: str
    attributes_ingest: int
    keys: int
    portraits: int
    events: int
    replayed: int
    loaded_at: datetime
    run_id: str | None


def record_load(connection: Connection, load: Load) -> None:
    """Records a load that is current now."""
    values: Mapping[str, Any] = {name: value for name, value in asdict(load).items() if name != "load_id"}
    connection.execute(load_table.insert().values(**values))


def newest_load(connection: Connection) -> Load | None:
    """What was loaded last."""
    row = connection.execute(sa.select(load_table).order_by(load_table.c.load_id.desc()).limit(1)).one_or_none()
    return None if row is None else Load(**row._mapping)
