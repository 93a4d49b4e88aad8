"""The key index: every landed version of every key of an entity within a product, without the rows themselves.

It answers what landing asks: which versions of these keys have landed, and under which root do these keys lie. It is kept as sorted runs,
one or more Parquet files an ingest, ordered by key code; a look-up reads only the codes of a run and the rest where they hit. Small runs
are merged when there are many.

A key code is 128 bits: of a single integer key the number itself, scrambled (no two keys share one); of other keys their BLAKE2b hash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srp_assets.warehouse.catalogue import Catalogue, ColumnType, Entity
from srp_assets.warehouse.row_hash import content_hashes
from srp_assets.warehouse.schema import ARROW_TYPES
from srp_assets.warehouse.storage import Storage

RUN_ROWS = 4_000_000
"""Rows of a run at most (about 250 MB in memory): runs that would make a greater one are not merged."""

MOST_RUNS = 12
MERGED_RUNS = 8

SORTED_FIELDS = ("key_high", "key_low", "updated", "landed", "hash_high", "hash_low", "ordinal")


@dataclass(frozen=True)
class Versions:
    """Some versions of keys, as columns of equal length.

    Args:
        key_high: uint64, the upper half of the key code.
        key_low: uint64, its lower half.
        updated: int64, updated_at in microseconds, the least int64 where there is none.
        landed: int64, landed_at in microseconds.
        hash_high: uint64, the upper half of the row hash.
        hash_low: uint64, its lower half.
        ordinal: int64, the period as a number.
        root: the bucket key, for entities that others are resolved through.
    """

    key_high: np.ndarray
    key_low: np.ndarray
    updated: np.ndarray
    landed: np.ndarray
    hash_high: np.ndarray
    hash_low: np.ndarray
    ordinal: np.ndarray
    root: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.key_high)

    def take(self, places: np.ndarray) -> "Versions":
        """The versions at some places."""
        chosen = {name: getattr(self, name)[places] for name in SORTED_FIELDS}
        return Versions(**chosen, root=None if self.root is None else self.root.take(pa.array(places)))

    def by_order(self, group: np.ndarray) -> np.ndarray:
        """The places in ascending version order within ascending groups."""
        return np.lexsort((self.hash_low, self.hash_high, self.landed, self.updated, group))

    def as_table(self) -> pa.Table:
        """The versions as a table, in order of their key codes."""
        places = np.lexsort((self.key_low, self.key_high))
        columns: dict[str, pa.Array] = {name: pa.array(getattr(self, name)[places]) for name in SORTED_FIELDS}
        if self.root is not None:
            columns["root"] = self.root.take(pa.array(places))
        return pa.table(columns)


def concatenated(parts: Sequence[Versions]) -> Versions:
    """Versions one after the other."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SORTED_FIELDS}
    roots = [part.root for part in parts]
    return Versions(**columns, root=None if any(root is None for root in roots) else pa.concat_arrays(roots))


def no_versions(root_type: pa.DataType | None = None) -> Versions:
    """No versions at all."""
    empty = {item.name: np.zeros(0, np.uint64 if item.name.startswith(("key", "hash")) else np.int64) for item in fields(Versions)[:-1]}
    return Versions(**empty, root=None if root_type is None else pa.array([], root_type))


def _from_table(table: pa.Table) -> Versions:
    columns = {name: table.column(name).to_numpy() for name in SORTED_FIELDS}
    return Versions(**columns, root=table.column("root").combine_chunks() if "root" in table.column_names else None)


def key_codes(columns: Sequence[tuple[ColumnType, pa.Array]]) -> tuple[np.ndarray, np.ndarray]:
    """The codes of keys without nulls, as their upper and lower halves."""
    if len(columns) == 1 and columns[0][0] == "int64":
        high = _scrambled(columns[0][1].to_numpy(zero_copy_only=False).astype(np.uint64))
        return high, np.zeros(len(high), np.uint64)
    hashes = content_hashes(columns)
    return hashes[:, 0], hashes[:, 1]


def _scrambled(numbers: np.ndarray) -> np.ndarray:
    """A bijection that spreads neighbours over all codes (the finalizer of SplitMix64: Steele, Lea, Flood 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def root_type(catalogue: Catalogue, name: str) -> pa.DataType | None:
    """The type of the roots that an entity's index keeps, None if no entity is resolved through it."""
    entity: Entity = catalogue.entities[name]
    if not any(other.root and name in other.root.entities for other in catalogue.entities.values()):
        return None
    return ARROW_TYPES[entity.columns[entity.bucket_key].value_type]


