"""Dagster's storages, as `dagster.yaml` names them: events of many partitions written together, on SQLite and on PostgreSQL.

A run over a range of partitions stores two events for each. Dagster writes them one by one unless the environment allows batches; its
SQLite storage does so even then, with fresh connections and transactions for each: a minute for the months of ten years of four tables.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import make_url

EVENTS_AT_ONCE = 1000

# Read by every process that stores events; each loads this module, since dagster.yaml names it.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENTS_AT_ONCE))


class SqliteEvents(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that stores a batch of asset events in two transactions: one for each run's file, one for the index."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores events in their order."""
        # Each is serialized once, for both files.
        of_assets = [(event, self.prepare_insert_event(event)) for event in events if _type(event) in ASSET_EVENTS]
        by_run: dict[str, list[Any]] = defaultdict(list)
        for event, insertion in of_assets:
            by_run[event.run_id].append(insertion)
        for run_id, of_run in by_run.items():
            with self.run_connection(run_id) as connection:
                for insertion in of_run:
                    connection.execute(insertion)
        if of_assets:
            with self.index_transaction() as connection:
                ids = [connection.execute(insertion).inserted_primary_key[0] for _, insertion in of_assets]
                self._store_asset_event_tags(connection, [event for event, _ in of_assets], ids)
                # An asset's own row tells its last event of each type: earlier ones of the batch would be written over.
                last = {
                    (event.dagster_event.asset_key, _type(event)): event_id for (event, _), event_id in zip(of_assets, ids, strict=True)
                }
                for (event, _), event_id in zip(of_assets, ids, strict=True):
                    if event_id == last[event.dagster_event.asset_key, _type(event)]:
                        self._store_asset_event(connection, event, event_id)
        for event in events:
            if _type(event) not in ASSET_EVENTS:
                self.store_event(event)


def _type(event: EventLogEntry) -> DagsterEventType | None:
    return event.dagster_event.event_type if event.dagster_event else None


class SqliteStorage(DagsterSqliteStorage):
    """`DagsterSqliteStorage`, in the same files, with `SqliteEvents`."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = SqliteEvents(_event_logs_directory(base_dir))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "SqliteStorage":
        """Builds the storage from what `dagster.yaml` says (`base_dir`)."""
        return cls.from_local(config_value["base_dir"], inst_data)


class PostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` that says which driver it means.

    SQLAlchemy 2.1 takes psycopg 3 for `postgresql://`; Dagster's statements (`NOTIFY` with a parameter) work with psycopg 2 alone.
    """

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "PostgresStorage":
        """Builds the storage from what `dagster.yaml` says (`postgres_url`)."""
        url = make_url(config_value["postgres_url"]).set(drivername="postgresql+psycopg2")
        return cls(postgres_url=url.render_as_string(hide_password=False), inst_data=inst_data)
