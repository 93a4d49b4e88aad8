"""The second half of an ingest: staged rows get their roots, are settled against the key index, and what is new is written."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.warehouse.key_index import KeyIndex, Versions, key_codes, key_columns, root_type
from srp_assets.warehouse.landing_files import LandingWriter
from srp_assets.warehouse.reference import resolution_order
from srp_assets.warehouse.registry import Counts, KeyState
from srp_assets.warehouse.roots import resolve
from srp_assets.warehouse.row_hash import hexadecimal, microseconds, row_hashes
from srp_assets.warehouse.schema import TIMESTAMP, entity_schema, landing_schema
from srp_assets.warehouse.settling import Settled, settle
from srp_assets.warehouse.stage import KEY_HIGH, Stage
from srp_assets.warehouse.storage import Storage
from srp_assets.warehouse.validation import NUMPY_UNITS, period_text

KEY_LOW, LANDED, ORDINAL, SOURCE, SOURCE_ROW = "_key_low", "_landed", "_ordinal", "_source", "_source_row"

NEVER_UPDATED = np.iinfo(np.int64).min


class Settlement:
    """Everything that one ingest stages, settles and writes, of all entities of one product.

    Args:
        storage: the warehouse.
        catalogue: the declaration.
        product: whose rows they are.
        ingest_id: number of the ingest.
        landed_at: when its rows landed.
        states: the product's key indexes and pending rows, by entity.
        scratch: a folder for rows that memory does not hold.
        tell: told how many rows are settled.
    """

    def __init__(
        self,
        storage: Storage,
        catalogue: Catalogue,
        *,
        product: str,
        ingest_id: int,
        landed_at: datetime,
        states: Mapping[str, KeyState],
        scratch: Path,
        tell: Callable[[int], None],
    ) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._product = product
        self._ingest_id = ingest_id
        self._landed = microseconds(landed_at)
        self._states = dict(states)
        self._scratch = scratch
        self._tell = tell
        self._settled_rows = 0
        self._sources: list[str] = []
        self._stages = {name: Stage(scratch) for name in catalogue.entities}
        self._indexes = {
            name: KeyIndex(storage, self._state(name).index_files, self._path(name, "index"), root_type(catalogue, name))
            for name in catalogue.entities
        }
        self._writers = {
            name: LandingWriter(storage, f"landing/{name}/{product}", ingest_id, catalogue.partition_unit) for name in catalogue.entities
        }
        self._pending_files: dict[str, list[str]] = {}
        self._replaced: list[str] = []
        self._counts: dict[tuple[str, int], Counts] = {}
        self.stored: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        """Rows by what became of them: `duplicate`, `pending`, and `resolved` for those of earlier ingests."""

    def stage(self, name: str, columns: Mapping[str, pa.Array], ordinals: np.ndarray, source: str, source_rows: pa.Array) -> None:
        """Takes typed rows of this ingest."""
        self._count(name, "landed", ordinals)
        self._append(name, columns, ordinals, np.full(len(ordinals), self._landed), [source] * len(ordinals), source_rows)

    def settle(self) -> None:
        """Settles all staged rows and those that wait from earlier ingests, and writes what is new."""
        for name, state in self._states.items():
            for path in state.pending_files:
                self._append_pending(name, self._storage.read(path))
        order = list(resolution_order(self._catalogue))
        open_entities = set(order)
        while open_entities:
            for name in order:
                if name not in open_entities:
                    continue
                open_entities.discard(name)
                if self._settle_entity(name):
                    open_entities |= {other for other in order if self._hangs_on(other, name) and self._stages[other].rows}
        for name in order:
            self._keep_waiting(name)
            self._writers[name].close()
            self._indexes[name].flush()
            if self._indexes[name].grew:
                self._replaced += self._indexes[name].merge_small_runs()

    def counts(self) -> dict[tuple[str, str, str], Counts]:
        """What changed, by (entity, product, period)."""
        unit = self._catalogue.partition_unit
        changed = {(name, self._product, period_text(ordinal, unit)): counts for (name, ordinal), counts in self._counts.items()}
        for name, writer in self._writers.items():
            for period, files in writer.files.items():
                changed[name, self._product, period].files = files
        return changed

    def states(self) -> dict[tuple[str, str], KeyState]:
        """The new key indexes and pending files, of the entities where they changed."""
        states = {}
        for name in self._catalogue.entities:
            pending = self._pending_files.get(name, list(self._state(name).pending_files))
            state = KeyState(tuple(self._indexes[name].files), tuple(pending))
            if state != self._state(name):
                states[name, self._product] = state
        return states

    def delete_replaced(self) -> None:
        """Deletes the index runs and pending files that the committed ingest replaced."""
        for path in self._replaced:
            self._storage.filesystem.delete_file(self._storage.path(path))

    def discard(self) -> None:
        """Deletes what an ingest that failed has written."""
        written = [path for writer in self._writers.values() for files in writer.files.values() for path in files]
        written += [path for index in self._indexes.values() for path in index.written]
        written += [path for files in self._pending_files.values() for path in files]
        for path in written:
            if self._storage.exists(path):
                self._storage.filesystem.delete_file(self._storage.path(path))

    def _state(self, name: str) -> KeyState:
        return self._states.get(name, KeyState())

    def _path(self, name: str, what: str) -> str:
        return f"landing/{name}/{what}/{self._product}/{self._ingest_id}"

    def _hangs_on(self, name: str, target: str) -> bool:
        root = self._catalogue.entities[name].root
        return root is not None and target in root.entities

    def _count(self, name: str, what: str, ordinals: np.ndarray, step: int = 1) -> None:
        for ordinal, rows in zip(*np.unique(ordinals, return_counts=True), strict=True):
            counts = self._counts.setdefault((name, int(ordinal)), Counts())
            setattr(counts, what, getattr(counts, what) + step * int(rows))

    def _append(
        self,
        name: str,
        columns: Mapping[str, pa.Array],
        ordinals: np.ndarray,
        landed: np.ndarray,
        sources: list[str],
        source_rows: pa.Array,
    ) -> None:
        entity = self._catalogue.entities[name]
        high, low = key_codes(key_columns(entity, columns))
        table = pa.table([columns[column] for column in entity.columns], schema=entity_schema(entity))
        for extra, values in {KEY_HIGH: high, KEY_LOW: low, LANDED: landed, ORDINAL: ordinals, SOURCE: self._numbers(sources)}.items():
            table = table.append_column(extra, pa.array(values))
        self._stages[name].append(table.append_column(SOURCE_ROW, source_rows))

    def _numbers(self, sources: list[str]) -> np.ndarray:
        """Sources as places in `_sources`: a path would weigh more than the rest of its row."""
        for source in dict.fromkeys(sources):
            if source not in self._sources:
                self._sources.append(source)
        place = {source: number for number, source in enumerate(self._sources)}
        return np.array([place[source] for source in sources], np.int32)

    def _append_pending(self, name: str, table: pa.Table) -> None:
        entity = self._catalogue.entities[name]
        columns = {column: table.column(column).combine_chunks() for column in entity.columns}
        moments = columns[entity.publish_time].cast(pa.int64()).to_numpy().astype("datetime64[us]")
        ordinals = moments.astype(f"datetime64[{NUMPY_UNITS[self._catalogue.partition_unit]}]").astype(np.int64)
        landed = table.column("landed_at").cast(pa.int64()).to_numpy()
        self._append(name, columns, ordinals, landed, table.column("source").to_pylist(), table.column("source_row").combine_chunks())

    def _settle_entity(self, name: str) -> bool:
        """Settles what can be resolved; whether anything was stored."""
        staged, self._stages[name] = self._stages[name], Stage(self._scratch)
        stored_before = self.stored[name]
        for shard in staged.shards():
            resolved, waiting = resolve(self._catalogue, name, shard, self._indexes)
            self._stages[name].append(waiting)
            if resolved.num_rows:
                self._store(name, resolved)
            self._settled_rows += resolved.num_rows
            self._tell(self._settled_rows)
        return self.stored[name] > stored_before

    def _store(self, name: str, rows: pa.Table) -> None:
        entity = self._catalogue.entities[name]
        versions = self._versions(name, rows)
        settled = settle(versions, self._indexes[name].find(versions.key_high))
        waited = versions.ordinal[versions.landed < self._landed]
        self._count(name, "pending", waited, -1)
        self.outcomes["resolved"] += len(waited)
        self._count(name, "duplicate", versions.ordinal[~settled.stored])
        self.outcomes["duplicate"] += int((~settled.stored).sum())
        places = np.flatnonzero(settled.stored)
        if len(places):
            new = versions.take(places)
            chosen = rows if len(places) == rows.num_rows else rows.take(pa.array(places))
            self._count(name, "stored", new.ordinal)
            self.stored[name] += len(new)
            self._writers[name].add(self._landing_rows(entity, chosen, new), new.ordinal)
            self._indexes[name].add(new)
        if len(settled.tombstone_rows):
            self._count(name, "tombstones", settled.tombstone_ordinals)
            self._writers[name].add(self._tombstones(entity, rows, settled), settled.tombstone_ordinals)

    def _versions(self, name: str, rows: pa.Table) -> Versions:
        entity = self._catalogue.entities[name]
        hashes = row_hashes(entity, {column: rows.column(column).combine_chunks() for column in entity.columns})
        updated = np.full(rows.num_rows, NEVER_UPDATED)
        if entity.updated_at:
            updated = rows.column(entity.updated_at).cast(pa.int64()).fill_null(int(NEVER_UPDATED)).to_numpy()
        return Versions(
            key_high=rows.column(KEY_HIGH).to_numpy(),
            key_low=rows.column(KEY_LOW).to_numpy(),
            updated=updated,
            landed=rows.column(LANDED).to_numpy(),
            hash_high=hashes[:, 0],
            hash_low=hashes[:, 1],
            ordinal=rows.column(ORDINAL).to_numpy(),
            root=rows.column(entity.bucket_key).combine_chunks() if root_type(self._catalogue, name) is not None else None,
        )

    def _landing_rows(self, entity: Entity, rows: pa.Table, versions: Versions) -> pa.Table:
        columns = [rows.column(name) for name in entity.columns]
        columns += [
            pa.array(versions.landed).cast(TIMESTAMP),
            hexadecimal(np.stack([versions.hash_high, versions.hash_low], axis=1)),
            pa.array(self._sources, pa.string()).take(rows.column(SOURCE).combine_chunks()),
            rows.column(SOURCE_ROW),
            pa.nulls(rows.num_rows, pa.string()),
        ]
        return pa.table(columns, schema=landing_schema(entity))

    def _tombstones(self, entity: Entity, rows: pa.Table, settled: Settled) -> pa.Table:
        newest = settled.tombstone_newest
        count = len(newest)
        keys = rows.select(list(entity.key)).take(pa.array(settled.tombstone_rows))
        known = {name: keys.column(name) for name in entity.key}
        if entity.updated_at:
            known[entity.updated_at] = pa.array(newest.updated, mask=newest.updated == NEVER_UPDATED).cast(TIMESTAMP)
        known["landed_at"] = pa.array(newest.landed).cast(TIMESTAMP)
        known["row_hash"] = hexadecimal(np.stack([newest.hash_high, newest.hash_low], axis=1))
        unit = self._catalogue.partition_unit
        texts = {ordinal: period_text(ordinal, unit) for ordinal in np.unique(newest.ordinal).tolist()}
        known["moved_to"] = pa.array([texts[ordinal] for ordinal in newest.ordinal.tolist()], pa.string())
        schema = landing_schema(entity)
        return pa.table([known.get(item.name, pa.nulls(count, item.type)) for item in schema], schema=schema)

    def _keep_waiting(self, name: str) -> None:
        """What found no root is pending, unless it equals what is."""
        before = self._state(name).pending_files
        entity = self._catalogue.entities[name]
        kept: list[pa.Table] = []
        waited = 0
        changed = False
        for shard in self._stages[name].shards():
            versions = self._versions(name, shard)
            is_old = versions.landed < self._landed
            old, new = np.flatnonzero(is_old), np.flatnonzero(~is_old)
            waited += len(old)
            stays = np.ones(len(versions), bool)
            if len(new):
                settled = settle(versions.take(new), versions.take(old))
                stays[new] = settled.stored
                self._count(name, "pending", versions.ordinal[new[settled.stored]])
                self._count(name, "duplicate", versions.ordinal[new[~settled.stored]])
                self.outcomes["pending"] += int(settled.stored.sum())
                self.outcomes["duplicate"] += int((~settled.stored).sum())
                changed = changed or bool(settled.stored.any())
            places = np.flatnonzero(stays)
            kept.append(self._landing_rows(entity, shard.take(pa.array(places)), versions.take(places)))
        if not changed and waited == sum(self._storage.rows(path) for path in before):
            return
        self._pending_files[name] = []
        self._replaced += before
        for number, table in enumerate(kept):
            path = f"{self._path(name, 'pending')}-{number}.parquet"
            self._storage.write(path, table)
            self._pending_files[name].append(path)