class KeyIndex:
    """The index of one entity within a product, during one ingest: what others landed, and what this one adds."""

    def __init__(self, storage: Storage, files: Sequence[str], prefix: str, root: pa.DataType | None) -> None:
        self._storage = storage
        self._prefix = prefix
        self._root = root
        self._added: list[Versions] = []
        self._added_rows = 0
        self.files = list(files)
        self.written: list[str] = []
        self.grew = False

    def find(self, key_high: np.ndarray) -> Versions:
        """The versions whose codes have one of these upper halves."""
        self.flush()
        if not self.files or not len(key_high):
            return no_versions(self._root)
        wanted = np.sort(key_high)
        found = [versions for path in self.files for versions in self._find_in(path, wanted)]
        return concatenated(found) if found else no_versions(self._root)

    def _find_in(self, path: str, wanted: np.ndarray) -> list[Versions]:
        found = []
        with pq.ParquetFile(self._storage.path(path), filesystem=self._storage.filesystem) as file:
            for group in range(file.num_row_groups):
                range_ = file.metadata.row_group(group).column(0).statistics
                if range_.max < wanted[0] or range_.min > wanted[-1]:
                    continue
                codes = file.read_row_group(group, ["key_high"]).column(0).to_numpy()
                places = np.flatnonzero(_is_among(codes, wanted))
                if len(places):
                    found.append(_from_table(file.read_row_group(group)).take(places))
        return found

    def add(self, versions: Versions) -> None:
        """Adds versions that this ingest stored."""
        if len(versions):
            self.grew = True
            self._added.append(versions)
            self._added_rows += len(versions)
            if self._added_rows >= RUN_ROWS:
                self.flush()

    def flush(self) -> None:
        """Writes what was added, so that it is found."""
        if self._added:
            self._write(concatenated(self._added))
            self._added, self._added_rows = [], 0

    def _write(self, versions: Versions) -> None:
        path = f"{self._prefix}-{len(self.written)}.parquet"
        self._storage.write(path, versions.as_table(), dictionaries=False)
        self.files.append(path)
        self.written.append(path)

    def merge_small_runs(self) -> list[str]:
        """Merges the smallest runs if there are many; returns the files that are no longer needed after the commit."""
        if len(self.files) <= MOST_RUNS:
            return []
        rows = {path: self._storage.rows(path) for path in self.files}
        smallest = sorted(self.files, key=lambda path: rows[path])[:MERGED_RUNS]
        if sum(rows[path] for path in smallest) > RUN_ROWS:
            return []
        merged = concatenated([_from_table(self._storage.read(path)) for path in smallest])
        self.files = [path for path in self.files if path not in smallest]
        self._write(merged)
        return smallest


def _is_among(codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    places = np.minimum(np.searchsorted(wanted, codes), len(wanted) - 1)
    return wanted[places] == codes


def newest_roots(versions: Versions, key_high: np.ndarray, key_low: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """The root of the newest version of each looked-up key.

    Args:
        versions: with roots, what `KeyIndex.find` gave for these keys.
        key_high: uint64, the looked-up keys' codes, upper halves.
        key_low: uint64, lower halves.

    Returns:
        bool, whether each key was found, and the roots (null where it was not).
    """
    if versions.root is None:
        raise ValueError("this index keeps no roots")
    if not len(versions):
        return np.zeros(len(key_high), bool), pa.nulls(len(key_high), versions.root.type)
    codes = np.concatenate([versions.key_high, key_high])
    groups = group_numbers(codes, np.concatenate([versions.key_low, key_low]))
    known, asked = groups[: len(versions)], groups[len(versions) :]
    newest = np.full(int(groups.max()) + 1, -1)
    order = versions.by_order(known)
    newest[known[order]] = order  # the last assignment counts: the greatest in version order
    places = newest[asked]
    return places >= 0, versions.root.take(pc.if_else(pa.array(places >= 0), pa.array(places), pa.scalar(None, pa.int64())))


def group_numbers(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """A number from 0 for each distinct code, in the codes' order."""
    order = np.lexsort((low, high)) if low.any() else np.argsort(high)
    differs = np.zeros(len(high), np.int64)
    differs[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    numbers = np.empty(len(high), np.int64)
    numbers[order] = np.cumsum(differs)
    return numbers


def key_columns(entity: Entity, columns: Mapping[str, pa.Array]) -> list[tuple[ColumnType, pa.Array]]:
    """An entity's key columns with their types, for `key_codes`."""
    return [(entity.columns[name].value_type, columns[name]) for name in entity.key]
